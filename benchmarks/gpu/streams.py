"""Cases of scoring end to end that `make gpu-check` measures, each stage alone beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bloodcell.bench.sample import Images, Subject, open_subject, setup_for
from bloodcell.bench.scoring_options import Scoring
from bloodcell.engine.backends.cuda import first_device
from bloodcell.engine.device_decode import DeviceBatch
from bloodcell.engine.lanes import Lanes, device_lanes, open_lanes
from bloodcell.engine.machine import usable_cores
from bloodcell.engine.setup import Setup
from bloodcell.errors import EngineError
from gpu import inputs
from gpu.device_watch import top_operators, watched
from gpu.entries import Entry, attempted
from gpu.inputs import Case, images_of, model_of
from gpu.networks import open_tensorrt, open_torch
from gpu.speeds import against_cpu, copies, speeds, warmed_up_run

_SAMPLE_CELLS = 1024


def streams(folder: Path, cases: Sequence[Case], *, profiled: bool) -> Iterator[Entry]:
    """Each case's stages alone and end to end; one that fails is an entry with its reason.

    ``profiled``: instead what each case spends the GPU's time on, by torch's profiler.
    """
    measure = _profile if profiled else _speeds
    for case in cases:
        yield asdict(case) | attempted(partial(measure, case, folder))


def _speeds(case: Case, folder: Path) -> Entry:
    subject, images = opened(case, folder)
    setup, sample = subject.setup, subject.sample
    encoded_bytes = sum(len(batch.buffer) for batch in sample.encoded)
    entry = {
        "backend": setup.choice.name,
        "device": setup.choice.device,
        "batch": subject.opened.batch_size,
        "input_px": setup.network.input_px,
        "images": images,
        "kib_a_cell": round(encoded_bytes / sample.cells / 1024, 1),
        "network_takes_pixels_from": pixels_on(sample.images),
        "threads": setup.threads,
        "lanes": len(subject.opened.lanes),
        **speeds(subject),
        "copies": attempted(partial(copies, subject)),
    }
    if setup.choice.on_gpu:
        entry["against_cpu"] = attempted(partial(against_cpu, subject))
        entry["gpu"] = attempted(
            lambda: watched(first_device().uuid, warmed_up_run(subject, 3 * inputs.CELLS))
        )
    return entry


def _profile(case: Case, folder: Path) -> Entry:
    subject, _ = opened(case, folder)
    return {"top": top_operators(warmed_up_run(subject, subject.sample.cells))}


def opened(case: Case, folder: Path) -> tuple[Subject, str]:
    """What is measured, and what its images are; EngineError if one of these is rejected."""
    manifest, images = images_of(case.image_format, folder)
    scoring = Scoring(model_of(case.network, folder), "auto", case.asked_batch, usable_cores())
    setup = setup_for(manifest, scoring, hardware_decoder=case.hardware_decoder)
    subject = open_subject(manifest, setup, _lanes(setup), _SAMPLE_CELLS)
    rejected = sum(np.count_nonzero(batch.reasons) for batch in subject.sample.scores)
    if rejected:
        raise EngineError(f"{rejected} of {subject.sample.cells} images were rejected")
    return subject, images


def pixels_on(batches: Sequence[Images]) -> str:
    """Where the network finds them: ``GPU``, ``host``, or both."""
    places = {
        "host" if type(part.pixels) is np.ndarray else "GPU"
        for images in batches
        for part in (images.parts if isinstance(images, DeviceBatch) else [images])
    }
    return " and ".join(sorted(places))


def _lanes(setup: Setup) -> Lanes:
    """Those of a run; on a GPU, where a batch is asked for, with a network built for it."""
    if setup.batch_size is None or not setup.choice.on_gpu:
        return open_lanes(setup)
    open_network = {"tensorrt": open_tensorrt, "torch": open_torch}[setup.choice.name]
    backend: Any = open_network(setup.network, setup.batch_size)
    lanes = device_lanes(setup, backend, setup.batch_size)
    return Lanes(lanes, setup.batch_size, backend.pass_cells, backend.made_of)
