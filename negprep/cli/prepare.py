"""`negprep prepare`."""

from __future__ import annotations

from typing import Any

import click

from negprep.cli import signals
from negprep.cli.click_options import SectionCommand, arguments, declared, explicit
from negprep.cli.closing import check_summary, data_set_text
from negprep.cli.run import refuse_inputs, shows_bars
from negprep.cli.signals import tell, tell_warnings
from negprep.cli.startup import load_libraries
from negprep.cli.terminal import progress_bars


@click.command(name="prepare", cls=SectionCommand, short_help="Write train, valid and test in one run.")
@arguments("INPUT", "OUTPUT", by_config=True)
@declared("prepare")
def command(**given: Any) -> None:  # noqa: ANN401
    """Write the whole data set of INPUT into the folder OUTPUT, from one split: train instances, the candidates of
    valid and test, the vocabularies, the facts of the run, and a data card.

    \b
      negprep prepare log.csv folder/ --num-neg 4 --test-num-neg 99

    INPUT is read once. train.parquet, valid.parquet and test.parquet are byte for byte what `negprep train` and
    `negprep test` write with the same options. The negatives of the candidates have options of their own, which begin
    with --test-. OUTPUT appears whole or not at all. It holds the options as negprep.toml: `negprep prepare --config
    folder/negprep.toml copy/` makes the same files again.
    """  # noqa: D301
    refuse_inputs(given)
    source, target = given["source"], given["target"]
    from negprep.bundle import options_of_parts, prepare_all

    chosen = {name: value for name, value in given.items() if name not in _OWN}
    parts = options_of_parts(chosen, explicit())
    check_summary(given["summary"], source, target, parts["train"])
    load_libraries(algebra=0 if parts["train"].model is None else parts["train"].jobs, needs_functions=lambda: True)
    with progress_bars(shown=shows_bars(given)) as progress:
        signals.expect_traces()
        made = prepare_all(
            source,
            target,
            parts,
            force=given["force"],
            summary=given["summary"],
            progress=progress,
            dry_run=given["dry_run"],
            sampler_file=given["sampler_file"],
        )
    if given["quiet"]:
        tell_warnings("prepare", made.warnings)
    else:
        tell(data_set_text(made, source, target))


_OWN = ("source", "target", "force", "summary", "quiet", "progress", "dry_run", "sampler_file")
