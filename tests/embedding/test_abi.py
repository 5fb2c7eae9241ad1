"""The ABI: what is exported is what the header declares and the list in csrc/embedding holds."""

import re
import subprocess
from ctypes import sizeof
from pathlib import Path

from helpers.embedded import (
    ROOT,
    About,
    Answer,
    Cell,
    Header,
    Image,
    Library,
    Options,
    Report,
    Reviewed,
    ReviewInput,
)

EMBEDDING = ROOT / "csrc" / "embedding"


def listed() -> list[str]:
    """The committed list."""
    return re.findall(r"^\s+(bloodcell_\w+);", (EMBEDDING / "exported.map").read_text(), re.M)


def test_exactly_what_is_listed_is_exported(library: Library) -> None:
    command = ["nm", "-D", "--defined-only", "--format=posix", str(library.path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    exported = [line.split()[0] for line in lines if line.split()[1] != "A"]
    assert exported == sorted(f"{name}@@BLOODCELL_1" for name in listed())


def test_the_header_declares_exactly_what_is_listed() -> None:
    text = (EMBEDDING / "include" / "bloodcell.h").read_text()
    declared = re.findall(r"^BLOODCELL_API .*?\b(bloodcell_\w+)\(", text, re.M)
    assert sorted(declared) == sorted(listed())


def test_structs_have_the_sizes_of_the_first_version_or_grew() -> None:
    """A size that is not here any more breaks programs: raise BLOODCELL_ABI_VERSION."""
    fixed = {Image: 32, Cell: 24, Answer: 16}
    assert {kind: sizeof(kind) for kind in fixed} == fixed
    least = {Options: 48, About: 72, Header: 32, Report: 256, ReviewInput: 64, Reviewed: 80}
    assert all(sizeof(kind) >= size for kind, size in least.items())


def test_it_needs_no_python_and_no_onnx_runtime_to_be_loaded(library: Library) -> None:
    lines = subprocess.run(
        ["readelf", "-d", str(library.path)], capture_output=True, text=True, check=True
    ).stdout
    needed = set(re.findall(r"NEEDED.*\[(.*?)\.so", lines))
    assert needed <= {
        "libstdc++",
        "libm",
        "libgcc_s",
        "libc",
        "libdl",
        "libpthread",
        "ld-linux-x86-64",
    }
    assert "SONAME" in lines
    assert "[libbloodcell.so.1]" in lines


def test_the_package_has_header_library_config_and_licences(prefix: Path) -> None:
    files = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
    assert {
        "include/bloodcell.h",
        "lib/libbloodcell.so",
        "lib/cmake/bloodcell/bloodcell-config.cmake",
        "lib/pkgconfig/bloodcell.pc",
        *(
            f"share/doc/bloodcell/LICENSE{end}"
            for end in ("", ".xxhash", ".onnxruntime", ".tomlplusplus")
        ),
    } <= files
