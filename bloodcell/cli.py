"""The command line. Only click is imported here, so that ``--help`` answers at once."""

from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from bloodcell import __version__
from bloodcell.caches import keep_library_caches_together
from bloodcell.command import FiniteRange, Shown, command, pairs, progress_of
from bloodcell.commands.calibrate import calibrate
from bloodcell.commands.export import export
from bloodcell.commands.export_triton import export_triton
from bloodcell.commands.fetch_data import fetch_data
from bloodcell.commands.importing import import_network
from bloodcell.commands.label_options import label_map_options
from bloodcell.commands.machine import build, doctor, models
from bloodcell.commands.merge import merge
from bloodcell.commands.review import review
from bloodcell.commands.serve import serve
from bloodcell.commands.training import audit_labels, train
from bloodcell.engine.backends.choice import BACKEND_NAMES
from bloodcell.engine.object_store import place_of
from bloodcell.first_look import check_given
from bloodcell.given_numbers import MOST_THREADS
from bloodcell.paths import check_labels, check_run
from bloodcell.run_argument import NAME_OR_PATH, PathArgument, RunArgument
from bloodcell.terminal import stop_requested

_PATH = PathArgument()
_TOO_MANY_REJECTED = 3
_NOT_GOOD = "is not whole, was changed, or is of another version"
_MOST_TOLD = 10
"""Pairs of patients that are named on the terminal; run.json and the report have more."""


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
    export,
    export_triton,
    fetch_data,
    import_network,
    merge,
    models,
    review,
    serve,
    train,
):
    main.add_command(_command)


@main.command()
@click.argument("input_", metavar="INPUT", type=NAME_OR_PATH)
@click.option(
    "--out", required=True, type=RunArgument(holds=True),
    help="Run folder, or URL of one, made or resumed.",
)  # fmt: skip
@click.option(
    "--model", metavar="NAME|DIR", type=NAME_OR_PATH, help="Shipped model or model folder."
)
@click.option(
    "--backend",
    type=click.Choice(BACKEND_NAMES),
    default="auto",
    show_default=True,
    help="What runs the network. An explicit choice never falls back.",
)
@click.option(
    "--batch-size", type=click.IntRange(min=1),
    help="Cells a batch; changes speed, never the result  [default: 32; on a GPU its plan's]",
)  # fmt: skip
@click.option("--threads", type=click.IntRange(1, MOST_THREADS), help="CPU threads  [default: all]")
@click.option(
    "--workers", type=click.IntRange(min=1),
    help="Processes  [default: one a GPU; on the CPU one in all]",
)  # fmt: skip
@click.option(
    "--on", metavar="ray[://HOST:PORT]",
    help="Score on the nodes of a Ray cluster; --workers is then the most actors.",
)  # fmt: skip
@click.option(
    "--hardware-decoder", is_flag=True, help="Decode JPEGs by the GPU's own decoder circuit."
)
@click.option(
    "--profile", type=click.Choice(["blood", "marrow"]), default="blood", show_default=True,
    help="What blasts are a share of: leukocytes, or all nucleated cells.",
)  # fmt: skip
@click.option(
    "--blast-equivalents", type=click.Choice(["none", "aml", "apl"]), default="none",
    show_default=True, help="What counts as a blast besides blasts.",
)  # fmt: skip
@click.option(
    "--interval-width", type=FiniteRange(min=0, min_open=True), default=10.0,
    show_default=True, help="Points up to which an interval is narrow enough.",
)  # fmt: skip
@click.option(
    "--max-reject-rate", type=FiniteRange(0, 1), default=0.01, show_default=True,
    help="Exit with status 3 if a larger share of the cells was rejected.",
)  # fmt: skip
@click.option("--resume/--no-resume", default=True, help="Continue a run of the same job.")
@click.option(
    "--retry-rejected", is_flag=True,
    help="Read those cells again that were missing, unreadable or empty.",
)  # fmt: skip
@command
def score(input_: str, out: Path, max_reject_rate: float, **options: Any) -> Shown:
    """Score every cell of INPUT and write a run folder.

    INPUT: a folder with one subfolder a patient, tar shards, or a .csv/.parquet manifest; or the
    URL of one in an object store (s3://, gs://, az://).
    """
    source = place_of(input_)
    counting = ("profile", "blast_equivalents", "interval_width")
    check_given(
        source, out, options["model"], resume=options["resume"],
        **{name: options[name] for name in counting},
    )  # fmt: skip
    from bloodcell.engine.spawning import spawned_ahead

    with nullcontext() if options["on"] else spawned_ahead():
        from bloodcell import repeated_images, unstained
        from bloodcell.engine.machine import keep_memory_flat
        from bloodcell.printed.patients import print_patients
        from bloodcell.scoring import score as run_score

        keep_memory_flat()
        with progress_of("scoring", unit="cells") as progress:
            run = run_score(source, out, stop=stop_requested, progress=progress, **options)
    warnings = [
        *repeated_images.told(run.record.repeated_images, _MOST_TOLD),
        *unstained.told(run.record.unstained, _MOST_TOLD),
    ]
    shown = Shown(run.about, lambda: print_patients(run), warnings)
    if run.reject_rate <= max_reject_rate:
        return shown
    warnings.append(
        f"{100 * run.reject_rate:.2f} % of the cells were rejected, more than "
        f"--max-reject-rate {max_reject_rate}: see the reasons in {run.folder / 'run.json'}"
    )
    return replace(shown, exit_status=_TOO_MANY_REJECTED)


