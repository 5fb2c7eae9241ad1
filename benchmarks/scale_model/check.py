"""Holds the simulation against real runs of this machine: the same driver, a paced worker.

Other work takes cores away, so seconds are compared after both are divided by how much longer than
its processor time a busy loop took, before the call and after it.
"""

import resource
import shutil
import time
from pathlib import Path
from typing import Any

from helpers.paced_worker import Pace, workers_of
from scale_rows import CELLS_OF_A_PATIENT, write_rows

import bloodcell
from bloodcell.engine.machine import usable_cores
from scale_model.costs import slowdown
from scale_model.night import Driver, Night, Workers, simulate

Costs = dict[str, dict[str, Any]]


def here(costs: Costs, cells: int) -> Night:
    """A run of this machine, whose paced worker shares its cores; one patient at least."""
    value = {name: one["value"] for name, one in costs.items()}
    driver = Driver(
        start_s=value["start_s"],
        list_cell_s=value["list_parquet_cell_s"],
        part_s=value["driver_part_s"],
        part_waits_s=value["part_waits_s"],
        patient_s=value["report_ahead_patient_s"],
        finish_cell_s=value["equal_images_cell_s"],
        finish_patient_s=value["report_pages_patient_s"],
        cores=usable_cores(),
    )
    workers = Workers(cell_s=value["paced_worker_cell_s"])
    return Night(cells, min(CELLS_OF_A_PATIENT, cells), driver, workers)


def processor_s(night: Night) -> float:
    """What the driver and its workers compute in all, but for the start."""
    driver, patients = night.driver, night.cells / night.cells_of_a_patient
    cell_s = driver.list_cell_s + driver.finish_cell_s + night.workers.cell_s
    patient_s = driver.patient_s + driver.finish_patient_s
    return night.cells * cell_s + patients * patient_s + night.groups * driver.part_s


def run(costs: Costs, sizes: list[int], scratch: Path) -> list[dict[str, float]]:
    """Print and return, for each size, what was predicted and measured."""
    rows = []
    print(
        f"{'cells':>10}{'predicted s':>13}{'measured s':>12}{'slowdown':>10}{'ratio':>7}"
        f"{'predicted CPU s':>17}{'measured CPU s':>16}{'ratio':>7}"
    )
    base_s = _measured(32, scratch)["processor_s"]
    for cells in sizes:
        night = here(costs, cells)
        measured = _measured(cells, scratch)
        predicted_s, quiet_s = simulate(night).call_s, measured["call_s"] / measured["slowdown"]
        used_s = measured["processor_s"] - base_s
        rows.append({"cells": cells, "predicted_s": predicted_s, **measured})
        print(
            f"{cells:10,}{predicted_s:13.1f}{measured['call_s']:12.1f}{measured['slowdown']:10.2f}"
            f"{predicted_s / quiet_s:7.2f}{processor_s(night):17.1f}{used_s:16.1f}"
            f"{processor_s(night) / used_s:7.2f}",
            flush=True,
        )
    return rows


def _measured(cells: int, scratch: Path) -> dict[str, float]:
    folder = scratch / str(cells)
    folder.mkdir()
    source = write_rows(folder, cells, ".parquet")
    before_s, slow, begun_s = _used_s(), slowdown(), time.monotonic()
    with workers_of(Pace()):
        run = bloodcell.score(source, folder / "run", backend="onnxruntime", workers=1)
    call_s, used_s = time.monotonic() - begun_s, _used_s() - before_s
    assert run.counts.scored == cells
    shutil.rmtree(folder)
    return {"call_s": call_s, "processor_s": used_s, "slowdown": (slow + slowdown()) / 2}


def _used_s() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)
