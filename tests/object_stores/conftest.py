"""One store for all tests of this folder; each finds it steady behind its proxy."""

from collections.abc import Iterator

import pytest
from helpers.object_stores import Store, served_store


@pytest.fixture(scope="session")
def _served() -> Iterator[Store]:
    with served_store() as store:
        yield store


@pytest.fixture
def store(_served: Store) -> Iterator[Store]:
    _served.proxy.steady()
    yield _served
    _served.proxy.steady()
