"""Object stores: what lies at a URL, by each store's own package through fsspec.

One place has the retries, one the words for what a store refuses. Credentials and endpoints are
those of the store's usual environment.
"""

import os
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TextIO, TypeAlias, TypeVar, overload

from bloodcell.engine.names import bytes_of, text_of
from bloodcell.engine.store_errors import may_pass, translated
from bloodcell.errors import IS_EMPTY, InputError, PackageError, StoreError

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

Result = TypeVar("Result")

MOST_REQUESTS = 64
"""In flight at once in one process: at 50 ms each, 1,280 a second."""
_MOST_TRIES = 8
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 10.0
"""Of waits drawn at random, each time up to twice as long: 6 s together on average."""
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PATH_OF_URL = re.compile(r"(?:s3|gs|az|abfs):/")
_PACKAGES = {
    "s3": ("s3fs", "s3"),
    "gs": ("gcsfs", "gs"),
    "az": ("adlfs", "az"),
    "abfs": ("adlfs", "az"),
}
"""By scheme: the package, and the extra that has it."""
_S3_OPTIONS: dict[str, Any] = {
    # With more than one it asks for the size of an object before it reads it.
    "max_concurrency": 1,
    "config_kwargs": {
        "max_pool_connections": MOST_REQUESTS,
        "retries": {"total_max_attempts": 1},
    },
}
_SECRET = re.compile(r"^[^/]*:[^/]*@|[?&](?:sig|(?:x-(?:amz|goog)-)?signature)=", re.IGNORECASE)
"""Of a URL behind its scheme: user and password, or the signature of one that was signed."""
_ENVIRONMENT = ("AWS_", "GOOGLE_", "AZURE_")


def is_url(text: object) -> bool:
    """Whether ``text`` names something in an object store, and no file."""
    return isinstance(text, str) and bool(_URL.match(text)) and not text.startswith("file://")


@dataclass(frozen=True, order=True)
class ObjectPath:
    """An object, or a folder of objects, that ``url`` names: ``s3://bucket/folder``.

    What ``pathlib.Path`` is to a file, and like it a value that may cross to a process. Nothing is
    asked of the store until something is read. Raises InputError for a scheme that is not known.
    """

    url: str

    def __post_init__(self) -> None:
        scheme, _, rest = self.url.partition("://")
        if scheme not in _PACKAGES or not rest.strip("/"):
            known = ", ".join(f"{name}://BUCKET/..." for name in _PACKAGES)
            raise InputError(f"{self.url} is no URL of an object store: {known} are known")
        object.__setattr__(self, "url", f"{scheme}://{rest.strip('/')}")

    @property
    def scheme(self) -> str:
        """Which store."""
        return self.url.partition("://")[0]

    @property
    def key(self) -> str:
        """Bucket and key, as fsspec takes them."""
        return self.url.partition("://")[2]

    @property
    def bucket(self) -> str:
        """The first part of ``key``."""
        return self.key.partition("/")[0]

    @property
    def name(self) -> str:
        """The last part of ``key``."""
        return self.key.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """``name`` without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """Of ``name``, with its dot; "" for none."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> "ObjectPath":
        """The folder that it lies in; a bucket lies in itself."""
        return ObjectPath(self.url[: -len(self.name) - 1]) if "/" in self.key else self

    def __truediv__(self, below: str) -> "ObjectPath":
        return ObjectPath(f"{self.url}/{below}")

    def __str__(self) -> str:
        return self.url

    def submit(self, operation: Callable[[Any], Awaitable[Result]]) -> "Future[Result]":
        """Begin ``operation`` on the store's asynchronous filesystem (of fsspec).

        It is begun again, after a wait, while it fails by what may pass: throttling, 5xx answers,
        lost connections, short bodies. The future raises StoreError where the store is no use as a
        whole (credentials, bucket, region); FileNotFoundError, FileExistsError, PermissionError of
        one object; any other OSError where it still fails. Each says it in one line. Raises
        PackageError if the store's package is not installed.
        """
        import asyncio

        store = _opened(self.scheme, _environment(), os.getpid())
        return asyncio.run_coroutine_threadsafe(store.tried(operation, self), store.filesystem.loop)

    def run(self, operation: Callable[[Any], Awaitable[Result]]) -> Result:
        """``submit`` and wait; never from the thread that operations run in."""
        return self.submit(operation).result()

    def read(self, start: int | None = None, end: int | None = None) -> bytes:
        """Its bytes, or those from ``start`` to before ``end``; fewer where it ends earlier."""
        return self.submit_read(start, end).result()

    def submit_read(self, start: int | None = None, end: int | None = None) -> "Future[bytes]":
        """Begin ``read``."""
        return self.submit(lambda store: store._cat_file(self.key, start=start, end=end))

    def size(self) -> int:
        """Its bytes; FileNotFoundError if there is no such object, and as ``submit``."""
        about: dict[str, Any] = self.run(lambda store: store._info(self.key))
        if about["type"] != "file":
            raise FileNotFoundError(f"{self} is a folder")
        return int(about["size"])

    def is_file(self) -> bool:
        """Whether there is such an object."""
        try:
            return self.size() >= 0
        except FileNotFoundError:
            return False

    @overload
    def open(self, mode: Literal["rb"]) -> BinaryIO: ...
    @overload
    def open(self, *, encoding: str, newline: str) -> TextIO: ...
    def open(self, mode: str = "r", encoding: str | None = None, newline: str | None = None) -> Any:
        """For reading, as ``Path.open``; raises as ``submit``, also as it is read."""
        import io

        from bloodcell.engine.object_file import open_object

        binary = open_object(self.submit_read, self.size())
        return binary if mode == "rb" else io.TextIOWrapper(binary, encoding, newline=newline)


