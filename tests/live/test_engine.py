"""``Engine`` as a user has it: what it refuses, its streams and patients, and what it leaves."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.live_cells import as_stored, stored

import bloodcell

PIXELS = np.zeros((20, 30, 3), np.uint8)


@pytest.fixture
def engine(tiny: Path) -> Any:
    with bloodcell.Engine(tiny, backend="onnxruntime", threads=1) as engine:
        yield engine


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (PIXELS.astype(np.float32), r"uint8 .*expected; float32 of shape \(20, 30, 3\)"),
        (PIXELS[:, :, 0], r"uint8 of shape \(20, 30\) given"),
        (np.zeros((3, 20, 30), np.uint8), r"uint8 of shape \(3, 20, 30\)"),
        (np.zeros((20, 30, 4), np.uint8), r"uint8 of shape \(20, 30, 4\)"),
        (np.zeros(9, np.uint8), "bytes of a file are given as bytes"),
        ("cell.jpg", "bytes of a file, a NumPy array, or an object with __dlpack__; str given"),
        (None, "NoneType given"),
        ([[1, 2, 3]], "list given"),
        (memoryview(PIXELS), "one dimension, 3 given: give pixels as a NumPy array"),
    ],
)
def test_what_is_no_image_is_refused_where_it_is_given(
    engine: bloodcell.Engine, image: Any, said: str
) -> None:
    with pytest.raises(bloodcell.InputError, match=said):
        engine.submit(image, patient="A")
    with pytest.raises(bloodcell.InputError, match="patient 'A' is unknown"):
        engine.finish("A")


class Odd:
    """Of a library whose DLPack does whatever it is given here."""

    def __init__(self, device: Any, capsule: Any = None) -> None:
        self._device, self._capsule = device, capsule

    def __dlpack_device__(self) -> Any:
        return self._device() if callable(self._device) else self._device

    def __dlpack__(self, **_options: Any) -> Any:
        return self._capsule() if callable(self._capsule) else self._capsule


def failing(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (Odd(None), "TypeError"),
        (Odd(()), "ValueError"),
        (Odd(("x", "y")), "ValueError"),
        (Odd(failing(RuntimeError("lost"))), "RuntimeError: lost"),
        (Odd((1, 0)), "ValueError"),
        (Odd((1, 0), failing(KeyError("k"))), "KeyError: 'k'"),
        (Odd((1, 0), failing(BufferError("read-only"))), "BufferError: read-only"),
    ],
)
def test_errors_of_what_an_image_comes_from_are_the_packages(
    engine: bloodcell.Engine, image: Any, said: str
) -> None:
    with pytest.raises(bloodcell.InputError, match=rf"cannot be had \({said}"):
        engine.submit(image, patient="A")


def test_a_buffer_that_was_released_is_refused(engine: bloodcell.Engine) -> None:
    view = memoryview(b"a file")
    view.release()
    with pytest.raises(bloodcell.InputError, match="released memoryview"):
        engine.submit(view, patient="A")


class InDeviceMemory:
    def __dlpack__(self, **_options: Any) -> Any:
        raise AssertionError("not to be asked")

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0


def test_device_memory_is_refused_by_an_engine_on_the_cpu(engine: bloodcell.Engine) -> None:
    with pytest.raises(bloodcell.InputError, match=r"DLPack device \(2, 0\).*copy it to the CPU"):
        engine.submit(InDeviceMemory(), patient="A")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"patient": ""}, "patient is a name, '' given"),
        ({"patient": 7}, "patient is a name, 7 given"),
        ({"patient": "a\udc80"}, "UTF-8"),
        ({"patient": "A", "row": -1}, "row is 0 or more, -1 given"),
        ({"patient": "A", "row": 2**63}, "row is 0 or more"),
        ({"patient": "A", "row": 1.5}, "row is a whole number, 1.5 given"),
        ({"patient": "A", "row": True}, "row is a whole number, True given"),
        ({"patient": "A", "deadline_s": "1"}, "deadline_s is a number of seconds, '1' given"),
        ({"patient": "A", "deadline_s": float("nan")}, "deadline_s is a number of seconds"),
        ({"patient": "A", "deadline_s": True}, "deadline_s is a number of seconds, True given"),
        ({"patient": "A", "deadline_s": 10**400}, "deadline_s is a number of seconds that a float"),
    ],
)
def test_other_arguments_are_refused_too(
    engine: bloodcell.Engine, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(bloodcell.InputError, match=said):
        engine.submit(PIXELS, **given)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threads": 0}, "threads is at least 1"),
        ({"threads": 1.5}, r"threads is a whole number, 1\.5 given"),
        ({"threads": "2"}, "threads is a whole number, '2' given"),
        ({"threads": 1025}, "threads is at most 1024, 1025 given"),
        ({"max_waiting": "3"}, "max_waiting is a whole number"),
        ({"max_delay_ms": "x"}, "max_delay_ms is a number of milliseconds, 'x' given"),
        ({"interval_width": "x"}, "interval_width is a number of points, 'x' given"),
        ({"model": 5}, "model is a name or a folder, 5 given"),
        ({"max_waiting": 0}, "max_waiting is at least 1"),
        ({"max_delay_ms": -1}, "max_delay_ms is 0 or more"),
        ({"max_delay_ms": float("nan")}, "max_delay_ms is a number of milliseconds, nan given"),
        ({"when_full": "drop"}, "when_full is one of"),
        ({"profile": "urine"}, "profile is one of"),
        ({"backend": "abacus"}, "backend is one of"),
    ],
)
def test_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(bloodcell.InputError, match=said):
        bloodcell.Engine(**options)


def test_numbers_of_numpy_are_taken(tiny: Path) -> None:
    with bloodcell.Engine(
        tiny, backend="onnxruntime", threads=np.uint8(1), max_waiting=np.uint8(250),  # type: ignore[arg-type]
        max_delay_ms=np.float32(1), interval_width=np.float32(7.5),  # type: ignore[arg-type]
    ) as engine:  # fmt: skip
        results = engine.stream((PIXELS, "A") for _ in range(300))
        assert [result.status for result in results] == ["scored"] * 300


def test_a_patient_ends_once_and_others_go_on(engine: bloodcell.Engine) -> None:
    futures = [engine.submit(PIXELS, patient=name) for name in "ABA"]
    assert engine.finish("A")["cells"] == 2
    assert all(futures[place].done() for place in (0, 2))
    for call in (engine.finish, engine.snapshot, lambda name: engine.submit(PIXELS, patient=name)):
        with pytest.raises(bloodcell.InputError, match="patient 'A' is finished"):
            call("A")
    with pytest.raises(bloodcell.InputError, match="patient 'C' is unknown"):
        engine.snapshot("C")
    engine.submit(PIXELS, patient="B").result()
    assert engine.snapshot("B")["cells"] == engine.finish("B")["cells"] == 2


def test_counts_of_finished_patients_are_let_go(engine: bloodcell.Engine) -> None:
    for number in range(50):
        engine.submit(PIXELS, patient=f"P{number}")
        engine.finish(f"P{number}")
    assert engine._patients._open == {}


def test_streams_come_in_order_or_as_done(
    engine: bloodcell.Engine, cells: list[dict[str, Any]]
) -> None:
    items = [(cell["image"], cell["patient"], cell["row"]) for cell in cells] * 4
    taken: list[int] = []

    def source() -> Any:
        for number, item in enumerate(items):
            taken.append(number)
            yield item

    stream = engine.stream(source())
    rows = [as_stored(next(stream))]
    assert len(taken) <= 32 + engine.max_waiting, "a stream takes no more than the engine holds"
    rows += [as_stored(result) for result in stream]
    expected = [stored(cell) for cell in cells] * 4
    assert rows == expected
    as_done = [as_stored(result) for result in engine.stream(items, in_order=False)]
    assert sorted(as_done, key=lambda row: row["row"]) == sorted(
        expected, key=lambda row: row["row"]
    )


def test_leaving_a_stream_cancels_what_it_had_ahead(engine: bloodcell.Engine) -> None:
    stream = engine.stream((PIXELS, "A") for _ in range(1000))
    next(stream)
    stream.close()
    assert engine.finish("A")["cells"] < 1000


def test_an_error_in_a_stream_is_the_callers(engine: bloodcell.Engine) -> None:
    with pytest.raises(bloodcell.InputError, match="str given"):
        list(engine.stream([(PIXELS, "A"), ("cell.jpg", "A")]))


@pytest.mark.parametrize(
    ("given", "said"),
    [(b"image", "bytes given"), ((PIXELS,), "1 entries given"), ((PIXELS, "A", 1, 2, 3), "5 ent")],
)
def test_what_is_no_cell_of_a_stream_is_refused(
    engine: bloodcell.Engine, given: Any, said: str
) -> None:
    with pytest.raises(bloodcell.InputError, match=rf"is a tuple \(image, patient.*{said}"):
        next(engine.stream([given]))


def test_what_is_no_name_of_a_patient_is_refused_when_asked_for(engine: bloodcell.Engine) -> None:
    for call in (engine.snapshot, engine.finish):
        with pytest.raises(bloodcell.InputError, match=r"patient is a name, \['A'\] given"):
            call(["A"])  # type: ignore[arg-type]


def test_futures_are_awaited_by_asyncio(
    engine: bloodcell.Engine, cells: list[dict[str, Any]]
) -> None:
    async def score_all() -> list[bloodcell.CellResult]:
        futures = [engine.submit(cell["image"], patient="A", row=cell["row"]) for cell in cells]
        return await asyncio.gather(*map(asyncio.wrap_future, futures))

    results = asyncio.run(score_all())
    assert [result.blast_probability for result in results] == [
        cell["blast_probability"] for cell in cells
    ]


def test_a_closed_engine_says_so_and_leaves_no_thread(tiny: Path) -> None:
    before = set(threading.enumerate())
    engine = bloodcell.Engine(tiny, backend="onnxruntime")
    engine.submit(PIXELS, patient="A").result()
    engine.close()
    engine.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(bloodcell.EngineError, match="the engine is closed: open another one"):
        engine.submit(PIXELS, patient="A")


PROGRAM = """
import os, signal, sys, time
import numpy as np
import bloodcell

