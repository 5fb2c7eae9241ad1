"""Plans built for real, by TensorRT-RTX from PyPI, which needs no GPU for that.

It never crashed this process without a driver: parsing and building touch no device when a
compute capability is named. Plans are not deserialised here: that could crash.
"""

import json
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.own_process import printed_by
from helpers.tiny_onnx import CLASSES, tiny_onnx

from bloodcell.engine.backends.contract import Network
from bloodcell.engine.backends.cuda import Device
from bloodcell.engine.backends.onnx.fp16 import to_float16
from bloodcell.engine.backends.tensorrt import plan as plans
from bloodcell.engine.backends.tensorrt.builder import build_plan
from bloodcell.engine.backends.tensorrt.cache import PlanCache
from bloodcell.engine.backends.tensorrt.flavour import Flavour, flavour_of, installed_flavour
from bloodcell.engine.backends.tensorrt.plan import PlanMaker, PlanOptions
from bloodcell.errors import EngineError, PackageError
from bloodcell.model import load_model

TARGET = "SM89"
DEVICE = Device("test GPU", "8.9", "0-0-0-0", "13.0")


AFTER_A_FAILURE = """
import gc, logging
import tensorrt_rtx_bindings as api
from bloodcell.engine.backends.tensorrt.builder import build_plan, collecting_log
from bloodcell.engine.backends.tensorrt.flavour import flavour_of

class CollectsSoon(logging.Handler):
    def emit(self, record):
        gc.set_threshold(1)
        self.made = [[] for _ in range(9)]

class LeftBehind:
    def __init__(self):
        self.itself, self.builder = self, api.Builder(collecting_log(api))

gc.set_threshold(1_000_000)
LeftBehind()
logging.basicConfig(level=logging.DEBUG, handlers=[CollectsSoon()])
options = dict(largest_batch=4, float16=False, target="SM89")
print(len(build_plan(flavour_of(api), ONNX, **options).plan) > 0)
"""
"""A builder that only the collector can end, and a log in which the collector wants to run."""


@pytest.fixture(scope="module")
def rtx() -> Flavour:
    module = pytest.importorskip("tensorrt_rtx_bindings", reason="wheels are x86-64 Linux only")
    return flavour_of(module)


def test_the_shipped_network_becomes_an_fp16_plan(rtx: Flavour) -> None:
    onnx_bytes = load_model().network.weights.read_bytes()
    built = build_plan(rtx, to_float16(onnx_bytes), largest_batch=256, float16=True, target=TARGET)
    # Weights in float16 are half of the ONNX file's.
    assert 0.4 * len(onnx_bytes) < len(built.plan) < 0.8 * len(onnx_bytes)
    assert built.timings == b""


