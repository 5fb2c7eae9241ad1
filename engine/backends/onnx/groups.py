"""Grouped convolutions with wider groups: more arithmetic, equal results.

A group of four channels leaves a tensor core mostly idle. Whether wider groups pay on a GPU has
not been measured, so nothing asks for them by default; on a CPU they gained nothing.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bloodcell.engine.backends.onnx.file import checked_bytes, read_onnx

if TYPE_CHECKING:
    import onnx


def merged_groups(onnx_bytes: bytes, channels_at_least: int) -> bytes:
    """Merge neighbouring groups of fewer input channels until they have ``channels_at_least``.

    The merged weights are block-diagonal: zeros between channels that were in different groups.
    A convolution too narrow for that becomes an ordinary one. Raises ModelError if the bytes are
    no ONNX network, PackageError if ``onnx`` is not installed.
    """
    from onnx import numpy_helper

    model = read_onnx(onnx_bytes)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for number, node in enumerate(model.graph.node):
        if node.op_type != "Conv" or node.input[1] not in tensors:
            continue
        group = next((attribute for attribute in node.attribute if attribute.name == "group"), None)
        if group is None:
            continue
        weights = numpy_helper.to_array(tensors[node.input[1]])
        factor = _merge_factor(group.i, weights.shape[1], channels_at_least)
        if factor > 1:
            # Under a new name, since another node may use the same weights.
            node.input[1] += f"_merged_{number}"
            merged = _block_diagonal(weights, group.i, factor)
            model.graph.initializer.append(numpy_helper.from_array(merged, node.input[1]))
            group.i //= factor
    _drop_unused(model.graph)
    return checked_bytes(model, "given wider groups")


def _merge_factor(groups: int, width: int, channels_at_least: int) -> int:
    """Smallest divisor of ``groups`` that makes the groups wide enough; all of them if none."""
    wide_enough = (
        factor
        for factor in range(1, groups + 1)
        if groups % factor == 0 and factor * width >= channels_at_least
    )
    return next(wide_enough, groups)


def _block_diagonal(
    weights: npt.NDArray[np.generic], groups: int, factor: int
) -> npt.NDArray[np.generic]:
    """Weights (O, width, kH, kW) of ``groups`` groups to (O, width * factor, kH, kW)."""
    outputs, width, *kernel = weights.shape
    merged = np.zeros((outputs, factor * width, *kernel), weights.dtype)
    rows_of_group = outputs // groups
    for group in range(groups):
        rows = slice(group * rows_of_group, (group + 1) * rows_of_group)
        start = group % factor * width
        merged[rows, start : start + width] = weights[rows]
    return merged


def _drop_unused(graph: "onnx.GraphProto") -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
