"""Arguments of commands that are paths, or name a run: a folder, or a URL.

A run at a URL is a folder while one works.
"""

import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import click

from bloodcell.engine.object_store import ObjectPath, place_of
from bloodcell.errors import IS_EMPTY, InputError
from bloodcell.mirror import WorkingFolder, mirrored, refuse_nested
from bloodcell.terminal import printable


@dataclass(frozen=True)
class RunUrl:
    """A run in an object store, as it was given."""

    place: ObjectPath
    holds: bool
    """Whether the command keeps a second writer out."""


class NoPath(click.ClickException):
    """A value that can be no path; told as errors of the package are."""

    exit_code = InputError.exit_status

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - click's contract
        """See click."""
        click.echo(f"bloodcell: {printable(self.message)}", err=True)


class PathArgument(click.Path):
    """Gives a ``Path``, or text; refuses an empty one, which would be the current folder."""

    def __init__(self, path_type: type[str] | type[Path] = Path) -> None:
        super().__init__(path_type=path_type)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """See click's ``ParamType``."""
        if str(value) == "":
            raise NoPath(f"{param.get_error_hint(ctx)} {IS_EMPTY}")
        return super().convert(value, param, ctx)


NAME_OR_PATH = PathArgument(str)
"""Of what comes with bloodcell by its name, or is the user's own; or a URL."""


class RunArgument(PathArgument):
    """Gives a ``Path``, or a ``RunUrl`` that ``local_runs`` turns into one."""

    def __init__(self, *, holds: bool = False) -> None:
        super().__init__()
        self._holds = holds

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """See click's ``ParamType``."""
        try:
            place = place_of(value) if value else value
        except InputError as error:
            raise NoPath(str(error)) from error
        if isinstance(place, ObjectPath):
            return RunUrl(place, self._holds)
        return super().convert(place, param, ctx)


@contextmanager
def local_runs(options: Mapping[str, Any], at_end: ExitStack) -> Iterator[dict[str, Any]]:
    """``options`` with a folder of this machine for each run in an object store.

    When a block ends the store has what was written there; the folders go with ``at_end``, and
    until then what is printed names URLs in their place.
    """
    with ExitStack() as mirrors:

        def local(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(map(local, value))
            return _entered(value, mirrors, at_end) if isinstance(value, RunUrl) else value

        for run in options.values():
            for other in options.values() if isinstance(run, RunUrl) else ():
                refuse_nested(run.place, other)
        yield {name: local(value) for name, value in options.items()}


def _entered(run: RunUrl, mirrors: ExitStack, at_end: ExitStack) -> Path:
    working = WorkingFolder()
    at_end.callback(working.remove)
    here, there = str(working.path), run.place.url
    at_end.enter_context(redirect_stdout(_Renaming(sys.stdout, here, there)))
    at_end.enter_context(redirect_stderr(_Renaming(sys.stderr, here, there)))
    return mirrors.enter_context(mirrored(run.place, working, holds=run.holds))


class _Renaming(io.TextIOBase):
    """A stream that writes ``there`` wherever ``here`` is written."""

    def __init__(self, stream: TextIO, here: str, there: str) -> None:
        self._stream, self._here, self._there = stream, here, there

    def write(self, text: str) -> int:
        return self._stream.write(text.replace(self._here, self._there))

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()
