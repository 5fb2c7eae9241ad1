"""Reading and writing ONNX networks, by the package ``onnx``; ONNX Runtime does not need it."""

from typing import TYPE_CHECKING

from bloodcell.errors import ModelError, PackageError

if TYPE_CHECKING:
    import onnx


def read_onnx(onnx_bytes: bytes) -> "onnx.ModelProto":
    """Parse a network whose weights all lie in its file.

    Raises ModelError if it is none, PackageError if ``onnx`` is not installed.
    """
    try:
        import onnx
    except ModuleNotFoundError as missing:
        raise PackageError("this needs onnx, which is not installed: pip install onnx") from missing
    try:
        model = onnx.load_model_from_string(onnx_bytes)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and onnx's exceptions share no public base
        raise ModelError(f"the network cannot be read as ONNX: {error}") from error
    return model


def checked_bytes(model: "onnx.ModelProto", what: str) -> bytes:
    """The file of a rewritten network; ModelError if its types or shapes do not fit together."""
    import onnx

    try:
        onnx.checker.check_model(model)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except Exception as error:
        raise ModelError(f"the network cannot be {what}: {error}") from error
    serialised: bytes = model.SerializeToString()
    return serialised
