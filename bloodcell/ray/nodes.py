"""Where actors can be: nodes of a cluster, and what each offers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Place:
    """Room for one actor."""

    node: str
    """Ray's name of the node."""
    name: str
    """As people know it."""
    slot: int
    cpus: int
    gpus: int


def places(nodes: Iterable[Mapping[str, Any]], *, on_gpu: bool, threads: int | None) -> list[Place]:
    """Where actors may be; the first of them are of as many nodes as there are.

    On GPUs one for each; else as many as have ``threads`` CPUs each, by default one a node with all
    of its CPUs. ``nodes``: as ``ray.nodes`` gives them.
    """
    found: list[Place] = []
    for node in nodes:
        cpus, gpus = (int(node["Resources"].get(kind, 0)) for kind in ("CPU", "GPU"))
        share = threads or max(1, cpus // gpus if on_gpu and gpus else cpus)
        slots = gpus if on_gpu else cpus // share
        if node["Alive"]:
            name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
            # A GPU's actor takes what CPUs there are: they are not what there is little of.
            own = min(share, max(1, cpus // slots)) if on_gpu and slots else share
            found += [Place(node["NodeID"], name, n, own, int(on_gpu)) for n in range(slots)]
    return sorted(found, key=lambda place: place.slot)