pixels = np.zeros((20, 30, 3), np.uint8)

def work():
    with bloodcell.Engine(sys.argv[1], backend=sys.argv[2], threads=2) as engine:
        assert engine.submit(pixels, patient="A").result().status == "scored"

def threads(at_most):
    # The system takes a moment to end one that has returned.
    until_s = time.monotonic() + 5
    while (count := len(os.listdir("/proc/self/task"))) > at_most and time.monotonic() < until_s:
        time.sleep(0.05)
    return count

handlers = [signal.getsignal(number) for number in signal.valid_signals()]
work()  # loads libraries
before = threads(at_most=1000)
for _ in range(3):
    work()
assert (left := threads(before)) <= before, (before, left)
assert handlers == [signal.getsignal(number) for number in signal.valid_signals()]
left = bloodcell.Engine(sys.argv[1], backend=sys.argv[2])
left.submit(pixels, patient="A")
"""


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_nothing_is_left_of_it(tiny: Path, tmp_path: Path, backend: str) -> None:
    from bloodcell.engine.backends.choice import why_not_here

    if why_not := why_not_here(backend):
        pytest.skip(why_not)
    command = [sys.executable, "-c", PROGRAM, str(tiny), backend]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


FORKED = """
import os, sys
import bloodcell, numpy
engine = bloodcell.Engine(sys.argv[1], backend="onnxruntime", threads=1)
pixels = numpy.zeros((20, 30, 3), numpy.uint8)
engine.submit(pixels, patient="A").result()
if (child := os.fork()) == 0:
    cells = [(pixels, "A")]
    for call in (lambda: engine.submit(pixels, patient="A"), lambda: list(engine.stream(cells)),
                 lambda: engine.snapshot("A"), lambda: engine.finish("A"), lambda: engine.waiting):
        try:
            call()
        except bloodcell.EngineError as error:
            assert f"process {os.getppid()}, and this one was forked" in str(error)
        else:
            os._exit(1)
    engine.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
engine.submit(pixels, patient="A").result()
assert engine.finish("A")["cells"] == 2
"""


def test_a_process_that_was_forked_since_is_told_so_and_waits_for_nothing(tiny: Path) -> None:
    subprocess.run([sys.executable, "-c", FORKED, tiny], check=True, timeout=60)
