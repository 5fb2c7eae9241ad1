"""Every configuration is one by Triton's published schema, and fits what lies beside it."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from nvidia.dali import Pipeline

from bloodcell.model import load_model
from bloodcell.triton import Options
from bloodcell.triton.config import config_texts

MODEL = "jhu18-differential-160"


def parse(schema: ModuleType, text: str) -> Any:
    return text_format.Parse(text, schema.ModelConfig())


@pytest.fixture
def configs(repository: Path, schema: ModuleType) -> dict[str, Any]:
    return {
        folder.name: parse(schema, (folder / "config.pbtxt").read_text())
        for folder in sorted(repository.iterdir())
    }


def test_the_repository_is_laid_out_as_triton_wants_it(repository: Path) -> None:
    files = [str(one.relative_to(repository)) for one in repository.rglob("*") if one.is_file()]
    assert sorted(files) == [
        f"{MODEL}-decode/1/model.dali",
        f"{MODEL}-decode/config.pbtxt",
        f"{MODEL}-decode/warmup/drawn_cell.jpg",
        f"{MODEL}-network/1/model.onnx",
        f"{MODEL}-network/config.pbtxt",
        f"{MODEL}-network/labels.txt",
        f"{MODEL}/1/card.toml",
        f"{MODEL}/config.pbtxt",
        f"{MODEL}/labels.txt",
    ]


def test_each_configuration_is_named_as_its_folder_and_runs_what_it_should(
    configs: dict[str, Any],
) -> None:
    assert {name: config.name for name, config in configs.items()} == {
        name: name for name in configs
    }
    runs = [(one.backend, one.platform, one.max_batch_size) for one in configs.values()]
    assert runs == [("", "ensemble", 64), ("dali", "", 64), ("onnxruntime", "", 64)]


def test_tensors_fit_from_one_model_to_the_next(configs: dict[str, Any]) -> None:
    def tensors(ends: Any) -> dict[str, tuple[int, list[int]]]:
        return {one.name: (one.data_type, list(one.dims)) for one in ends}

    whole = configs[MODEL]
    available = tensors(whole.input)
    for step in whole.ensemble_scheduling.step:
        part = configs[step.model_name]
        assert part.max_batch_size >= whole.max_batch_size
        given, taken = tensors(part.output), tensors(part.input)
        assert set(step.input_map) == set(taken)
        assert {name: available[value] for name, value in step.input_map.items()} == taken
        available |= {value: given[name] for name, value in step.output_map.items()}
    assert tensors(whole.output).items() <= available.items()


def test_what_lies_beside_has_those_names_and_shapes(
    repository: Path, configs: dict[str, Any]
) -> None:
    decode = configs[f"{MODEL}-decode"]
    (warmup,) = decode.model_warmup
    taken = warmup.inputs["encoded"]
    image = np.fromfile(repository / decode.name / "warmup" / taken.input_data_file, np.uint8)
    assert list(taken.dims) == [len(image)]
    pipeline = Pipeline.deserialize(
        filename=str(repository / decode.name / "1/model.dali"),
        batch_size=1, num_threads=1, device_id=None,
    )  # fmt: skip
    pipeline.build()
    given = pipeline.run(encoded=[image])
    assert [one.as_array().shape[1:] for one in given] == [tuple(o.dims) for o in decode.output]
    network = configs[f"{MODEL}-network"]
    graph = onnx.load(repository / network.name / "1/model.onnx").graph
    for ends, stated in ((graph.input, network.input), (graph.output, network.output)):
        (end,), (one,) = ends, stated
        axes = end.type.tensor_type.shape.dim
        assert (end.name, [axis.dim_value for axis in axes[1:]]) == (one.name, list(one.dims))
    for name in (MODEL, network.name):
        labels = (repository / name / "labels.txt").read_text().splitlines()
        assert labels == load_model(MODEL).scheme.codes
        assert configs[name].output[0].label_filename == "labels.txt"


def test_the_pipeline_names_no_file_of_this_machine(repository: Path) -> None:
    assert b".py" not in (repository / f"{MODEL}-decode/1/model.dali").read_bytes()


def test_only_the_network_waits_for_other_requests(configs: dict[str, Any]) -> None:
    batching = {name: one.HasField("dynamic_batching") for name, one in configs.items()}
    assert batching == {MODEL: False, f"{MODEL}-decode": False, f"{MODEL}-network": True}


def test_the_ensemble_says_what_it_was_made_of(configs: dict[str, Any]) -> None:
    stated = {name: one.string_value for name, one in configs[MODEL].parameters.items()}
    model = load_model(MODEL)
    assert stated["weights_sha256"] == model.weights_sha256
    assert stated["card_sha256"] == model.card_sha256


@pytest.mark.parametrize("tensorrt", [False, True])
@pytest.mark.parametrize("batch_size", [1, 7])
def test_configurations_for_a_gpu_are_of_the_schema_too(
    schema: ModuleType, batch_size: int, tensorrt: bool
) -> None:
    options = Options("gpu", tensorrt, batch_size)
    texts = config_texts(load_model(MODEL), options, warmup_bytes=3)
    decode, network, _ = (parse(schema, text) for text in texts.values())
    kinds = {group.kind for config in (decode, network) for group in config.instance_group}
    assert kinds == {schema.ModelInstanceGroup.KIND_GPU}
    accelerators = network.optimization.execution_accelerators.gpu_execution_accelerator
    assert [one.name for one in accelerators] == ["tensorrt"] * tensorrt
    assert [one.batch_size for one in network.model_warmup] == sorted({1, batch_size})


def test_a_name_that_needs_escapes_is_escaped(schema: ModuleType) -> None:
    odd = replace(load_model(MODEL), version='1 "b"\\\n#é')
    *_, ensemble = config_texts(odd, Options(), warmup_bytes=3).values()
    assert parse(schema, ensemble).parameters["model_version"].string_value == odd.version