def test_kernels_come_from_the_sources_of_the_flavour(
    rtx: Flavour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By real bindings of the same interface: 8.6 itself needs a GPU to build."""
    taken: list[int] = []
    config = rtx.module.IBuilderConfig
    real = config.set_tactic_sources

    def noting(self: object, tactic_sources: int) -> bool:
        taken.append(tactic_sources)
        return bool(real(self, tactic_sources))

    monkeypatch.setattr(config, "set_tactic_sources", noting)
    own = replace(rtx, tactic_sources=flavour_of(pretended("8.6.1")).tactic_sources)
    for flavour in (rtx, own):
        build_plan(flavour, tiny_onnx(), largest_batch=4, float16=False, target=TARGET)
    names = rtx.module.TacticSource
    both = (1 << int(names.EDGE_MASK_CONVOLUTIONS)) | (1 << int(names.JIT_CONVOLUTIONS))
    assert taken == [both]
    monkeypatch.setattr(config, "set_tactic_sources", lambda *_: False)
    with pytest.raises(EngineError, match="refuses kernels of EDGE_MASK_CONVOLUTIONS, JIT"):
        build_plan(own, tiny_onnx(), largest_batch=4, float16=False, target=TARGET)


@pytest.mark.parametrize(
    ("onnx_bytes", "batch", "target", "says"),
    [
        (b"garbage", 4, TARGET, "cannot read this network: .*[Pp]arse"),
        (tiny_onnx(), 0, TARGET, "largest batch of 0 .* 1 to 11184810"),
        (tiny_onnx(), 11_184_811, TARGET, "largest batch of 11184811 cannot be built"),
        (tiny_onnx(), 4, "SM1", "no 'SM1': one of .*SM89"),
        (tiny_onnx(2), 4, TARGET, "TensorRT-RTX"),  # a 3 x 3 convolution on 2 x 2 pixels
    ],
)
def test_what_cannot_be_built_is_one_line(
    rtx: Flavour, onnx_bytes: bytes, batch: int, target: str, says: str
) -> None:
    with pytest.raises(EngineError, match=says) as raised:
        build_plan(rtx, onnx_bytes, largest_batch=batch, float16=False, target=target)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600


def maker(rtx: Flavour, folder: Path, device: Device = DEVICE, driver: str = "580.1") -> PlanMaker:
    return PlanMaker(rtx, device, driver, PlanCache(folder), TARGET)


@pytest.fixture
def network(tmp_path: Path) -> Network:
    (tmp_path / "model.onnx").write_bytes(tiny_onnx())
    return Network(tmp_path / "model.onnx", 8, CLASSES, 1.0)


def test_a_plan_is_built_once_and_anew_when_damaged(
    rtx: Flavour, network: Network, tmp_path: Path
) -> None:
    first = maker(rtx, tmp_path / "cache").plan(network, PlanOptions())
    assert first.content
    assert first.built_s is not None
    again = maker(rtx, tmp_path / "cache").plan(network, PlanOptions())
    assert (again.built_s, again.content) == (None, first.content)
    damaged = bytearray(first.path.read_bytes())
    damaged[-1] ^= 1
    first.path.write_bytes(damaged)
    mended = maker(rtx, tmp_path / "cache").plan(network, PlanOptions())
    assert mended.built_s is not None
    assert first.path.read_bytes() != damaged


@pytest.mark.parametrize(
    "options",
    [PlanOptions(largest_batch=8), PlanOptions(precision="float32"), PlanOptions(merge_groups=16)],
)
def test_other_options_are_another_plan(
    rtx: Flavour, network: Network, tmp_path: Path, options: PlanOptions
) -> None:
    kept = maker(rtx, tmp_path / "cache")
    usual = kept.plan(network, PlanOptions())
    assert kept.plan(network, options).path != usual.path


@pytest.mark.usefixtures("rtx")
def test_a_builder_that_a_failure_left_behind_does_not_stop_the_next() -> None:
    assert printed_by(AFTER_A_FAILURE.replace("ONNX", repr(tiny_onnx()))) == "True\n"


def test_another_gpu_or_driver_is_another_plan(rtx: Flavour, tmp_path: Path) -> None:
    def name(device: Device, driver: str = "580.1") -> Path:
        made = maker(rtx, tmp_path / "cache", device, driver)
        return made.cache.path(made.about(b"network", PlanOptions()), "plan")

    twin = replace(DEVICE, uuid="1-1-1-1")
    assert name(twin) == name(DEVICE)
    others = [
        name(replace(DEVICE, name="other")),
        name(replace(DEVICE, compute_capability="9.0")),
        name(replace(DEVICE, cuda_version="13.1")),
        name(DEVICE, "580.2"),
    ]
    assert len({name(DEVICE), *others}) == 5


def test_what_build_chose_is_what_scoring_takes(
    rtx: Flavour, network: Network, tmp_path: Path
) -> None:
    kept = maker(rtx, tmp_path / "cache")
    assert kept.chosen(network) == PlanOptions()
    kept.keep_choice(network, PlanOptions(largest_batch=512, merge_groups=32))
    assert kept.chosen(network) == PlanOptions(largest_batch=512, merge_groups=32)
    network.weights.write_bytes(tiny_onnx(16))
    assert kept.chosen(network) == PlanOptions()


def test_8_6_takes_the_fp32_network_and_others_the_fp16_one() -> None:
    onnx_bytes, options = tiny_onnx(), PlanOptions()
    old, new = (flavour_of(pretended(version)) for version in ("8.6.1", "11.4.0"))
    assert plans._prepared(onnx_bytes, old, options) == onnx_bytes
    assert plans._prepared(onnx_bytes, new, options) == to_float16(onnx_bytes)
    as_it_is = PlanOptions(precision="float32")
    assert plans._prepared(onnx_bytes, new, as_it_is) == onnx_bytes


def pretended(version: str, name: str = "tensorrt") -> types.ModuleType:
    module = types.ModuleType(name)
    module.__version__ = version  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize(
    ("name", "version", "flags", "fp16_flag", "compiles_at_load"),
    [
        ("tensorrt", "8.6.0", ("EXPLICIT_BATCH",), True, False),
        ("tensorrt", "10.0.1", ("STRONGLY_TYPED",), False, False),
        ("tensorrt", "10.14.1.48", ("STRONGLY_TYPED",), False, False),
        ("tensorrt", "11.4.0.106", (), False, False),
        ("tensorrt_rtx", "1.7.1.116", (), False, True),
    ],
)
def test_versions_differ_as_stated(
    name: str, version: str, flags: tuple[str, ...], fp16_flag: bool, compiles_at_load: bool
) -> None:
    flavour = flavour_of(pretended(version, name))
    assert flavour.network_flags == flags
    assert (flavour.fp16_flag, flavour.compiles_at_load) == (fp16_flag, compiles_at_load)
    # cuBLAS and cuDNN are 8.6's alone to switch off.
    own = ("EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS") if fp16_flag else ()
    assert flavour.tactic_sources == own


def test_an_old_tensorrt_is_refused() -> None:
    with pytest.raises(EngineError, match=r"8\.5\.3 is too old: 8\.6 or newer"):
        flavour_of(pretended("8.5.3"))


def test_no_tensorrt_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PackageError, match="not installed: pip install"):
        installed_flavour()


def test_nothing_of_tensorrt_or_cupy_is_imported_before_it_is_needed() -> None:
    program = (
        "import json, sys\n"
        "import bloodcell.engine.backends.tensorrt.runtime, bloodcell.cli\n"
        "print(json.dumps([m for m in sys.modules if m.split('.')[0] in"
        " {'tensorrt', 'tensorrt_rtx', 'tensorrt_rtx_bindings', 'cupy', 'torch', 'onnx'}]))"
    )
    assert json.loads(printed_by(program)) == []
