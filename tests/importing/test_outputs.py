"""What outputs mean: merged, left out, and refused where they would be counted as another class."""

import csv
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers.foreign_networks import description
from helpers.tiny_onnx import tiny_onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import bloodcell
from bloodcell.errors import InputError, ModelError
from bloodcell.importing import import_network
from bloodcell.importing.description import Merge, description_names, read_description
from bloodcell.importing.graph import with_outputs
from bloodcell.importing.self_test import golden_images
from bloodcell.model import Model
from bloodcell.scheme import load_scheme

SIDE = 8


def passing_through(columns: int) -> onnx.GraphProto:
    """A network whose outputs are its inputs."""
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", columns]) for n in "xy"]
    return helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", ends[:1], ends[1:])


def merged(rows: list[list[float]], merges: list[Merge], background: list[int]) -> np.ndarray:  # type: ignore[type-arg]
    import onnxruntime

    graph = passing_through(len(rows[0]))
    with_outputs(graph, len(rows[0]), merges, background)
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    logits: np.ndarray = session.run(None, {"x": np.array(rows, np.float32)})[0]  # type: ignore[type-arg]
    return logits


def test_merged_logits_are_those_of_summed_probabilities() -> None:
    rows = [[0.0, 1.0, 2.0, 3.0], [-200.0, 150.0, 149.0, 0.0], [5.0, -900.0, 900.0, 1.0]]
    exact = np.array(rows, np.float64)
    given = merged(rows, [Merge(2, 1)], [])
    expected = np.delete(exact, 2, 1)
    expected[:, 1] = np.logaddexp(exact[:, 1], exact[:, 2])
    assert np.abs(given - expected).max() < 1e-4


def test_several_into_one_and_background() -> None:
    rows = [[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]]
    given = merged(rows, [Merge(2, 1), Merge(3, 1), Merge(5, 4)], [0])
    exact = np.array(rows[0])
    assert given.shape == (1, 2)
    assert given[0, 0] == pytest.approx(np.log(np.exp(exact[1:4]).sum()), abs=1e-5)
    assert given[0, 1] == pytest.approx(np.log(np.exp(exact[4:]).sum()), abs=1e-5)


def imported(folder: Path, classes: int, *lines: str, **options: object) -> Model:
    (folder / "theirs.onnx").write_bytes(tiny_onnx(SIDE, classes))
    stated = description(folder, *lines, side=SIDE)
    return import_network(folder / "theirs.onnx", folder / "model", description=stated, **options)  # type: ignore[arg-type]


MATEK = ('scheme = "lmu15"', "merge = [{ column = 2, into = 1 }]")


def test_a_missing_merge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"gives 16 outputs, of which 16 are left .*: the scheme has 15 classes"
    ):
        imported(tmp_path, 16, MATEK[0])
    assert not (tmp_path / "model").exists()
    assert imported(tmp_path, 16, *MATEK).scheme.name == "lmu15"


@pytest.mark.parametrize("backend", ["onnxruntime", "torch", "openvino"])
def test_a_merged_network_scores_by_every_backend(tmp_path: Path, backend: str) -> None:
    from bloodcell.engine.backends.choice import BACKENDS, why_not_here
    from bloodcell.engine.backends.opening import prove

    if why_not := why_not_here(backend):
        pytest.skip(why_not)
    made = imported(tmp_path, 16, *MATEK, 'channel_order = "BGR"')
    row = BACKENDS[backend].on_cpu
    assert row
    reference = BACKENDS["onnxruntime"].on_cpu
    assert reference
    prove(
        row.open(made.network, 1, 1), reference.open(made.network, 1, 1), input_px=SIDE,
        largest_difference=row.largest_difference, rows=5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("merge = [{ column = 16, into = 1 }]", "column 16 is merged or background"),
        ("merge = [{ column = 2, into = 2 }]", "column 2 is merged into 2, which is not left"),
        ("merge = [{ column = 2, into = 1 }]\nbackground = [2]", "each of which goes once"),
    ],
)
def test_columns_that_are_not_there(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        imported(tmp_path, 16, MATEK[0], line)


def label_map(**changed: str) -> str:
    names = {c.code: c.name for c in load_scheme("lmu15").classes} | changed
    return "\n".join(["[label_map]", *(f'{code} = "{name}"' for code, name in names.items())])


def test_a_label_map_with_myo_and_myb_swapped_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"calls MYB 'Myeloblast', scheme 'lmu15' calls it"):
        imported(tmp_path, 16, *MATEK, label_map(MYO="Myelocyte", MYB="Myeloblast"))
    text = label_map()
    lines = text.splitlines()
    myb, myo = (next(n for n, l in enumerate(lines) if l.startswith(c)) for c in ("MYB", "MYO"))  # noqa: E741
    lines[myb], lines[myo] = lines[myo], lines[myb]
    with pytest.raises(ModelError, match="9: MYO for MYB, 10: MYB for MYO"):
        imported(tmp_path, 16, *MATEK, "\n".join(lines))
    assert imported(tmp_path, 16, *MATEK, label_map(LYT="typical lymphocyte"))


