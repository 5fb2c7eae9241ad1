"""Every command, watched by strace: no packet, and no file but where the user said.

Temporary files are allowed if none is left.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.reviews import answers_of, saved
from helpers.served import Served
from helpers.served_engine import ServedEngine, images_input
from helpers.tiny_model import write_tiny_model
from helpers.tiny_recipe import TINY_RECIPE

import bloodcell
from bloodcell.engine.backends.choice import why_not_here
from bloodcell.review.answers import as_json

MAKES_A_FILE = re.compile(
    r'(?:openat\(AT_FDCWD, "(?P<opened>[^"\n]*)", [^)\n]*O_(?:WRONLY|RDWR|CREAT)'
    r'|(?:mkdir|creat)\("(?P<made>[^"\n]*)"|mkdirat\(AT_FDCWD, "(?P<made_at>[^"\n]*)").* = [0-9]'
)
COMMANDS = {
    "phantom": "bloodcell phantom {out}/cells --patients 1 --cells 2",
    "score by onnxruntime": "bloodcell score {cells} --out {out}/run --backend onnxruntime",
    "score by openvino": "bloodcell score {cells} --out {out}/run --backend openvino",
    "score by torch": "bloodcell score {cells} --out {out}/run --backend torch",
    "score by workers": "bloodcell score {cells} --out {out}/run --workers 2",
    "evaluate": "bloodcell evaluate {run} --labels {cells}/labels.csv",
    "calibrate": "bloodcell calibrate {run} --labels {cells}/labels.csv --out {out}/model",
    "calibrate from reviews": "bloodcell calibrate --from-reviews {run} --out {out}/model",
    "export fhir": "bloodcell export {run} --to fhir",
    "export hl7": "bloodcell export {run} --to hl7",
    "export csv": "bloodcell export {run} --to csv",
    "export xlsx": "bloodcell export {run} --to xlsx",
    "report": "bloodcell report {run}",
    "review plan": "bloodcell review plan {run}",
    "review apply": "bloodcell review apply {run} {answers} --reviewer A",
    "export to triton": "bloodcell export-triton jhu18-differential-160 --to {out}/repository",
    "fetch-data, not run": "bloodcell fetch-data acevedo2019 --to {out}/data",
    "verify": "bloodcell verify {run}",
    "train": "bloodcell train {cells} --labels {cells}/labels.csv --recipe {recipe} --out {out}/m",
    "build": "bloodcell build jhu18-differential-160",
    "models": "bloodcell models",
    "doctor": "bloodcell doctor",
    "bench run": "bloodcell-bench run {cells} --cells 32 --repeats 1 --out {out}/figures.svg",
    "bench scale": "bloodcell-bench scale --only cells --largest-cells 64 --out {out}/figures.svg",
}
STATUS_1 = ("calibrate", "calibrate from reviews", "build")
"""Commands that say what they lack: enough patients, signed ones, a GPU."""


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_leaves_the_machine(
    name: str, strace: str, smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    if "openvino" in name and (why_not := why_not_here("openvino")):
        pytest.skip(why_not)
    home, temporary, out = (tmp_path / folder for folder in ("home", "temporary", "out"))
    for folder in (home, temporary, out):
        folder.mkdir()
    own_run = shutil.copytree(run.folder, tmp_path / "out" / "own")
    recipe, answers = out / "recipe.toml", out / "answers.json"
    recipe.write_text(TINY_RECIPE.replace("folds = 4", "folds = 3"))
    saved(answers_of(bloodcell.open_run(own_run), lambda _row: "monocyte"), answers)
    words = (
        COMMANDS[name]
        .format(cells=smears, out=out, run=own_run, recipe=recipe, answers=answers)
        .split()
    )
    log = tmp_path / "calls"
    done = subprocess.run(
        [
            *(strace, "-f", "-qq", "--seccomp-bpf", "-s", "400", "-o", str(log)),
            *("-e", "trace=%network,openat,creat,mkdir,mkdirat"),
            *(str(Path(sys.executable).with_name(words[0])), *words[1:]),
        ],
        env={"HOME": str(home), "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
        | {name: os.environ[name] for name in ("PATH", "OMP_NUM_THREADS") if name in os.environ},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == (name in STATUS_1), done.stderr
    calls = log.read_text(errors="replace")
    assert "AF_INET" not in calls, [line for line in calls.splitlines() if "AF_INET" in line]
    allowed = (f"{out}/", f"{temporary}/", f"{home}/.cache/bloodcell", "/dev/", "/proc/")
    elsewhere = [path for path in made_files(calls) if not path.startswith(allowed)]
    assert set(elsewhere) <= {f"{home}/.cache"}
    assert list(temporary.rglob("*")) == []


def test_a_served_report_is_on_this_machine_alone(
    strace: str, run: bloodcell.Run, tmp_path: Path
) -> None:
    own = bloodcell.open_run(shutil.copytree(run.folder, tmp_path / "own"))
    log = tmp_path / "calls"
    options = ("-f", "-qq", "-s", "400", "-o", str(log), "-e", "trace=%network")
    served = Served(own, strace, *options)
    try:
        answers = replace(answers_of(own, lambda _row: "monocyte"), reviewer="A")
        reply, _ = served.ask("POST", "answers", as_json(answers).encode(), X_Token=served.token)
        assert reply.status == 200
        assert served.ended()[0] == 0
    finally:
        served.kill()
    calls = log.read_text(errors="replace").splitlines()
    addresses = [line for line in calls if "sa_family=AF_INET" in line]
    assert addresses
    assert [line for line in addresses if 'inet_addr("127.0.0.1")' not in line] == []
    assert [line for line in calls if re.search(r"(?:connect|sendto)\(.*AF_INET", line)] == []


def test_a_served_engine_listens_on_this_machine_alone_and_writes_nothing(
    strace: str, smears: Path, tmp_path: Path
) -> None:
    home, log = tmp_path / "home", tmp_path / "calls"
    home.mkdir()
    model = write_tiny_model(tmp_path / "model", "pbc8")
    traced = ("-e", "trace=%network,openat,creat,mkdir,mkdirat")
    trace = ("-f", "-qq", "--seccomp-bpf", "-s", "400", "-o", str(log), *traced)
    served = ServedEngine(
        "--model", model, "--backend", "onnxruntime", before=(strace, *trace),
        env=os.environ | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    try:
        image = next(smears.glob("*/*.jpg")).read_bytes()
        for protocol in ("grpc", "http"):
            asked = [images_input(protocol, [image])]
            given = served.client(protocol).infer("tiny", asked, parameters={"patient": "P"})
            assert given.as_numpy("status").tolist() == [b"scored"]
        assert served.metrics()
        assert served.ended(signal.SIGINT)[0] == 0
    finally:
        served.kill()
    calls = log.read_text(errors="replace")
    addresses = [line for line in calls.splitlines() if "sa_family=AF_INET" in line]
    assert addresses
    # To ::1 gRPC binds a socket for a moment, to see whether there is IPv6.
    loopback = ('127.0.0.1"', '"::1"')
    assert [line for line in addresses if not any(one in line for one in loopback)] == []
    assert re.findall(r"(?:connect|sendto)\(.*AF_INET.*", calls) == []
    allowed = (f"{home}/.cache/bloodcell", "/dev/", "/proc/")
    assert {path for path in made_files(calls) if not path.startswith(allowed)} <= {
        f"{home}/.cache"
    }


def made_files(calls: str) -> list[str]:
    """Paths that were opened for writing or made, as far as the kernel let them be."""
    return [next(path for path in made.groups() if path) for made in MAKES_A_FILE.finditer(calls)]


def test_a_packet_would_be_seen(strace: str, tmp_path: Path) -> None:
    log = tmp_path / "calls"
    program = "import socket; socket.socket().connect_ex(('127.0.0.1', 9)); open('made', 'w')"
    words = [strace, "-f", "-o", str(log), "-e", "trace=%network,openat"]
    subprocess.run([*words, sys.executable, "-c", program], check=True, cwd=tmp_path)
    assert "AF_INET" in log.read_text()
    assert "made" in made_files(log.read_text())
