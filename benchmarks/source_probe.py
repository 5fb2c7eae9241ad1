"""How well a network's features tell which of two folders an image is from.

    python benchmarks/source_probe.py MODEL FOLDER OTHER [--cells 1500]

A logistic regression on what the last layer sees, each fifth of the cells judged by one that learnt
from the others: area under the ROC curve, .5 where the source cannot be told. Cells are drawn at
random, the same for every model.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pyarrow.parquet as pq
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.telemetry import without_telemetry
from bloodcell.errors import BloodcellError
from bloodcell.input.manifest import freeze_manifest, root_of
from bloodcell.metrics import auroc
from bloodcell.model import load_model
from bloodcell.training.cells import decode_pixels
from bloodcell.training.sources import SourceCells

with without_telemetry():
    import onnxruntime

BATCH = 64


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("folders", type=Path, nargs=2)
    parser.add_argument("--cells", type=int, default=1500, help="of each folder, at most")
    options = parser.parse_args(arguments)
    model = load_model(options.model)
    session = onnxruntime.InferenceSession(with_features(model.network.weights))
    parts = [
        features_of(folder, options.cells, model.preprocessing, session)
        for folder in options.folders
    ]
    is_other = np.repeat([False, True], [len(part) for part in parts])
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    told = cross_val_predict(
        probe, np.concatenate(parts), is_other, cv=5, method="decision_function"
    )
    cells = " and ".join(str(len(part)) for part in parts)
    print(f"{model.name}: the source of {cells} cells is told with an AUROC of", end=" ")
    print(f"{auroc(told, is_other):.3f}")


def with_features(weights: Path) -> bytes:
    """The network with one output, what its last layer takes."""
    network = onnx.load(weights)
    last = next(node for node in reversed(network.graph.node) if node.op_type == "Gemm")
    del network.graph.output[:]
    network.graph.output.append(onnx.ValueInfoProto(name=last.input[0]))
    content: bytes = network.SerializeToString()
    return content


def features_of(
    folder: Path, cells: int, preprocessing: Preprocessing, session: onnxruntime.InferenceSession
) -> npt.NDArray[np.float32]:
    """float32 (n, F) of so many cells below ``folder``, of all if there are fewer.

    InputError for an image that scoring would reject.
    """
    with tempfile.TemporaryDirectory() as beside:
        manifest = Path(beside) / "manifest.parquet"
        freeze_manifest(folder, manifest, rows_per_group=65536)
        images = pq.read_table(manifest)
    unlabelled = np.full(images.num_rows, "")
    source = SourceCells(folder.name, root_of(folder), images, unlabelled, unlabelled, {}, ())
    drawn = np.random.default_rng(0).permutation(images.num_rows)[:cells]
    rows = torch.from_numpy(np.sort(drawn))
    pixels = decode_pixels([source], rows, preprocessing, torch.get_num_threads()).numpy()
    (name,) = (one.name for one in session.get_inputs())
    features = [
        session.run(None, {name: pixels[first : first + BATCH]})[0]
        for first in range(0, len(pixels), BATCH)
    ]
    return np.concatenate(features)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (BloodcellError, OSError) as error:
        sys.exit(f"error: {error}")
