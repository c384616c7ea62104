"""``negprep fit``."""

from __future__ import annotations

import os
from typing import Any

import click

from negprep.cli import fit_options, shared, stopping
from negprep.cli.libraries import load_libraries
from negprep.cli.progress import bars
from negprep.cli.request import refuse_columns, refuse_inputs, refuse_quiet_bars, refuse_split, shows_bars, taken
from negprep.cli.sections import SectionCommand
from negprep.cli.telling import tell, tell_warnings
from negprep.errors import UsageError
from negprep.limits import RNS_OPTIONS
from negprep.options import Options, ReadOptions

_LEARNING = ("factors", "epochs", "regularization", "learning_rate", "seed", *RNS_OPTIONS)
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@click.command(name="fit", cls=SectionCommand, short_help="Make a model that train draws with.")
@fit_options.arguments
@fit_options.learning
@fit_options.reinforcing
@shared.positives
@shared.holdouts(
    "Which positives are kept out of training, as in train: give both the same, so that the model has learnt "
    "from nothing that is held out.",
)
@shared.columns
@fit_options.running
def command(**given: Any) -> None:  # noqa: ANN401
    """Make a model of INPUT, by which `negprep train` draws (--sampler hard or reinforced, --model MODEL).

    INPUT is what train reads. MODEL is a file of numpy arrays (.npz): ids and factors of users and items, and how they
    came to be.

    \b
      negprep fit log.csv model.npz --kind bpr
      negprep train log.csv train.parquet --sampler hard --model model.npz

    It learns from the train positives, and rns from the weak interactions too; from nothing that is held out. MODEL
    appears whole or not at all. One seed gives one model, on one machine with one version of the libraries; not so bpr
    with more than one thread.

    Memory: the train positives and the factors. Time: epochs times positives times factors.
    """  # noqa: D301
    refuse_columns(given)
    refuse_inputs(given)
    if given["target"] == "":
        raise UsageError("MODEL is empty", remedy="give a path")
    refuse_split(given)
    refuse_quiet_bars(given)
    if given["kind"] == "rns":  # numpy reads these at its import; with more threads it may round otherwise, no faster
        for name in _ONE_THREAD:
            os.environ.setdefault(name, "1")
    load_libraries(algebra=True)
    from negprep.cli.fit_text import fit_text
    from negprep.fitting.job import fit
    from negprep.fitting.learners import learning_of

    read = ReadOptions(**taken(ReadOptions, given))
    of_train = {name: value for name, value in taken(Options, given).items() if name not in _LEARNING}
    options = Options(command="train", read=read, **of_train)
    learning = learning_of(given["kind"], threads=given["jobs"], **{name: given[name] for name in _LEARNING})
    with bars(shown=shows_bars(given)) as progress:
        stopping.expect_traces()
        summary = fit(given["source"], given["target"], options, given["kind"], learning, progress)
    if given["quiet"]:
        tell_warnings("fit", summary.warnings)
    else:
        tell(fit_text(summary, os.fspath(given["source"]), given["target"]))
