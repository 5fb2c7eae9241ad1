"""DALI as its manual has it, and torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from nvidia.dali import fn, pipeline_def, types
from nvidia.dali.plugin.pytorch import DALIGenericIterator, LastBatchPolicy

from bloodcell.bench.peers.contender import Classes, batch_size_of, image_paths
from bloodcell.bench.peers.torch_network import TorchNetwork
from bloodcell.bench.scoring_options import Scoring
from bloodcell.engine.decode import cropped_and_resized
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.errors import EngineError
from bloodcell.model import load_model


class DALITorch:
    """DALI reads, decodes, resizes and normalises, two batches ahead; torch runs eagerly.

    On a CUDA GPU, if there is one, from the encoded bytes on. Pixels come channels last, in the
    network's type, and are not copied on the way. The pipeline is built before the clock starts,
    and reads nothing until then.
    """

    last_batch, compiled = LastBatchPolicy.PARTIAL, False

    def __init__(self, scoring: Scoring) -> None:
        self._scoring, self._model = scoring, load_model(scoring.model)
        self._network = TorchNetwork(self._model, scoring.threads, compiled=self.compiled)

    def ready(self, manifest: Path) -> Callable[[], Classes]:
        """See ``Contender.ready``."""
        paths = image_paths(manifest)
        pipeline = _pipeline(
            self._model.preprocessing,
            paths,
            batch_size=batch_size_of(self._scoring),
            num_threads=self._scoring.threads,
            device_id=0 if self._network.on_cuda else None,
        )
        batches = DALIGenericIterator(
            pipeline,
            ["pixels"],
            reader_name="cells",
            last_batch_policy=self.last_batch,
            prepare_first_batch=False,
        )
        return lambda: self._score(batches)[: len(paths)]

    def _score(self, batches: Any) -> Classes:
        called = [
            self._network.classes(outputs[0]["pixels"].permute(0, 3, 1, 2)) for outputs in batches
        ]
        return torch.cat(called).cpu().numpy()


class DALICompiled(DALITorch):
    """The same on a CUDA GPU with torch.compile, FP16 and channels_last; the last batch is full."""

    last_batch, compiled = LastBatchPolicy.FILL, True

    def __init__(self, scoring: Scoring) -> None:
        if not torch.cuda.is_available():
            raise EngineError(f"it needs a CUDA GPU, and torch {torch.__version__} sees none")
        super().__init__(scoring)


def _pipeline(preprocessing: Preprocessing, paths: list[str], **options: Any) -> Any:
    on_cpu = options["device_id"] is None

    def graph() -> Any:
        encoded, _ = fn.readers.file(files=paths, name="cells")
        images = fn.decoders.image(encoded, device="cpu" if on_cpu else "mixed")
        return fn.crop_mirror_normalize(
            cropped_and_resized(images, preprocessing),
            dtype=types.FLOAT if on_cpu else types.FLOAT16,
            output_layout="HWC",
            mean=[255 * value for value in preprocessing.mean],
            std=[255 * value for value in preprocessing.std],
        )

    return pipeline_def(prefetch_queue_depth=2, **options)(graph)()
