"""Wider groups: the same logits from fewer, block-diagonal groups."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers.networks import logits_of, normal_pixels, random_resnext, shipped

from bloodcell.engine.backends.onnx.groups import merged_groups
from bloodcell.errors import ModelError
from bloodcell.model import load_model


def channels_a_group(onnx_bytes: bytes) -> list[int]:
    """Input channels of a group, of each 3x3 convolution but the first."""
    graph = onnx.load_model_from_string(onnx_bytes).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    weights = [shapes[node.input[1]] for node in graph.node if node.op_type == "Conv"]
    return [shape[1] for shape in weights[1:] if shape[2:] == (3, 3)]


def assert_equal_logits(one: bytes, other: bytes, input_px: int) -> None:
    pixels = normal_pixels(3, input_px)
    expected = logits_of(one, pixels)
    difference = np.abs(logits_of(other, pixels) - expected).max()
    assert np.ptp(expected) > 0.01
    assert difference <= 1e-5 * np.abs(expected).max()


def test_the_shipped_network_keeps_its_logits() -> None:
    narrow = shipped()
    before = channels_a_group(narrow)
    wide = merged_groups(narrow, 2 * min(before))
    assert min(channels_a_group(wide)) == 2 * min(before)
    assert_equal_logits(narrow, wide, load_model().preprocessing.input_px)


def test_the_groups_of_a_resnext50_keep_its_logits(tmp_path: Path) -> None:
    # One block a stage: the others have the same groups.
    narrow = random_resnext(tmp_path, 32, (1, 1, 1, 1)).weights.read_bytes()
    wide = merged_groups(narrow, 16)
    assert channels_a_group(narrow) == [4, 8, 16, 32]
    assert channels_a_group(wide) == [16, 16, 16, 32]
    assert_equal_logits(narrow, wide, 32)
    # More than there are in all: an ordinary convolution.
    assert channels_a_group(merged_groups(narrow, 10_000)) == [128, 256, 512, 1024]


def test_groups_wide_enough_are_left_alone() -> None:
    assert channels_a_group(merged_groups(shipped(), 1)) == channels_a_group(shipped())


def test_bytes_that_are_no_network_are_refused() -> None:
    with pytest.raises(ModelError, match="cannot be read as ONNX"):
        merged_groups(b"not a network", 16)
