"""Ray nodes on this machine, started once for all files here."""

import os
from collections.abc import Iterator

import pytest
from helpers.ray_nodes import Nodes


@pytest.fixture(scope="package")
def nodes() -> Iterator[Nodes]:
    """A head without CPUs and two nodes of one each; $RAY_ADDRESS names them."""
    with Nodes() as started, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", started.address)
        for _ in range(2):
            started.add()
        yield started
    assert "RAY_ADDRESS" not in os.environ
