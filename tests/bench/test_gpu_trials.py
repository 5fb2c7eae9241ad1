"""Trials of other precisions: what the gate says, and what the rounding does."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from gpu import trials
from helpers.networks import normal_pixels
from helpers.tiny_onnx import CLASSES, tiny_onnx

from bloodcell.engine.backends.contract import Network
from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend

SIDE = 8


def test_the_gate_tells_what_changed() -> None:
    expected = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]], np.float32)
    changed = expected.copy()
    changed[1] = [0.55, 0.45]
    blast_classes, is_blast = np.array([True, False]), np.array([True, True, False, False])
    assert trials.gate(changed, expected, blast_classes, is_blast) == {
        "cells": 4,
        "largest_difference": pytest.approx(0.15),
        "share_of_changed_classes": 0.25,
        "auroc": 0.75,
        "auroc_in_fp32": 0.75,
    }
    assert "auroc" not in trials.gate(changed, expected, blast_classes, None)


def test_values_are_rounded_by_the_largest_of_their_scale() -> None:
    values = torch.tensor([[1.0, 0.5, 0.3], [100.0, 50.0, 30.0]])
    assert torch.allclose(trials.in_int8(values, (1,)) * 127 % values[:, :1], torch.zeros(2, 3))
    # e4m3 has three bits after the leading one: 134.4, 0.3 of 448, becomes 128, not 144.
    assert trials.in_fp8(values, (1,))[0].tolist() == pytest.approx([1.0, 0.5, 128 / 448])


@pytest.mark.parametrize("rounded", [trials.in_fp8, trials.in_int8])
def test_only_convolutions_are_rounded(
    rounded: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "BATCH", 4)
    (tmp_path / "model.onnx").write_bytes(tiny_onnx(SIDE))
    network = Network(tmp_path / "model.onnx", SIDE, CLASSES, 1.0)
    pixels = normal_pixels(7, SIDE)
    expected = OnnxRuntimeBackend(network, 1).probabilities(pixels)
    as_it_is = trials._rounding(lambda values, _over: values, network)(pixels)
    assert np.abs(as_it_is - expected).max() <= 2**-16
    difference = np.abs(partial(trials._rounding, rounded)(network)(pixels) - expected).max()
    assert 0 < difference < 0.05
