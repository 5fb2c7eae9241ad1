"""The messages of ``open_inference.proto``, made of its compiled descriptor.

In a pool of their own: a program that has another client or server of the protocol, tritonclient
too, has messages of the same names in the common pool, which takes a name once.
"""

from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

SERVICE = "inference.GRPCInferenceService"
DESCRIPTOR = Path(__file__).with_name("open_inference.binpb")

_pool = DescriptorPool()
(_file,) = FileDescriptorSet.FromString(DESCRIPTOR.read_bytes()).file
_pool.Add(_file)


def message(name: str) -> Any:
    """The class of the message ``name``."""
    return GetMessageClass(_pool.FindMessageTypeByName(f"inference.{name}"))


def methods() -> list[Any]:
    """Descriptors of the service's calls."""
    return list(_pool.FindServiceByName(SERVICE).methods)
