"""Worker processes: the bytes of one, whoever is lost on the way, and all ended."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from helpers.drawn_runs import CELLS, copy_of_model, digests
from helpers.local_scorer import LocalScorer
from helpers.started_processes import started
from helpers.worker_processes import workers

import bloodcell
from bloodcell.engine import scorer, spawning
from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.backends.cuda import Device
from bloodcell.engine.scorer import open_scorer
from bloodcell.engine.setup import Setup
from bloodcell.engine.source import batches_of
from bloodcell.engine.spawning import Spawned
from bloodcell.engine.worker_messages import Ready, table_to_bytes
from bloodcell.engine.workers import WorkerScorer, alike
from bloodcell.errors import EngineError, ModelError, Stopped
from bloodcell.model import load_model

pytestmark = pytest.mark.usefixtures("small_parts")


def after(cells: int, do: Callable[[], None]) -> Callable[[int, int], None]:
    """A progress callback that calls ``do`` once, when ``cells`` are done."""
    left = [do]

    def progress(done: int, _cells: int) -> None:
        if done >= cells and left:
            left.pop()()

    return progress


def setup_of(smears: Path) -> Setup:
    model = load_model()
    return Setup(
        choice=choose_backend("onnxruntime"),
        network=model.network,
        preprocessing=model.preprocessing,
        smears=model.smears,
        root=smears,
        batch_size=5,
        threads=2,
    )


def rows_of(run: bloodcell.Run) -> pa.Table:
    return run.cells(["row", "path"])


@pytest.mark.parametrize("count", [2, 3])
def test_several_workers_end_with_the_bytes_of_one(
    smears: Path, run: bloodcell.Run, tmp_path: Path, count: int
) -> None:
    several = bloodcell.score(smears, tmp_path / "run", batch_size=3, workers=count)
    assert digests(tmp_path / "run") == digests(run.folder)
    assert several.about["session"]["lanes"] >= count
    assert workers() == []


@pytest.mark.parametrize("count", [1, 2])
def test_all_workers_killed_from_outside_cost_no_cell(
    smears: Path, run: bloodcell.Run, tmp_path: Path, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    def kill_all() -> None:
        for worker in workers():
            worker.kill()

    kill = after(10, kill_all)
    bloodcell.score(smears, tmp_path / "run", batch_size=2, workers=count, progress=kill)
    assert digests(tmp_path / "run") == digests(run.folder)
    assert "worker 0 ended by signal 9; cells to try again one by one: " in caplog.text
    assert workers() == []


def test_a_signal_to_the_whole_group_does_not_end_the_workers(smears: Path, tmp_path: Path) -> None:
    stop = threading.Event()

    def signalled() -> None:
        for worker in workers():
            worker.send_signal(signal.SIGTERM)
            worker.send_signal(signal.SIGINT)
            worker.send_signal(signal.SIGHUP)
        stop.set()

    with pytest.raises(Stopped):
        bloodcell.score(
            smears, tmp_path / "run", batch_size=2, workers=2, progress=after(20, signalled),
            stop=stop,
        )  # fmt: skip
    assert workers() == []


def test_a_worker_heeds_no_signal_from_its_first_moment_on() -> None:
    spawned = Spawned({})
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        spawned.process.send_signal(number)
    spawned.end(within_s=60)
    assert spawned.process.returncode == 0
    assert spawned.process.stderr
    assert spawned.process.stderr.read() == b""
    spawned.process.stderr.close()


def test_a_signal_to_a_commands_group_stops_it_in_good_order(smears: Path, tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("bloodcell")
    words = [command, "score", smears, "--out", tmp_path / "run", "--batch-size", "1"]
    # A bar on standard error would say no more than that it has begun.
    with started(words) as group:
        while not (tmp_path / "run" / "run.json").exists():
            assert group.poll() is None, group.communicate()
            time.sleep(0.01)
        os.killpg(group.pid, signal.SIGINT)
        _, said = group.communicate(timeout=60)
    assert group.returncode == 4, said
    assert "Traceback" not in said


def test_a_worker_takes_no_module_from_the_current_folder(
    smears: Path, run: bloodcell.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('a file of mine')")
    monkeypatch.chdir(tmp_path)
    bloodcell.score(smears, tmp_path / "run")
    assert digests(tmp_path / "run") == digests(run.folder)


def test_a_slice_of_a_large_table_is_sent_without_the_rest(
    smears: Path, run: bloodcell.Run
) -> None:
    setup, rows = setup_of(smears), rows_of(run)
    expected = {int(b.rows[0]): b for b in LocalScorer(setup).score(batches_of(rows, 5))}
    several = WorkerScorer(setup, [{}, {}])
    by_workers = {int(b.rows[0]): b for b in several.score(batches_of(rows, 5))}
    assert by_workers.keys() == expected.keys()
    assert sum(len(batch.rows) for batch in by_workers.values()) == CELLS
    for row, batch in by_workers.items():
        assert batch.probabilities.tobytes() == expected[row].probabilities.tobytes()
    assert len(list(several.score(batches_of(rows, 5)))) == len(by_workers), "a second call"
    several.close()
    assert workers() == []


def test_a_worker_that_is_gone_before_it_is_given_anything_loses_nothing(
    smears: Path, run: bloodcell.Run
) -> None:
    several = WorkerScorer(setup_of(smears), [{}, {}])
    first = workers()[0]
    first.kill()
    first.wait()
    batches = list(several.score(batches_of(rows_of(run), 5)))
    assert sorted(row for batch in batches for row in batch.rows) == list(range(CELLS))
    several.close()


def test_closing_early_ends_the_workers(smears: Path, run: bloodcell.Run) -> None:
    several = WorkerScorer(setup_of(smears), [{}, {}])
    batches = several.score(batches_of(rows_of(run), 1))
    next(batches)
    assert all(worker.rlimit(psutil.RLIMIT_CORE)[0] == 0 for worker in workers()), "images"
    batches.close()
    assert workers() == []


def test_a_network_that_cannot_be_opened_is_refused_as_by_one_process(
    smears: Path, tmp_path: Path
) -> None:
    model = copy_of_model(tmp_path)
    network = replace(load_model().network, weights=model / "card.toml")
    with pytest.raises(ModelError, match=r"card\.toml cannot be loaded as ONNX"):
        WorkerScorer(replace(setup_of(smears), network=network), [{}, {}])
    assert workers() == []


def test_when_a_second_worker_cannot_be_started_the_first_is_ended(
    smears: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, started = spawning._started, []

    def one_alone(descriptor: int, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        if started:
            raise EngineError("the machine allows no further process")
        started.append(real(descriptor, environment))
        return started[0]

    monkeypatch.setattr(spawning, "_started", one_alone)
    with pytest.raises(EngineError, match="no further process"):
        WorkerScorer(setup_of(smears), [{}, {}])
    assert started[0].poll() is not None


@pytest.mark.parametrize(
    "other",
    [
        Ready("NVIDIA Example 2", 1, 6, 64, {"plan": "a"}),
        Ready("NVIDIA Example", 1, 6, 64, {"plan": "b"}),
    ],
)
def test_workers_that_would_give_other_results_are_refused(other: Ready) -> None:
    first = Ready("NVIDIA Example", 1, 6, 64, {"plan": "a"})
    assert alike([first, first], "NVIDIA Example") == {"plan": "a"}
    with pytest.raises(EngineError, match=r"the workers differ: .* equal GPUs by CUDA_VISIBLE"):
        alike([first, other], "NVIDIA Example")


def test_each_gpu_has_one_worker(smears: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [Device("NVIDIA Example", "9.0", f"0000-{number}", "13.0") for number in range(2)]
    given: list[object] = []
    monkeypatch.setattr(scorer, "all_devices", lambda: gpus)
    monkeypatch.setattr(scorer, "WorkerScorer", lambda _, e, d, _stop: given.extend([e, d]))
    setup = setup_of(smears)
    on_gpu = replace(setup, choice=replace(setup.choice, device="NVIDIA Example"))
    open_scorer(on_gpu, None, threading.Event())
    assert given == [
        [{"CUDA_VISIBLE_DEVICES": f"GPU-0000-{number}"} for number in range(2)], gpus
    ]  # fmt: skip
    with pytest.raises(EngineError, match="3 workers need as many GPUs, 2 found"):
        open_scorer(on_gpu, 3, threading.Event())


def test_a_worker_ends_when_its_parent_is_killed(smears: Path, tmp_path: Path) -> None:
    program = (
        "import bloodcell, os, psutil, signal\n"
        "def kill(done, cells):\n"
        "    print(*[p.pid for p in psutil.Process().children()], flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"bloodcell.score({str(smears)!r}, {str(tmp_path / 'run')!r}, workers=2, progress=kill)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], check=False, stdout=subprocess.PIPE)
    orphans = [int(pid) for pid in killed.stdout.split()]
    assert len(orphans) == 2
    left = []
    for orphan in orphans:
        with suppress(psutil.NoSuchProcess):
            left.append(psutil.Process(orphan))
    _, alive = psutil.wait_procs(left, 20)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


def test_a_worker_that_reads_loads_nothing_that_only_measuring_needs(smears: Path) -> None:
    table = table_to_bytes(pa.table({"row": [7], "path": ["none.jpg"]}))
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from bloodcell.engine.source import read_files\n"
        "from bloodcell.engine.worker_messages import table_from_bytes\n"
        f"(batch,) = read_files(Path({str(smears)!r}), [table_from_bytes({table!r})])\n"
        "assert batch.rows.tolist() == [7]\n"
        "assert 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
