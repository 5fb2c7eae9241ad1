"""The command line. Only click is imported here, so that ``--help`` answers at once."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from bloodcell import __version__
from bloodcell.engine.backends.choice import BACKEND_NAMES
from bloodcell.errors import BloodcellError

_FOLDER = click.Path(path_type=Path)
_TOO_MANY_REJECTED = 3


def _reporting_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Turn the project's errors into one line and their exit status."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except BloodcellError as error:
            click.echo(f"bloodcell: {error}", err=True)
            sys.exit(error.exit_status)
        except OSError as error:
            # A full disk or a forbidden folder where no better message is known.
            click.echo(f"bloodcell: {error}", err=True)
            sys.exit(BloodcellError.exit_status)

    return run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Score images of single blood cells for leukaemia blasts. Research use only."""


@main.command()
@click.argument("input_", metavar="INPUT", type=_FOLDER)
@click.option("--out", required=True, type=_FOLDER, help="Run folder, made or resumed.")
@click.option("--model", metavar="NAME|DIR", help="Shipped model or model folder.")
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
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads  [default: all]")
@click.option(
    "--workers", type=click.IntRange(min=1),
    help="Processes  [default: one a GPU; on the CPU one in all]",
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
    "--interval-width", type=click.FloatRange(min=0, min_open=True), default=10.0,
    show_default=True, help="Points up to which an interval is narrow enough.",
)  # fmt: skip
@click.option(
    "--max-reject-rate", type=click.FloatRange(0, 1), default=0.01, show_default=True,
    help="Exit with status 3 if a larger share of the cells was rejected.",
)  # fmt: skip
@click.option("--resume/--no-resume", default=True, help="Continue a run of the same job.")
@click.option("--json", "as_json", is_flag=True, help="Print run.json instead of a table.")
@_reporting_errors
def score(input_: Path, out: Path, max_reject_rate: float, as_json: bool, **options: Any) -> None:
    """Score every cell of INPUT and write a run folder.

    INPUT: a folder with one subfolder a patient, tar shards, or a .csv/.parquet manifest.
    """
    from bloodcell.console import print_json, print_patients, progress_shown, stop_on_signals
    from bloodcell.engine.machine import keep_memory_flat
    from bloodcell.scoring import score as run_score

    keep_memory_flat()
    with stop_on_signals() as stop, progress_shown("scoring", unit="cells") as progress:
        run = run_score(input_, out, stop=stop, progress=progress, **options)
    if as_json:
        print_json(run.about)
    else:
        print_patients(run)
    if run.reject_rate > max_reject_rate:
        click.echo(
            f"bloodcell: {100 * run.reject_rate:.2f} % of the cells were rejected, more than "
            f"--max-reject-rate {max_reject_rate}: see the reasons in {run.folder / 'run.json'}",
            err=True,
        )
        sys.exit(_TOO_MANY_REJECTED)