@main.command()
@click.argument("run", type=RunArgument())
@click.option("--labels", required=True, type=_PATH, help="CSV with path and class.")
@label_map_options
@click.option(
    "--as", "paper", metavar="PAPER", type=NAME_OR_PATH,
    help="The tables of a paper, too: matek2019, matek2021, acevedo2019, or your own TOML.",
)  # fmt: skip
@click.option(
    "--doubts", is_flag=True, help="List and show the labels that the run contradicts, too."
)
@command
def evaluate(
    run: Path,
    *,
    labels: Path,
    label_map: Path | None,
    ignore_class: tuple[str, ...],
    paper: str | None,
    doubts: bool,
) -> Shown:
    """Compare a run with labels: by class, blast ROC, by patient. Writes RUN/evaluation."""
    check_run(run)
    check_labels(labels)
    from bloodcell.evaluation import evaluate as run_evaluation
    from bloodcell.evaluation import write_evaluation
    from bloodcell.labels import read_label_map, why_unused
    from bloodcell.printed.bands import print_bands
    from bloodcell.printed.evaluation import print_evaluation
    from bloodcell.printed.paper import print_paper
    from bloodcell.published import read_paper
    from bloodcell.run import open_run

    beside = read_paper(paper) if paper else None
    opened, meant = open_run(run), read_label_map(label_map, ignore_class)
    unused = why_unused(labels, meant) if meant else []
    figures = run_evaluation(opened, labels, meant, beside)
    folder = write_evaluation(opened, figures)

    def show_figures() -> None:
        print_evaluation(figures, folder)
        print_bands(figures)
        if beside:
            print_paper(figures["paper"], figures["profile"])

    if not doubts:
        return Shown(figures, show_figures, unused)
    from bloodcell.evaluation.doubts import write_doubts
    from bloodcell.printed.doubts import print_doubts

    doubted = write_doubts(opened, labels, meant)

    def show() -> None:
        show_figures()
        print_doubts(doubted, folder)

    return Shown({**figures, "doubts": doubted.to_pylist()}, show, unused)


@main.command()
@click.argument("run", type=RunArgument())
@click.option("--images", is_flag=True, help="Hold every image against its digest, too.")
@command
def verify(run: Path, images: bool) -> Shown:
    """Hold a run's files against each other: manifest, cells, counts, patients, audit log."""
    check_run(run)
    from bloodcell.printed.values import print_pairs
    from bloodcell.verification import verify as run_verification

    with progress_of("reading images", unit="cells") if images else nullcontext() as progress:
        findings = run_verification(run, progress)
    bad = [finding.what for finding in findings if not finding.good]
    return Shown(
        [asdict(finding) for finding in findings],
        lambda: print_pairs(
            {one.what: one.says if one.good else f"NOT GOOD: {one.says}" for one in findings}
        ),
        warnings=[f"{run} {_NOT_GOOD}: {', '.join(bad)}"] if bad else [],
        exit_status=bool(bad),
    )


@main.command()
@click.argument("run", type=RunArgument())
@command
def report(run: Path) -> Shown:
    """Write the report of a finished run anew."""
    check_run(run)
    from bloodcell.report import write_report
    from bloodcell.run import open_run

    opened = open_run(run)
    opened.refuse_if_not_whole()
    write_report(opened)
    return pairs({"report": run / "report" / "index.html"})


@main.command()
@click.argument("out", type=_PATH)
@click.option("--patients", type=click.IntRange(min=1), default=4, show_default=True)
@click.option(
    "--cells", type=click.IntRange(min=1), default=100, show_default=True, help="Cells a patient."
)
@click.option(
    "--format", "image_format",
    type=click.Choice(["jpeg", "tiff", "png", "bmp", "mixed"]), default="jpeg", show_default=True,
)  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True)
@command
def phantom(out: Path, **options: Any) -> Shown:
    """Draw cells for demos, tests and load. They are drawings, never real cells."""
    from bloodcell.phantom import write_phantoms

    summary = write_phantoms(out, **options)
    return pairs({"drawn cells": summary.cells, "drawn patients": summary.patients, "folder": out})