def test_a_description_of_another_scheme_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="says scheme = 'lmu15', --scheme says 'bm21'"):
        imported(tmp_path, 16, *MATEK, scheme="bm21")
    with pytest.raises(ModelError, match="label map is of another scheme than 'bm21'"):
        imported(tmp_path, 21, label_map(), scheme="bm21")
    with pytest.raises(InputError, match="names no scheme: give --scheme"):
        imported(tmp_path, 16)


def test_swapped_outputs_are_found_by_golden_images(tmp_path: Path) -> None:
    """Two classes that are red and blue cells, and a network that knows which is which."""
    (tmp_path / "two.toml").write_text(
        'title = "t"\nsource = "s"\n'
        + "".join(
            f'[[class]]\ncode = "{code}"\nname = "{name}"\nrole = "{role}"\n'
            for code, name, role in (
                ("MYB", "Myelocyte", "leukocyte"), ("MYO", "Myeloblast", "blast")
            )
        )
    )  # fmt: skip
    for number in range(4):
        colour = (220, 30 + number, 60) if number % 2 else (60, 30 + number, 220)
        Image.new("RGB", (40, 40), colour).save(tmp_path / f"{number}.png")
    with (tmp_path / "golden.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("path", "class"), *((f"{n}.png", "MYO" if n % 2 else "MYB") for n in range(4))]
        )
    for name, is_swapped in (("right", False), ("wrong", True)):
        model = onnx.load_model_from_string(tiny_onnx(SIDE, 2))
        kernel = np.zeros((4, 3, 3, 3), np.float32)
        kernel[0, 0, 1, 1], kernel[1, 2, 1, 1] = 1, 1  # red, blue
        head = np.array([[0, 9, 0, 0], [9, 0, 0, 0]], np.float32)
        head = head[::-1].copy() if is_swapped else head
        del model.graph.initializer[:]
        model.graph.initializer.extend(
            [numpy_helper.from_array(kernel, "w1"), numpy_helper.from_array(head, "w2")]
        )
        onnx.save(model, tmp_path / f"{name}.onnx")
    options = {
        "description": description(tmp_path, side=SIDE), "scheme": str(tmp_path / "two.toml"),
        "golden": tmp_path / "golden.csv",
    }  # fmt: skip
    made = import_network(tmp_path / "right.onnx", tmp_path / "model", **options)  # type: ignore[arg-type]
    assert made.card["import"]["golden_images"] == {"cells": 4, "right": 4}
    with pytest.raises(ModelError, match=r"MYB \(Myelocyte\) and MYO \(Myeloblast\) 4 are called"):
        import_network(tmp_path / "wrong.onnx", tmp_path / "other", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "other").exists()


def test_the_card_says_where_it_is_from_and_the_folder_scores(tmp_path: Path) -> None:
    made = imported(tmp_path, 16, *MATEK, 'source = "a laboratory"', 'licence = "CC BY 4.0"')
    stated = made.card["import"]
    assert (stated["source"], stated["licence"]) == ("a laboratory", "CC BY 4.0")
    assert len(stated["file_sha256"]) == 64
    assert made.card["label_map_sha256"] == load_scheme("lmu15").label_map_sha256
    assert made.card["calibration"]["temperature"] == 1.0
    assert "error_model" not in made.card
    (tmp_path / "cells" / "p").mkdir(parents=True)
    image = np.random.default_rng(0).integers(60, 200, (40, 40, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "cells" / "p" / "a.png")
    run = bloodcell.score(
        tmp_path / "cells", tmp_path / "run", model=tmp_path / "model", backend="onnxruntime"
    )
    assert run.about["scored"] == 1
    (patient,) = run.patients.to_pylist()
    assert patient["blast_percent"] is None or patient["blast_percent_naive"] is not None
    with pytest.raises(InputError, match="is there already"):
        imported(tmp_path, 16, *MATEK)


@pytest.mark.parametrize("name", description_names())
def test_shipped_descriptions(name: str) -> None:
    stated = read_description(name)
    assert stated.scheme in ("lmu15", "bm21", "pbc8")
    assert stated.preprocessing.input_px > 0


def test_mateks_pixels_are_levels_by_255() -> None:
    stated = read_description("matek2019")
    pixels = golden_images(stated.preprocessing)
    assert pixels.shape == (6, 3, 400, 400)
    assert 0 <= pixels.min() < 0.01 < 0.99 < pixels.max() <= 1
    assert stated.merge == (Merge(2, 1),)


@pytest.mark.parametrize(
    ("line", "message"),
    [("merg = 1", "merg: Unexpected"), ('channel_order = "GBR"', "channel_order: Input should")],
)
def test_a_wrong_description_is_refused_by_entry(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        imported(tmp_path, 16, line)
    with pytest.raises(InputError, match="neither a file nor one of acevedo2019-inception"):
        read_description("nobody2018")
