"""The ABI: what is exported is what the header declares and the list in csrc/embedding holds."""

import re
import subprocess
from ctypes import sizeof
from pathlib import Path

import pytest
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
    run,
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


@pytest.mark.parametrize(("compiler", "standard"), [("cc", "c99"), ("c++", "c++11")])
def test_a_strict_compiler_has_no_word_against_the_header(
    compiler: str, standard: str, tmp_path: Path
) -> None:
    source = tmp_path / ("first.c" if compiler == "cc" else "first.cpp")
    source.write_text(
        "#include <bloodcell.h>\n"
        "size_t first(void) {\n"
        "  bloodcell_report report = BLOODCELL_INIT(report);\n"
        "  return report.struct_size;\n"
        "}\n"
    )
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
    header = ["-I", EMBEDDING / "include"]
    run(compiler, f"-std={standard}", *strict, "-fsyntax-only", *header, source)


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
