"""What `make gpu-check` measures, in parts, so that one that crashes costs no other its figures.

    python benchmarks/gpu --part NAME FOLDER      prints a JSON entry a line

FOLDER: what parts share (drawn images, the random network) lies there, and is made by the first
one that needs it. Without a GPU the same is measured of the CPU's lanes, as the tests do.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bloodcell.bench.record import one_line
from gpu import inputs, networks
from gpu.entries import Entry, attempted
from gpu.inputs import RESNEXT50, SHIPPED, Case, images_of, model_of
from gpu.networks import NamedNetwork

PEER_ROUNDS = 2
READY_PEERS = ("bloodcell", "DALI, torch", "Pillow, DataLoader, torch")
COMPILED_PEERS = ("bloodcell", "DALI, torch.compile")


@dataclass(frozen=True)
class Part:
    """Entries for one list of the results."""

    name: str
    key: str
    most_s: float
    """One that hangs must not take the time of the others."""
    entries: Callable[[Path], Iterator[Entry]]


def end_to_end(folder: Path, cases: Sequence[Case], *, profiled: bool = False) -> Iterator[Entry]:
    """Cases end to end."""
    from gpu import streams

    yield from streams.streams(folder, cases, profiled=profiled)


def decoders(folder: Path) -> Iterator[Entry]:
    """GPU and CPU decoder over real JPEGs, where there are some, and drawn images of all kinds."""
    from gpu.decoders import open_and_compare

    for hardware_decoder in (False, True):
        for images, source in inputs.folders_of_images(folder).items():
            about = {"images": images, "hardware_decoder": hardware_decoder}
            yield about | attempted(partial(open_and_compare, source, hardware_decoder))


def peers(folder: Path, names: Sequence[str]) -> Iterator[Entry]:
    """Each contender's cells/s over the same files, in turn; FP16 on a GPU."""
    from bloodcell.bench.peers.comparison import CONTENDERS, measure_peers, peers_figures
    from bloodcell.bench.record import Record
    from bloodcell.bench.scoring_options import Scoring
    from bloodcell.engine.machine import usable_cores

    manifest, images = images_of("jpeg", folder)
    contenders = {peer: CONTENDERS[peer] for peer in names}
    for name in (RESNEXT50, SHIPPED):
        record = Record("peers", {}, lambda line: print(line, file=sys.stderr))
        why_not: dict[str, str] = {}
        scoring = Scoring(model_of(name, folder), "auto", None, usable_cores())
        measure_peers(record, manifest, scoring, PEER_ROUNDS, why_not, contenders=contenders)
        for row in peers_figures(record.measured, why_not):
            yield {"network": name, "images": images, **row}


def networks_alone(folder: Path) -> Iterator[Entry]:
    """Every backend, precision and batch, from pixels on the host and on the GPU."""
    measured = networks.shipped_networks()
    try:
        measured.append(networks.random_resnext50(folder))
    except ImportError as error:
        yield {"network": RESNEXT50, "failed": one_line(error)}
    importable, lacking = networks.candidates()
    yield from ({"failed": what} for what in lacking)
    yield from networks.measure_all(measured, importable, networks.BATCHES)


def networks_at_once(folder: Path) -> Iterator[Entry]:
    """TensorRT and torch in FP16 at the batch that runs have: the ratio that counts most."""
    from bloodcell.model import load_model

    importable, lacking = networks.candidates()
    yield from ({"failed": what} for what in lacking)
    in_half = [candidate for candidate in importable if candidate.precision == "float16"]
    for name in (SHIPPED, RESNEXT50):
        try:
            model = load_model(model_of(name, folder))
        except ImportError as error:
            yield {"network": name, "failed": one_line(error)}
            continue
        named = NamedNetwork(model.name, model.network, model.card["gmacs"])
        yield from networks.measure_all([named], in_half, networks.BATCHES[:1])


def trials(folder: Path) -> Iterator[Entry]:
    """What might be faster without TensorRT, through the gate of accuracy."""
    from gpu.trials import trials

    yield from trials(folder)


def tests(_folder: Path) -> Iterator[Entry]:
    """Run by `check.py`, not here: pytest is a process of its own."""
    raise NotImplementedError


def arithmetic(_folder: Path) -> Iterator[Entry]:
    """What a large matrix product reaches, by precision."""
    yield networks.gemm_tflops()


_BY_DEFAULT = [Case(SHIPPED), Case(RESNEXT50)]
_HARDWARE = [Case(network, hardware_decoder=True) for network in (SHIPPED, RESNEXT50)]
_TIFF = [Case(network, "tiff") for network in (SHIPPED, RESNEXT50)]
_BATCHES = [
    Case(network, asked_batch=batch) for batch in (64, 1024) for network in (RESNEXT50, SHIPPED)
]

PARTS = [
    Part("shipped", "end_to_end", 70, partial(end_to_end, cases=_BY_DEFAULT[:1])),
    Part("resnext50", "end_to_end", 80, partial(end_to_end, cases=_BY_DEFAULT[1:])),
    Part("networks_at_once", "networks", 150, networks_at_once),
    Part("tests", "tests", 150, tests),
    Part("hardware_decoder", "end_to_end", 80, partial(end_to_end, cases=_HARDWARE)),
    Part("decoders", "decoders", 40, decoders),
    Part("arithmetic", "gemm_tflops", 30, arithmetic),
    Part("trials", "trials", 150, trials),
    Part("profile", "profile", 60, partial(end_to_end, cases=_BY_DEFAULT, profiled=True)),
    Part("tiff", "end_to_end", 100, partial(end_to_end, cases=_TIFF)),
    Part("peers", "peers", 200, partial(peers, names=READY_PEERS)),
    Part("batches", "end_to_end", 600, partial(end_to_end, cases=_BATCHES)),
    Part("compiled_peers", "peers", 600, partial(peers, names=COMPILED_PEERS)),
    Part("networks", "networks", 3600, networks_alone),
]
"""The most important first, each with its own limit: time may not suffice for all."""


def print_entries(name: str, folder: str) -> None:
    """Those of one part, each as soon as it is there."""
    (part,) = [part for part in PARTS if part.name == name]
    # What libraries print is no entry.
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        try:
            for entry in part.entries(Path(folder)):
                print(json.dumps(entry), file=out, flush=True)
        except Exception as error:
            print(json.dumps({"part": name, "failed": one_line(error)}), file=out)
