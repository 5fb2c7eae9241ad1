"""The compiled protocol is that of its file, and in names and numbers Triton's."""

import subprocess
import sys
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from tritonclient.grpc import service_pb2

from bloodcell.server.protocol import DESCRIPTOR, message

PROTO = DESCRIPTOR.with_suffix(".proto")


def test_the_descriptor_is_compiled_from_the_file_beside_it(tmp_path: Path) -> None:
    out = tmp_path / "compiled"
    words = ["-m", "grpc_tools.protoc", "-I", PROTO.parent, PROTO, f"--descriptor_set_out={out}"]
    subprocess.run([sys.executable, *words], check=True)
    compiled = FileDescriptorSet.FromString(out.read_bytes())
    assert compiled == FileDescriptorSet.FromString(DESCRIPTOR.read_bytes())


def test_every_message_and_call_has_tritons_names_and_numbers() -> None:
    (ours,) = FileDescriptorSet.FromString(DESCRIPTOR.read_bytes()).file
    theirs = FileDescriptorProto()
    service_pb2.DESCRIPTOR.CopyToProto(theirs)

    def fields(messages: object, within: str = "") -> dict[str, object]:
        found = {}
        for one in messages:  # type: ignore[attr-defined]
            path = f"{within}.{one.name}"
            found[path] = [
                (field.name, field.number, field.type, field.label, field.type_name)
                for field in one.field
            ]
            found |= fields(one.nested_type, path)
        return found

    assert fields(ours.message_type).items() <= fields(theirs.message_type).items()
    calls = {
        one.name: (one.input_type, one.output_type, one.client_streaming, one.server_streaming)
        for one in theirs.service[0].method
    }
    assert ours.service[0].name == theirs.service[0].name
    for one in ours.service[0].method:
        streams = (one.client_streaming, one.server_streaming)
        assert calls[one.name] == (one.input_type, one.output_type, *streams)


def test_messages_of_both_live_in_one_process() -> None:
    theirs = service_pb2.ModelReadyRequest(name="tiny", version="1")
    ours = message("ModelReadyRequest").FromString(theirs.SerializeToString())
    assert (ours.name, ours.version) == ("tiny", "1")
