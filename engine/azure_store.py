"""Azure Blob Storage: adlfs, trying each request once and taking keys as they are."""

import logging
from typing import Any

from adlfs import AzureBlobFileSystem
from azure.core.exceptions import ClientAuthenticationError

# What these log, on many lines, they also raise; other packages of Azure's log as they did.
for _name in ("azure.core", "azure.identity", "azure.storage"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class AzureStore(AzureBlobFileSystem):  # type: ignore[misc]
    """Requests are tried once, for the retries are ``ObjectPath.submit``'s.

    Paths are container and key; nothing in a key stands for something else.
    """

    service_client: Any

    def do_connect(self) -> None:
        """Make the client; ClientAuthenticationError if nothing says whose account it is."""
        try:
            super().do_connect()
        except ValueError as error:
            raise ClientAuthenticationError(str(error)) from error
        client = self.service_client
        self.service_client = type(client)(client.url, credential=client.credential, retry_total=0)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def split_path(self, path: str, *_: Any, **__: Any) -> tuple[str, str, None]:
        """Container, key, and no version."""
        container, key = path.partition("/")[::2]
        return container, key, None
