"""Runs on a cluster of several nodes: the bytes of one process, whatever is killed."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.drawn_runs import CELLS, ROWS_PER_PART, digests, state
from helpers.ray_nodes import Nodes, started_command

import bloodcell
from bloodcell.ray import crew, scorer
from bloodcell.ray.messages import Proof
from bloodcell.verification import verify

pytestmark = pytest.mark.usefixtures("small_parts", "nodes")


def test_nodes_score_to_the_bytes_of_one_process(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    told: list[int] = []
    on_ray = bloodcell.score(
        smears, tmp_path / "run", on="ray", batch_size=4,
        progress=lambda done, _cells: told.append(done),
    )  # fmt: skip
    assert digests(on_ray.folder) == digests(run.folder)
    assert on_ray.record.job == run.record.job
    session = on_ray.record.session
    assert session is not None
    assert (session.cells, session.lanes) == (CELLS, 2)
    assert max(told) == CELLS
    # By batches, and not by parts.
    assert any(done % ROWS_PER_PART for done in told[:-1]) or len(set(told)) > 3


def test_a_node_that_is_killed_costs_time_alone(
    smears: Path, run: bloodcell.Run, tmp_path: Path, nodes: Nodes
) -> None:
    doomed: list[Any] = [nodes.add()]

    def kill(done: int, _cells: int) -> None:
        if doomed and done:
            nodes.kill(doomed.pop())

    on_ray = bloodcell.score(smears, tmp_path / "run", on="ray", progress=kill)
    assert not doomed
    assert digests(on_ray.folder) == digests(run.folder)
    assert all(finding.good for finding in verify(on_ray.folder))


def test_ctrl_c_stops_in_good_order_and_a_killed_driver_resumes(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    words = ("score", smears, "--out", tmp_path / "run", "--on", "ray")
    first = tmp_path / "run" / "cells" / "part-00000.parquet"

    def wait_for_parts(count: int) -> None:
        until_s = time.monotonic() + 120
        while len(list(first.parent.glob("part-*.parquet"))) < count:
            assert time.monotonic() < until_s
            time.sleep(0.01)

    with started_command(*words, rows_per_part=ROWS_PER_PART, is_held=True) as stopped:
        wait_for_parts(1)
        stopped.send_signal(signal.SIGINT)
        _, said = stopped.communicate(timeout=60)
    assert stopped.returncode == 4, said
    assert "cells are finished and kept in" in said.splitlines()[-1]
    assert "ray" not in said.replace("--on ray", "").lower().replace(str(tmp_path), ""), said
    assert state(tmp_path / "run") == "stopped"
    kept = len(list(first.parent.iterdir()))
    with started_command(*words, rows_per_part=ROWS_PER_PART) as killed:
        wait_for_parts(min(kept + 1, 5))
        killed.kill()
        killed.communicate()
    on_ray = bloodcell.score(smears, tmp_path / "run", on="ray")
    assert digests(on_ray.folder) == digests(run.folder)


def test_a_node_of_another_version_is_named(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = crew.versions_here()
    monkeypatch.setattr(crew, "versions_here", lambda: here | {"numpy": "1.0"})
    expected = r"the Ray node \S+ \(\S+\) has numpy \S+ where this machine has 1\.0"
    with pytest.raises(bloodcell.EngineError, match=expected):
        bloodcell.score(smears, tmp_path / "run", on="ray")
    assert not (tmp_path / "run").exists()


def test_a_node_that_sees_another_input_is_named(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = scorer.RayPartScorer._proof

    def of_other_bytes(self: Any, rows: Any) -> Proof:
        proof = real(self, rows)
        assert proof
        return Proof(proof.row, bytes(16))

    monkeypatch.setattr(scorer.RayPartScorer, "_proof", of_other_bytes)
    expected = r"the Ray node \S+ \(\S+\): \S+\.\w+ is other bytes there: every node must see"
    with pytest.raises(bloodcell.InputError, match=expected):
        bloodcell.score(smears, tmp_path / "run", on="ray")
    assert state(tmp_path / "run") == "failed"
    assert not list((tmp_path / "run" / "cells").iterdir())


def test_an_address_without_a_cluster_is_one_line(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(bloodcell.EngineError, match="no Ray cluster can be used at 127") as error:
        bloodcell.score(smears, tmp_path / "run", on="ray")
    assert "\n" not in str(error.value)
