"""ONNX Runtime on an ONNX file in memory, in FP32."""

from typing import Any

from bloodcell.engine.telemetry import without_telemetry
from bloodcell.errors import ModelError


def session_of(onnx_bytes: bytes) -> Any:
    """An ``InferenceSession`` on the CPU; ModelError if the file cannot be loaded."""
    with without_telemetry():
        import onnxruntime

    try:
        return onnxruntime.InferenceSession(onnx_bytes, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions share no public base
        raise ModelError(f"the network cannot be loaded by ONNX Runtime: {error}") from error