@main.command()
@click.argument("run", type=_FOLDER)
@click.option("--labels", required=True, type=_FOLDER, help="CSV with path and class.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@_reporting_errors
def evaluate(run: Path, labels: Path, as_json: bool) -> None:
    """Compare a run with labels: by class, blast ROC, by patient. Writes RUN/evaluation."""
    from bloodcell.console import print_evaluation, print_json
    from bloodcell.evaluation import evaluate as run_evaluation
    from bloodcell.evaluation import write_evaluation
    from bloodcell.run import open_run

    opened = open_run(run)
    figures = run_evaluation(opened, labels)
    folder = write_evaluation(opened, figures)
    if as_json:
        print_json(figures)
    else:
        print_evaluation(figures)
        click.echo(f"figures and pictures: {folder}")
        click.echo("Research use only: never a diagnosis.")


@main.command()
@click.argument("run", type=_FOLDER)
@click.option("--labels", required=True, type=_FOLDER, help="CSV with path and class.")
@click.option("--out", required=True, type=_FOLDER, help="Model folder to make.")
@_reporting_errors
def calibrate(run: Path, labels: Path, out: Path) -> None:
    """Copy the run's model with an error model of the run's labelled patients."""
    from bloodcell.calibration import calibrate as run_calibration
    from bloodcell.console import print_pairs
    from bloodcell.run import open_run

    error_model = run_calibration(open_run(run), labels, out)
    print_pairs(
        {
            "patients": error_model.patients,
            "cells": error_model.cells,
            "blasts": error_model.blasts,
            "model folder": out,
        }
    )


@main.command()
@click.argument("run", type=_FOLDER)
@_reporting_errors
def report(run: Path) -> None:
    """Write the report of a finished run anew."""
    from bloodcell.report import write_report
    from bloodcell.run import open_run

    write_report(open_run(run))
    click.echo(run / "report" / "index.html")


@main.command()
@click.argument("data", type=_FOLDER)
@click.option("--labels", required=True, type=_FOLDER, help="CSV with path, patient and class.")
@click.option("--out", required=True, type=_FOLDER, help="Model folder, made or resumed.")
@click.option(
    "--recipe", metavar="NAME|TOML", default="resnext26", show_default=True,
    help="All options of a training: one that comes with bloodcell, or your own file.",
)  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads  [default: all]")
@click.option(
    "--data-source", default="not stated", help="For the card: where the images are from."
)
@click.option("--data-licence", default="not stated", help="For the card: their licence state.")
@click.option("--data-limits", default="not stated", help="For the card: what they lack.")
@_reporting_errors
def train(data: Path, labels: Path, out: Path, **options: Any) -> None:
    """Train a network on the labelled cells in DATA and write a model folder."""
    from bloodcell.console import log_lines, progress_shown
    from bloodcell.engine.machine import keep_memory_at_hand
    from bloodcell.training import train as run_training

    keep_memory_at_hand()
    log_lines()
    with progress_shown("training", unit="batches") as progress:
        run_training(data, labels, out, progress=progress, **options)
    click.echo(f"model folder: {out}")


@main.command()
@click.argument("model", metavar="MODEL")
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=256, show_default=True,
    help="Cells a batch; smaller ones are filled up to it.",
)  # fmt: skip
@click.option(
    "--merge-groups", type=click.IntRange(min=1), metavar="CHANNELS",
    help="Merge narrower groups of convolutions to so many channels: equal results.",
)  # fmt: skip
@_reporting_errors
def build(model: str, batch_size: int, merge_groups: int | None) -> None:
    """Build the TensorRT plan of MODEL for this GPU, which scoring would otherwise do first.

    MODEL is a shipped model's name or a model folder. The plan is kept in your cache folder, and
    scoring with TensorRT on this GPU takes the options of the last build.
    """
    from bloodcell.console import log_lines, print_pairs
    from bloodcell.engine.backends.tensorrt import PlanOptions
    from bloodcell.plans import build as run_build

    log_lines()
    print_pairs(run_build(model, PlanOptions(batch_size, merge_groups or 0)))


@main.command()
@click.option("--recipes", is_flag=True, help="List what `train` offers instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@_reporting_errors
def models(recipes: bool, as_json: bool) -> None:
    """List the models that come with bloodcell and measure their speed here."""
    from bloodcell.catalogue import shipped_models, trainable_recipes
    from bloodcell.console import print_json, print_networks

    entries = trainable_recipes() if recipes else shipped_models()
    if as_json:
        print_json(entries)
    else:
        print_networks(entries)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@_reporting_errors
def doctor(as_json: bool) -> None:
    """Say what this machine offers and which backend `auto` takes here."""
    from bloodcell.console import print_json, print_pairs
    from bloodcell.doctor import examine

    findings = examine()
    if as_json:
        print_json(findings)
    else:
        print_pairs(findings)


@main.command()
@click.argument("out", type=_FOLDER)
@click.option("--patients", type=click.IntRange(min=1), default=4, show_default=True)
@click.option(
    "--cells", type=click.IntRange(min=1), default=100, show_default=True, help="Cells a patient."
)
@click.option(
    "--format", "image_format",
    type=click.Choice(["jpeg", "tiff", "png", "bmp", "mixed"]), default="jpeg", show_default=True,
)  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True)
@_reporting_errors
def phantom(out: Path, **options: Any) -> None:
    """Draw cells for demos, tests and load. They are drawings, never real cells."""
    from bloodcell.console import print_pairs
    from bloodcell.phantom import write_phantoms

    summary = write_phantoms(out, **options)
    print_pairs({"drawn cells": summary.cells, "drawn patients": summary.patients, "folder": out})


if __name__ == "__main__":
    main()
