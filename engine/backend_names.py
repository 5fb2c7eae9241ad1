"""What the backends are called; light, so that ``--help`` can list them and load none."""

from typing import Literal, TypeAlias, get_args

BackendName: TypeAlias = Literal["auto", "onnxruntime", "openvino", "tensorrt", "torch"]

BACKEND_NAMES: tuple[BackendName, ...] = get_args(BackendName)
