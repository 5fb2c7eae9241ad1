"""Examples and the page's program, built as a vendor would: in a fresh folder, by the package."""

import os
import re
import subprocess
from pathlib import Path

import ninja
import pyarrow as pa
import pytest
from embedding.test_patients import rows_by_python
from embedding.test_probabilities import by_score, rgb_of
from helpers.embedded import CMAKE, ONNXRUNTIME, ROOT, Library, configured, run
from helpers.pages import code
from helpers.tiny_model import write_tiny_model
from PIL import Image

from bloodcell.model import load_model
from bloodcell.shares import Counting

SANITIZERS = "-fsanitize=address,undefined -fno-sanitize-recover=all"
UNDER_SANITIZERS = (
    "-DCMAKE_BUILD_TYPE=Debug",
    f"-DCMAKE_C_FLAGS={SANITIZERS}",
    f"-DCMAKE_CXX_FLAGS={SANITIZERS}",
)


def built(example: str, prefix: Path, folder: Path, *options: str) -> Path:
    """The program of an example that stands alone: nothing of the tree but its folder is there."""
    configured(ROOT / "examples" / example, folder, f"-DCMAKE_PREFIX_PATH={prefix}", *options)
    (program,) = (path for path in folder.glob("score_*") if path.is_file())
    return program


