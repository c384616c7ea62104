"""`negprep recipes`."""

from __future__ import annotations

import click

from negprep.errors import printable
from negprep.options.config import read_recipe, recipe_names, recipe_text


@click.command(name="recipes", short_help="List the public data sets that --recipe knows.")
@click.argument("name", metavar="[NAME]", required=False)
def command(name: str | None) -> None:
    """List the recipes, or print the one with NAME as TOML: a start for one of your own.

    A recipe names the columns of a public data set, which of its interactions are positives, and what is published of
    it: rows, users, items, checksums, each with its source. Nothing is downloaded.

    \b
      negprep recipes
      negprep recipes movielens-1m
      negprep train ratings.dat train.parquet --recipe movielens-1m
    """  # noqa: D301
    if name is not None:
        click.echo(recipe_text(name), nl=False)
        return
    found = [read_recipe(each) for each in recipe_names()]
    width, longest = (max(map(len, texts)) for texts in ([each.name for each in found], [each.title for each in found]))
    for each in found:
        rows = "" if each.rows is None else f"{each.rows:,} rows"
        click.echo(printable(f"{each.name:{width}}  {each.title:{longest}}  {rows:>16}".rstrip()))