Place: TypeAlias = Path | ObjectPath
"""Where something is that is read: on a disk, or in an object store."""


def place_of(given: str | Place) -> Place:
    """The place that a user names.

    InputError for none, for a URL that was made a ``Path``, and, without quoting it, for one with
    credentials: it would stand in ``run.json``, the audit log and messages.
    """
    if given == "":
        raise InputError(f"a path {IS_EMPTY}")
    if isinstance(given, Path) and _PATH_OF_URL.match(str(given)):
        _refuse_credentials(str(given))
        raise InputError(f"{given} was a URL and is a path now: give the URL as a string")
    if isinstance(given, ObjectPath) or is_url(given):
        _refuse_credentials(str(given))
        return given if isinstance(given, ObjectPath) else ObjectPath(str(given))
    return Path(given.removeprefix("file://") if isinstance(given, str) else given)


def _refuse_credentials(url: str) -> None:
    scheme, _, rest = url.partition(":")
    if _SECRET.search(rest.lstrip("/")):
        raise InputError(
            f"the URL {scheme}://... holds credentials, which would stand in run.json and in "
            "logs: give it without them. Those of the store's usual environment are taken"
        )


def whole_name(place: Place) -> str:
    """A place as a record has it, whatever the current folder is; ``place_of_name`` reads it."""
    return place.url if isinstance(place, ObjectPath) else text_of(place.resolve())


def place_of_name(name: str) -> Place:
    """The place that ``whole_name`` wrote."""
    return place_of(name if is_url(name) else os.fsdecode(bytes_of(name)))


@contextmanager
def store_errors() -> Iterator[None]:
    """Raise what is left of ``submit``'s errors as StoreError: here each is the end."""
    try:
        yield
    except OSError as error:
        raise StoreError(error.strerror or str(error)) from error


@dataclass(frozen=True)
class _Store:
    """A filesystem of fsspec, and how many requests it is given at once."""

    filesystem: Any
    room: "asyncio.Semaphore"

    async def tried(
        self, operation: Callable[[Any], Awaitable[Result]], where: ObjectPath
    ) -> Result:
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt
        from tenacity.wait import wait_random_exponential

        retrying = AsyncRetrying(
            retry=retry_if_exception(may_pass),
            stop=stop_after_attempt(_MOST_TRIES),
            wait=wait_random_exponential(_FIRST_WAIT_S, _LONGEST_WAIT_S),
            reraise=True,
        )
        try:
            return await retrying(self._once, operation)
        except Exception as error:
            raise translated(error, where.url, where.bucket) from error

    async def _once(self, operation: Callable[[Any], Awaitable[Result]]) -> Result:
        async with self.room:
            return await operation(self.filesystem)


@lru_cache(8)
def _opened(scheme: str, _environment: tuple[tuple[str, str], ...], _process: int) -> _Store:
    """The one of this process and these credentials."""
    package, extra = _PACKAGES[scheme]
    import asyncio

    try:
        import tenacity  # noqa: F401 - told here, not at the first request

        # Its own cache of filesystems knows nothing of a change of credentials.
        filesystem = _OPENING[package](use_listings_cache=False, skip_instance_cache=True)
    except ImportError as error:
        raise PackageError(
            f"{scheme}:// needs {package}, which is not installed ({error}): "
            f"pip install 'bloodcell[{extra}]'"
        ) from error
    except Exception as error:
        raise translated(error, f"{scheme}://", "") from error
    return _Store(filesystem, asyncio.Semaphore(MOST_REQUESTS))


def _open_s3(**options: Any) -> Any:
    from s3fs import S3FileSystem

    filesystem = S3FileSystem(**options, **_S3_OPTIONS)
    filesystem.retries = 1  # the retries are ours
    return filesystem


def _open_google(**options: Any) -> Any:
    from bloodcell.engine.google_store import GoogleStore

    return GoogleStore(**options)


def _open_azure(**options: Any) -> Any:
    from bloodcell.engine.azure_store import AzureStore

    return AzureStore(**options)


_OPENING: dict[str, Callable[..., Any]] = {
    "s3fs": _open_s3,
    "gcsfs": _open_google,
    "adlfs": _open_azure,
}
"""By package: what opens its filesystem, with a single try for each request."""


def _environment() -> tuple[tuple[str, str], ...]:
    return tuple(sorted(item for item in os.environ.items() if item[0].startswith(_ENVIRONMENT)))