@pytest.fixture(scope="module")
def c_program(prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("c", prefix, tmp_path_factory.mktemp("c") / "build")


@pytest.fixture(scope="module")
def cpp_program(prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("cpp", prefix, tmp_path_factory.mktemp("cpp") / "build")


@pytest.fixture(scope="module")
def files(smears: Path) -> list[Path]:
    """Those of one drawn patient that are JPEG or PNG."""
    return sorted(path for path in smears.glob("phantom-000/*") if path.suffix in (".jpg", ".png"))


@pytest.fixture(scope="module")
def pictures(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What a scanner would have in memory."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{i:03d}.ppm" for i in range(len(files))]
    for path, image in zip(paths, rgb_of(files), strict=True):
        Image.fromarray(image).save(path)
    return paths


@pytest.fixture(scope="module")
def report(files: list[Path], library: Library, drawn_model: Path) -> str:
    """The last lines that every program must print: Python's numbers of Python's probabilities."""
    python = load_model(drawn_model)
    probabilities = by_score(files, drawn_model)
    cells, _ = library.open(drawn_model).score(rgb_of(files))
    table = pa.table(
        {
            "row": pa.array(range(len(files)), pa.int64()),
            "patient": ["P1"] * len(files),
            "status": ["scored"] * len(files),
            "reason": pa.nulls(len(files), pa.string()),
            "probabilities": pa.FixedSizeListArray.from_arrays(
                pa.array(probabilities.ravel()), probabilities.shape[1]
            ),
            "stained": [bool(cell.stained) for cell in cells],
        }
    )
    row = rows_by_python(table, python, Counting("blood", "none", 10.0))["P1"]
    assert row["adjustment"] == "adjusted"
    lines = [("naive", "blast_percent_naive"), ("adjusted", "blast_percent")]
    ends = ("", "_low", "_high")
    return "".join(
        f"{word} {' '.join(f'{row[name + end]:.17g}' for end in ends)}\n" for word, name in lines
    )


def cells_printed(text: str) -> list[tuple[str, float]]:
    return [(c, float(p)) for c, p in re.findall(r"^cell \d+ (\w+) ([\d.e-]+)$", text, re.M)]


def test_the_c_example_prints_what_score_has(
    c_program: Path, files: list[Path], pictures: list[Path], drawn_model: Path, report: str
) -> None:
    text = run(c_program, drawn_model, ONNXRUNTIME, "P1", *pictures)
    probabilities, scheme = by_score(files, drawn_model), load_model(drawn_model).scheme
    assert cells_printed(text) == [
        (scheme.codes[p.argmax()], float(f"{p[scheme.is_blast].sum():.9g}")) for p in probabilities
    ]
    assert text.endswith(report)


@pytest.mark.parametrize("threads", ["1", "4"])
def test_the_cpp_example_prints_the_same_with_any_number_of_threads(
    cpp_program: Path, pictures: list[Path], drawn_model: Path, report: str, threads: str
) -> None:
    text = run(cpp_program, drawn_model, ONNXRUNTIME, "P1", threads, *pictures)
    assert text.endswith(report)


def test_both_run_clean_under_sanitizers(
    sanitized_prefix: Path,
    c_program: Path,
    cpp_program: Path,
    tmp_path: Path,
    pictures: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Leaks too: each program gives back all it took.
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=1")
    folder = write_tiny_model(tmp_path / "model", "jhu18")
    for example, plain, threads in (("c", c_program, []), ("cpp", cpp_program, ["4"])):
        program = built(example, sanitized_prefix, tmp_path / example, *UNDER_SANITIZERS)
        arguments = [folder, ONNXRUNTIME, "P1", *threads, *pictures]
        assert run(program, *arguments) == run(plain, *arguments)
        for wrong in (["/nowhere", ONNXRUNTIME], [folder, "/nowhere"]):
            done = subprocess.run(
                [program, *wrong, "P1", *threads, pictures[0]],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 1
            assert "/nowhere" in done.stderr
            assert "Sanitizer" not in done.stderr


def test_the_page_s_program_runs_as_pasted(prefix: Path, tmp_path: Path) -> None:
    program, project = code("embedding-c.md", "c")[0], code("embedding-c.md", "cmake")[0]
    (tmp_path / "scan.c").write_text(program)
    (tmp_path / "CMakeLists.txt").write_text(project)
    configured(tmp_path, tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    text = run(tmp_path / "build" / "scan", load_model().folder, ONNXRUNTIME)
    assert text == code("embedding-c.md", "text")[0]


def test_pkg_config_and_a_bare_compiler_do_too(prefix: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")}
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "bloodcell"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    ).stdout.split()
    source = ROOT / "examples" / "c" / "score_cells.c"
    run("cc", "-std=c11", source, *flags, "-o", tmp_path / "score_cells")
    done = subprocess.run(
        [tmp_path / "score_cells"],
        capture_output=True,
        text=True,
        check=False,
        env=environment | {"LD_LIBRARY_PATH": str(prefix / "lib")},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("usage")


@pytest.mark.parametrize("lib", ["lib", "lib/x86_64-linux-gnu"])
def test_pkg_config_finds_the_header_from_however_deep_a_folder(lib: str, tmp_path: Path) -> None:
    switches = ("-DBLOODCELL_BUILD_EXTENSION=OFF", "-DBLOODCELL_BUILD_LIBRARY=ON")
    program = f"-DCMAKE_MAKE_PROGRAM={Path(ninja.BIN_DIR) / 'ninja'}"
    folder = f"-DCMAKE_INSTALL_LIBDIR={lib}"
    run(CMAKE, "-S", ROOT, "-B", tmp_path / "b", "-G", "Ninja", program, folder, *switches)
    package = tmp_path / "prefix" / lib / "pkgconfig"
    package.mkdir(parents=True)
    (package / "bloodcell.pc").write_bytes((tmp_path / "b" / "bloodcell.pc").read_bytes())
    text = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "bloodcell"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PKG_CONFIG_PATH": str(package)},
    ).stdout
    folders = [Path(flag[2:]).resolve() for flag in text.split() if flag[:2] in ("-I", "-L")]
    assert folders == [tmp_path / "prefix" / "include", tmp_path / "prefix" / lib]


def test_another_minor_version_is_refused_by_the_package(prefix: Path, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(p LANGUAGES C)\n"
        "find_package(bloodcell 99.0 REQUIRED)\n"
    )
    done = subprocess.run(
        [CMAKE, "-S", tmp_path, "-B", tmp_path / "b", f"-DCMAKE_PREFIX_PATH={prefix}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "99.0" in done.stderr
