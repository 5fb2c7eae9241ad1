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


def arithmetic(_folder: Path) -> Iterator[Entry]:
    """What a large matrix product reaches, by precision."""
    yield networks.gemm_tflops()


_BY_DEFAULT = [Case(SHIPPED), Case(RESNEXT50)]
_OPTIONS = [
    Case(RESNEXT50, hardware_decoder=True),
    *(Case(network, "tiff") for network in (SHIPPED, RESNEXT50)),
    Case(SHIPPED, hardware_decoder=True),
]
_BATCHES = [
    Case(network, asked_batch=batch) for batch in (64, 1024) for network in (RESNEXT50, SHIPPED)
]

PARTS = [
    Part("shipped", "end_to_end", 150, partial(end_to_end, cases=_BY_DEFAULT[:1])),
    Part("resnext50", "end_to_end", 200, partial(end_to_end, cases=_BY_DEFAULT[1:])),
    Part("decoders", "decoders", 60, decoders),
    Part("peers", "peers", 200, partial(peers, names=READY_PEERS)),
    Part("options", "end_to_end", 200, partial(end_to_end, cases=_OPTIONS)),
    Part("profile", "profile", 100, partial(end_to_end, cases=_BY_DEFAULT, profiled=True)),
    Part("batches", "end_to_end", 600, partial(end_to_end, cases=_BATCHES)),
    Part("arithmetic", "gemm_tflops", 60, arithmetic),
    Part("compiled_peers", "peers", 600, partial(peers, names=COMPILED_PEERS)),
    Part("networks", "networks", 3600, networks_alone),
]
"""The most important first: time may not suffice for all."""


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
