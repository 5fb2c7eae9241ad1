"""`bloodcell serve`."""

import os
from typing import Any

import click

from bloodcell.command import FiniteRange, Shown, command, pairs
from bloodcell.engine.backends.choice import BACKEND_NAMES
from bloodcell.errors import PackageError
from bloodcell.given_numbers import MOST_THREADS
from bloodcell.paths import DEFAULT_MODEL, model_folder
from bloodcell.run_argument import NAME_OR_PATH, PathArgument

_PATH = PathArgument()
_PORT = click.IntRange(0, 65535)


@click.command()
@click.option(
    "--model", metavar="NAME|DIR", type=NAME_OR_PATH,
    help=f"Shipped model or model folder  [default: {DEFAULT_MODEL}]",
)  # fmt: skip
@click.option("--backend", type=click.Choice(BACKEND_NAMES), default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(1, MOST_THREADS), help="CPU threads  [default: all]")
@click.option(
    "--profile", type=click.Choice(["blood", "marrow"]), default="blood", show_default=True
)
@click.option(
    "--blast-equivalents", type=click.Choice(["none", "aml", "apl"]), default="none",
    show_default=True,
)  # fmt: skip
@click.option(
    "--max-delay-ms", type=FiniteRange(min=0), default=20.0, show_default=True,
    help="How long a cell may wait for others while the network is free.",
)  # fmt: skip
@click.option(
    "--host", default="127.0.0.1", show_default=True,
    help="Address to listen at; one that other machines reach needs --token-file.",
)  # fmt: skip
@click.option(
    "--grpc-port", type=_PORT, default=8001, show_default=True, help="0: any that is free."
)
@click.option(
    "--http-port", type=_PORT, default=8000, show_default=True, help="0: any that is free."
)
@click.option("--tls-certificate", type=_PATH, help="PEM; with --tls-key both ports speak TLS.")
@click.option("--tls-key", type=_PATH, help="PEM.")
@click.option("--token-file", type=_PATH, help="Clients show its content as a bearer token.")
@click.option(
    "--max-request-bytes", type=click.IntRange(min=1), default=64 * 2**20, show_default=True,
    help="Most bytes of a request.",
)  # fmt: skip
@click.option(
    "--max-requests", type=click.IntRange(min=1), default=128, show_default=True,
    help="Most requests that are not answered yet; more are refused.",
)  # fmt: skip
@click.option(
    "--max-waiting", type=click.IntRange(min=1), default=1024, show_default=True,
    help="Most cells without a result; more are refused.",
)  # fmt: skip
@click.option(
    "--max-rate", type=FiniteRange(min=0, min_open=True),
    help="Most requests a second  [default: any number]",
)  # fmt: skip
@command
def serve(
    model: str | None, max_request_bytes: int, max_requests: int, max_waiting: int,
    max_rate: float | None, **options: Any,
) -> Shown:  # fmt: skip
    """Score cells of other programs, by the Open Inference Protocol v2 over gRPC and HTTP."""
    model_folder(model)
    # Its core would say on standard error, in lines of its own, what is raised or answered.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from bloodcell.server.life import Options
        from bloodcell.server.life import serve as run_server
        from bloodcell.server.limits import Limits
    except ModuleNotFoundError as error:
        raise PackageError(
            f"serve needs the package {error.name}: pip install 'bloodcell[serve]'"
        ) from error
    from bloodcell.engine.machine import keep_memory_flat
    from bloodcell.terminal import printable, stop_requested

    keep_memory_flat()
    limits = Limits(max_request_bytes, max_requests, max_waiting, max_rate)
    served = run_server(
        Options(model=model, limits=limits, **options),
        stop_requested,
        lambda line: click.echo(printable(line), err=True),
    )
    return pairs(served)
