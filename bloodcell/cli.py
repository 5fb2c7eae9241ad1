"""The command line. Only click is imported here, so that ``--help`` answers at once."""

import click

from bloodcell import __version__
from bloodcell.caches import keep_library_caches_together
from bloodcell.commands.calibrate import calibrate
from bloodcell.commands.evaluate import evaluate
from bloodcell.commands.export import export
from bloodcell.commands.export_triton import export_triton
from bloodcell.commands.fetch_data import fetch_data
from bloodcell.commands.importing import import_network
from bloodcell.commands.machine import build, doctor, models
from bloodcell.commands.merge import merge
from bloodcell.commands.phantom import phantom
from bloodcell.commands.report import report
from bloodcell.commands.review import review
from bloodcell.commands.score import score
from bloodcell.commands.serve import serve
from bloodcell.commands.training import audit_labels, train
from bloodcell.commands.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Score images of single blood cells for leukaemia blasts. Research use only."""
    keep_library_caches_together()


for _command in (
    audit_labels,
    build,
    calibrate,
    doctor,
    evaluate,
    export,
    export_triton,
    fetch_data,
    import_network,
    merge,
    models,
    phantom,
    report,
    review,
    score,
    serve,
    train,
    verify,
):
    main.add_command(_command)
