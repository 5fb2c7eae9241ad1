"""Has `bloodcell serve` score cells that lie in shared memory, patient by patient, over gRPC.

    python3 -m venv client && client/bin/pip install 'tritonclient[grpc]' pillow
    bloodcell phantom demo --patients 2 --cells 60 --format png
    bloodcell serve &
    client/bin/python examples/grpc_client.py demo

Nothing of bloodcell is imported: the client is Triton's, in an environment of its own, for it asks
for older packages than bloodcell's. The scanner is pretended: its pictures are those of a folder
with one subfolder a patient, decoded to pixels here.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import tritonclient.grpc as triton
import tritonclient.utils.shared_memory as memory
from PIL import Image

CELLS_PER_REQUEST = 16
DEADLINE_S = 30.0


def main() -> int:
    """Print each patient's cells and share of blasts; 1 if a cell was not scored in time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--address", default="127.0.0.1:8001")
    parser.add_argument("--model", default="jhu18-differential-160")
    parser.add_argument("--token-file", type=Path)
    arguments = parser.parse_args()
    headers = {}
    if arguments.token_file:
        headers["authorization"] = f"Bearer {arguments.token_file.read_text().strip()}"
    late = 0
    with triton.InferenceServerClient(arguments.address) as client:
        for folder in sorted(path for path in arguments.folder.iterdir() if path.is_dir()):
            statuses: Counter[str] = Counter()
            pictures = [scanned(path) for path in sorted(folder.iterdir())]
            for group in groups(pictures):
                statuses += scored(client, arguments.model, folder.name, group, headers)
            late += statuses["expired"]
            print(line(finished(client, folder.name, headers)))
    return 1 if late else 0


def scanned(path: Path) -> np.ndarray:
    """RGB pixels."""
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB"))


def groups(pictures: list[np.ndarray]) -> list[np.ndarray]:
    """Pictures of one size as arrays (N, height, width, 3)."""
    by_size: dict[tuple[int, ...], list[np.ndarray]] = {}
    for picture in pictures:
        by_size.setdefault(picture.shape, []).append(picture)
    return [
        np.stack(same[first : first + CELLS_PER_REQUEST])
        for same in by_size.values()
        for first in range(0, len(same), CELLS_PER_REQUEST)
    ]


def scored(
    client: triton.InferenceServerClient, model: str, patient: str, pixels: np.ndarray,
    headers: dict[str, str],
) -> Counter[str]:  # fmt: skip
    """Score cells that count for a patient; how many came to which status.

    A scanner would keep one region and register it once; this one is as large as its cells.
    """
    region = memory.create_shared_memory_region("cells", "/bloodcell-cells", pixels.nbytes)
    try:
        memory.set_shared_memory_region(region, [pixels])
        client.register_system_shared_memory(
            "cells", "/bloodcell-cells", pixels.nbytes, headers=headers
        )
        image = triton.InferInput("image", pixels.shape, "UINT8")
        image.set_shared_memory("cells", pixels.nbytes)
        try:
            result = client.infer(
                model, [image], parameters={"patient": patient}, headers=headers,
                timeout=int(DEADLINE_S * 1e6),
            )  # fmt: skip
        finally:
            client.unregister_system_shared_memory("cells", headers=headers)
    finally:
        memory.destroy_shared_memory_region(region)
    return Counter(status.decode() for status in result.as_numpy("status"))


def finished(
    client: triton.InferenceServerClient, patient: str, headers: dict[str, str]
) -> dict[str, object]:
    """The patient's statistics; it takes no more cells."""
    name = triton.InferInput("patient", [1], "BYTES")
    name.set_data_from_numpy(np.array([patient.encode()], dtype=object))
    result = client.infer("patients", [name], parameters={"finish": True}, headers=headers)
    statistics: dict[str, object] = json.loads(result.as_numpy("statistics")[0])
    return statistics


def line(patient: dict[str, object]) -> str:
    """What there is to say of a patient."""
    counts = "{patient}: {scored} of {cells} cells scored, {denominator} leukocytes, ".format(
        **patient
    )
    if patient["adjustment"] != "adjusted":
        return counts + f"no adjusted share: {patient['adjustment']}"
    share = "blasts {blast_percent:.1f} % ({blast_percent_low:.1f} to {blast_percent_high:.1f})"
    return counts + share.format(**patient)


if __name__ == "__main__":
    sys.exit(main())
