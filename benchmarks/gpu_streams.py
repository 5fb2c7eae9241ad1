"""Cases of scoring end to end that `make gpu-check` measures, each stage alone beside it."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from attempts import Entry, attempted
from device_watch import Watch, top_operators
from gpu_backends import open_tensorrt, open_torch
from gpu_inputs import Case, images_of, model_of
from lane_speed import END_TO_END_S, against_cpu, copies, speeds, warmed_up_run
from lane_stages import Subject, open_subject

from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.backends.cuda import first_device
from bloodcell.engine.device_decode import open_device_decoder
from bloodcell.engine.device_lane import DeviceLane
from bloodcell.engine.lanes import Lanes, Setup, open_lanes
from bloodcell.engine.machine import usable_cores
from bloodcell.model import load_model


def streams(folder: Path, cases: Sequence[Case]) -> Iterator[Entry]:
    """Each case's stages alone and end to end; one that fails is an entry with its reason."""
    for case in cases:
        yield _about(case) | attempted(partial(_speeds, case, folder))


def profiles(folder: Path, cases: Sequence[Case]) -> Iterator[Entry]:
    """What each case spends the GPU's time on, by torch's profiler."""
    for case in cases:
        yield _about(case) | attempted(partial(_profile, case, folder))


def _about(case: Case) -> Entry:
    return {
        "network": case.model,
        "image_format": case.image_format,
        "hardware_decoder": case.hardware_decoder,
        "asked_batch": case.batch,
    }


def _speeds(case: Case, folder: Path) -> Entry:
    subject, images = _opened(case, folder)
    setup, cells = subject.setup, sum(len(one.rows) for one in subject.encoded)
    found = {
        "backend": setup.choice.name,
        "device": setup.choice.device,
        "batch": subject.opened.batch_size,
        "input_px": setup.network.input_px,
        "images": images,
        "kib_a_cell": round(sum(len(one.buffer) for one in subject.encoded) / cells / 1024, 1),
        "network_takes_pixels_from": subject.pixels_on,
        "threads": setup.threads,
        **speeds(subject),
        "copies": attempted(partial(copies, subject)),
    }
    if setup.choice.on_gpu:
        found["against_cpu"] = attempted(partial(against_cpu, subject))
        found["gpu"] = attempted(partial(_watched, subject))
    return found


def _watched(subject: Subject) -> Entry:
    run = warmed_up_run(subject, 2 * END_TO_END_S)
    with Watch(first_device().uuid) as watch:
        run()
    return watch.figures()


def _profile(case: Case, folder: Path) -> Entry:
    subject, _ = _opened(case, folder)
    return {"top": top_operators(warmed_up_run(subject, 0.0))}


def _opened(case: Case, folder: Path) -> tuple[Subject, str]:
    """What is measured, and what its images are."""
    model = load_model(model_of(case.model, folder))
    manifest, images = images_of(case.image_format, folder)
    rows = pq.read_table(manifest, columns=["path"])
    setup = Setup(
        choice=choose_backend("auto"),
        network=model.network,
        preprocessing=model.preprocessing,
        root=manifest.parent,
        batch_size=case.batch,
        threads=usable_cores(),
        hardware_decoder=case.hardware_decoder,
    )
    rows = rows.append_column("row", pa.array(np.arange(rows.num_rows)))
    return open_subject(setup, _lanes(setup), rows), images


def _lanes(setup: Setup) -> Lanes:
    """Those of a run; on a GPU, where a batch is asked for, with a network built for it."""
    if setup.batch_size is None or not setup.choice.on_gpu:
        return open_lanes(setup)
    open_network = {"tensorrt": open_tensorrt, "torch": open_torch}[setup.choice.name]
    backend: Any = open_network(setup.network, setup.batch_size)
    decoder = open_device_decoder(
        setup.preprocessing,
        batch_size=setup.batch_size,
        threads=setup.threads,
        stream=backend.stream,
        hardware_decoder=setup.hardware_decoder,
    )
    return Lanes([DeviceLane(decoder, backend)], setup.batch_size, backend.made_of)
