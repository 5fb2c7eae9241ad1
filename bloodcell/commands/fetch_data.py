"""`bloodcell fetch-data`."""

from pathlib import Path

import click

from bloodcell.command import Shown, command, progress_of
from bloodcell.run_argument import PathArgument
from bloodcell.terminal import stop_requested

_PATH = PathArgument()
_MB = 10**6


@click.command("fetch-data")
@click.argument("name", metavar="NAME")
@click.option("--to", required=True, type=_PATH, help="Folder for the files.")
@click.option("--run", is_flag=True, help="Fetch them, or what is left of them.")
@click.option(
    "--addresses", type=_PATH, metavar="TOML", help="Data sets in place of the shipped list."
)
@command
def fetch_data(name: str, to: Path, run: bool, addresses: Path | None) -> Shown:
    """Say what the public data set NAME is and where its files are; with --run fetch them.

    NAME: matek2019, matek2021, acevedo2019, or one of your own list. Without --run nothing is
    fetched and nothing written.
    """
    from bloodcell.fetching import fetch, plan, read_data_set
    from bloodcell.printed.data_sets import as_json, print_data_set

    data_set = read_data_set(name, addresses)
    if not run:
        files = plan(data_set, to)
        return Shown(as_json(data_set, files), lambda: print_data_set(data_set, files, to))
    with progress_of("fetching", unit="MB") as told:
        files = fetch(
            data_set, to, lambda _: lambda done, total: told(done // _MB, total // _MB),
            stop_requested,
        )  # fmt: skip
    by_hand = [one.file.name for one in files if one.state != "there"]
    return Shown(
        as_json(data_set, files),
        lambda: print_data_set(data_set, files, to),
        warnings=[f"{file} has to be fetched by hand, as said above" for file in by_hand],
        exit_status=bool(by_hand),
    )
