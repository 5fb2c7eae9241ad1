"""bloodcell against its peers: the same classes, ratios of the same round, failures said."""

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from bloodcell.bench.cli import main
from bloodcell.bench.inputs import repeated_input
from bloodcell.bench.peers.comparison import (
    CONTENDERS,
    OWN,
    measure_peers,
    peers_figures,
    peers_verdicts,
    turns,
)
from bloodcell.bench.record import Record
from bloodcell.bench.scoring_options import Scoring
from bloodcell.engine.backends.cuda import why_no_cuda
from bloodcell.errors import EngineError


def measured(
    source: Path,
    scratch: Path,
    contenders: Mapping[str, str],
    *,
    cells: int = 20,
    rounds: int = 2,
    tell: Callable[[str], None] = lambda _: None,
) -> Record:
    record, why_not = Record("peers", {}, tell), dict[str, str]()
    scoring = Scoring(None, "auto", batch_size=8, threads=1)
    with record.kept():
        manifest = repeated_input(source, cells, scratch / "input")
        measure_peers(record, manifest, scoring, rounds, why_not, contenders=contenders)
    record.figures = peers_figures(record.measured, why_not)
    record.verdicts = peers_verdicts(record.measured)
    return record


def why_not(record: Record) -> dict[str, str]:
    return {row["contender"]: row["why_not"] for row in record.figures if "why_not" in row}


def odd(**names: str) -> dict[str, str]:
    return {OWN: "helpers.odd_contenders:Counting"} | {
        name: f"helpers.odd_contenders:{odd}" for name, odd in names.items()
    }


# A patient's drawn cells are of every format and mode: each library has to decode them all.
def test_every_peer_calls_the_cells_as_bloodcell_does(smears: Path, tmp_path: Path) -> None:
    contenders = dict(CONTENDERS)
    if why_no_cuda():
        del contenders["DALI, torch.compile"]
    record = measured(smears, tmp_path, contenders, cells=24, rounds=1)
    assert record.state == "done", record.why
    assert why_not(record) == {}
    assert [figure["contender"] for figure in record.figures] == list(contenders)
    assert all(figure["same_class"] >= 0.95 for figure in record.figures)
    assert all(figure["ratio"]["repeats"] == 1 for figure in record.figures)
    assert record.exit_status == 0


@pytest.mark.skipif(why_no_cuda() is None, reason="there is a GPU: it would run")
def test_torch_compile_is_for_a_gpu() -> None:
    module, name = CONTENDERS["DALI, torch.compile"].split(":")
    with pytest.raises(EngineError, match=r"it needs a CUDA GPU, and torch .* sees none"):
        getattr(import_module(module), name)(Scoring(None, "auto", None, 1))


def test_a_peer_that_fails_leaves_the_others_to_run(smears: Path, tmp_path: Path) -> None:
    contenders = odd(raising="Raising", dying="Dying", lacking="Lacking", slow="Slow")
    record = measured(smears, tmp_path, contenders)
    assert why_not(record) == {
        "raising": "RuntimeError: out of luck",
        "dying": "its process ended with status 7",
        "lacking": "a_library_that_nobody_has is not installed: pip install 'bloodcell[bench]'",
    }
    assert [row["contender"] for row in record.measured] == [OWN, "slow", "slow", OWN]
    assert record.figures[1]["ratio"]["median"] > 2
    assert record.exit_status == 0


def test_a_peer_with_other_classes_is_found_out(smears: Path, tmp_path: Path) -> None:
    record = measured(smears, tmp_path, odd(wrong="AllAlike"))
    wrong = record.figures[1]
    assert (wrong["same_class"], wrong["ratio"]) == (0.2, None)
    assert [verdict["good"] for verdict in record.verdicts] == [True, False]
    assert record.verdicts[1]["says"].startswith("20.0 % of the cells")
    assert record.exit_status == 1


def test_an_interruption_keeps_what_was_measured(smears: Path, tmp_path: Path) -> None:
    lines: list[str] = []

    def interrupt(line: str) -> None:
        lines.append(line)
        if len(lines) == 3:
            raise KeyboardInterrupt

    record = measured(smears, tmp_path, odd(slow="Slow"), tell=interrupt)
    assert (record.state, record.exit_status) == ("interrupted", 4)
    assert [figure["contender"] for figure in record.figures] == [OWN, "slow"]
    # The second round has no figure of bloodcell's to be held against.
    assert [figure["ratio"]["repeats"] for figure in record.figures] == [1, 1]


def test_without_bloodcell_there_is_no_comparison(smears: Path, tmp_path: Path) -> None:
    record = measured(
        smears,
        tmp_path,
        {OWN: "helpers.odd_contenders:Dying", "slow": "helpers.odd_contenders:Slow"},
    )
    assert (record.state, record.why) == ("failed", "its process ended with status 7")
    assert record.exit_status == EngineError.exit_status


def test_the_command_prints_who_ran_who_did_not_and_who_was_wrong(
    smears: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(CONTENDERS):
        monkeypatch.delitem(CONTENDERS, name)
    for name, odd_one in odd(lacking="Lacking", wrong="AllAlike").items():
        monkeypatch.setitem(CONTENDERS, name, odd_one)
    words = ["peers", str(smears), "--cells", "20", "--rounds", "1", "--batch-size", "8"]
    printed = CliRunner().invoke(main, words)
    assert printed.exit_code == 1
    assert "not measured: lacking: a_library_that_nobody_has is not installed" in printed.stdout
    assert "FAILED same_class: wrong: 20.0 % of the cells" in printed.stdout
    as_json = CliRunner().invoke(main, [*words, "--json"])
    assert [row["contender"] for row in json.loads(as_json.stdout)["measured"]] == [OWN, "wrong"]


def test_ratios_are_those_of_the_same_round() -> None:
    speeds = {1: (100.0, 50.0), 2: (300.0, 100.0), 3: (200.0, 200.0)}
    rows = [
        {"round": number, "contender": name, "cells_per_s": speed, "same_class": 1.0}
        for number, both in speeds.items()
        for name, speed in zip((OWN, "peer"), both, strict=True)
    ]
    own, peer = peers_figures(rows, {})
    assert own["cells_per_s"] == {"median": 200, "least": 100, "most": 300, "repeats": 3}
    assert peer["cells_per_s"] == {"median": 100, "least": 50, "most": 200, "repeats": 3}
    assert peer["ratio"] == {"median": 2, "least": 1, "most": 3, "repeats": 3}


def test_every_other_round_runs_backwards() -> None:
    assert list(turns(["a", "b"], 3)) == [
        (1, "a"), (1, "b"), (2, "b"), (2, "a"), (3, "a"), (3, "b"),
    ]  # fmt: skip
