"""Google Cloud Storage by its JSON interface: gcsfs, trying each request once, in plain words."""

import inspect
import logging
import os
import re
from typing import Any

from fsspec.callbacks import NoOpCallback

# Not the filesystem that gcsfs registers: for each request that one asks by gRPC what kind of
# bucket it is, and warns, request by request, if it is not told.
from gcsfs.core import GCSFileSystem

# What they log, some of it with tracebacks, they also raise; Google's other packages log as they
# did.
for _name in ("gcsfs", "google.auth"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


_OF_A_BUCKET = re.compile(r"(?:^|/)b/[^/]+/o$")
"""The end of the path of a request that lists objects, or makes one."""


class NoSuchBucket(FileNotFoundError):  # noqa: N818 - as stores call it
    """The answer 404 to a request that reads no object."""


class GoogleStore(GCSFileSystem):  # type: ignore[misc]
    """Requests are tried once, for the retries are ``ObjectPath.submit``'s.

    Where ``GOOGLE_APPLICATION_CREDENTIALS`` is set, nothing else is tried in its place.
    """

    _get_file_request = inspect.unwrap(GCSFileSystem._get_file_request)

    def __init__(self, **options: Any) -> None:
        is_told = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
        super().__init__(token="google_default" if is_told else None, **options)

    async def _get_file(self, rpath: str, lpath: str, **_: Any) -> None:
        """In one request; gcsfs's own asks for the size before it."""
        await self._get_file_request(rpath, lpath, callback=NoOpCallback())

    async def _request(self, method: str, path: str, *args: Any, **options: Any) -> Any:
        """Raises PermissionError for 403, NoSuchBucket, and what gcsfs raises."""
        try:
            return await _request_once(self, method, path, *args, **options)
        except FileNotFoundError as error:
            if _OF_A_BUCKET.search(path.partition("?")[0]):
                raise NoSuchBucket(str(error)) from error
            raise
        except OSError as error:
            if str(error).startswith("Forbidden"):
                raise PermissionError(str(error)) from error
            raise


_request_once = inspect.unwrap(GCSFileSystem._request)
