"""The schemes: checked by eye against their sources, since a swapped code swaps a diagnosis."""

from pathlib import Path

import pytest
import tomli_w
from helpers.tiny_model import write_tiny_model

import bloodcell
from bloodcell.errors import ModelError
from bloodcell.model import load_model
from bloodcell.paths import model_names
from bloodcell.scheme import load_scheme, scheme_names
from bloodcell.toml import read_toml


def test_there_are_four() -> None:
    assert scheme_names() == ["bm21", "jhu18", "lmu15", "pbc8"]


@pytest.mark.parametrize(
    ("name", "classes", "blasts"),
    [
        ("jhu18", 18, ["blast_no_lineage_spec"]),
        ("lmu15", 15, ["MOB", "MYO"]),
        ("bm21", 21, ["BLA"]),
        ("pbc8", 8, []),
    ],
)
def test_sizes_and_blasts(name: str, classes: int, blasts: list[str]) -> None:
    scheme = load_scheme(name)
    assert len(set(scheme.codes)) == len(scheme.codes) == classes
    assert [c.code for c in scheme.classes if c.role == "blast"] == blasts
    assert not (scheme.is_blast & ~scheme.is_leukocyte).any()


def test_myo_is_the_myeloblast_and_myb_the_myelocyte() -> None:
    names = {c.code: c.name for c in load_scheme("lmu15").classes}
    assert names["MYO"] == "Myeloblast"
    assert names["MYB"] == "Myelocyte"


def test_a_swapped_label_map_is_refused(tmp_path: Path) -> None:
    shipped = (Path(bloodcell.__file__).parent / "schemes" / "lmu15.toml").read_text("utf-8")
    swapped = shipped.replace('"Myeloblast"', '"?"').replace('"Myelocyte"', '"Myeloblast"')
    (tmp_path / "mine.toml").write_text(swapped.replace('"?"', '"Myelocyte"'), "utf-8")
    with pytest.raises(ModelError, match="a class was renamed, moved or given another role"):
        load_scheme(str(tmp_path / "mine.toml"))


def test_the_label_map_is_code_name_and_role_in_order() -> None:
    assert load_scheme("pbc8").label_map_sha256 == (
        "b6637b4e171a0b0eeb7fd5afb1a7033be308cbaf3933a2f1b419d0b5fa28abd5"
    )
    digests = {load_scheme(name).label_map_sha256 for name in scheme_names()}
    assert len(digests) == len(scheme_names())


def test_groupings_of_the_papers() -> None:
    lmu15, bm21, pbc8 = (load_scheme(name) for name in ("lmu15", "bm21", "pbc8"))
    assert set(lmu15.groups["blast"]) == {"MYO", "MOB"}
    assert set(lmu15.groups["atypical"]) == {"LYA", "EBO", "MOB", "MYO", "MYB", "MMZ", "PMO"}
    assert [s.specimen for s in (lmu15, bm21, pbc8)] == ["blood", "marrow", "blood"]
    assert ("NGS", "NGB") in bm21.tolerated
    assert ("PEB", "EBO") in bm21.tolerated
    # In the paper's Table 1 these have the same figures, strict and tolerant.
    alike = {"MON", "EOS", "BAS", "PLM", "KSC", "OTH", "ART", "NIF", "ABE", "FGC"}
    assert alike == set(bm21.codes) - {code for pair in bm21.tolerated for code in pair}
    assert pbc8.groups == {}


def test_marrow_counts_erythroid_cells_and_blood_does_not() -> None:
    bm21 = load_scheme("bm21")
    counted = {
        specimen: {
            c.code
            for c, is_counted in zip(bm21.classes, scheme.is_leukocyte, strict=True)
            if is_counted
        }
        for specimen in ("blood", "marrow")
        for scheme in [bm21.counted_as(specimen, "none")]
    }
    assert counted["marrow"] - counted["blood"] == {"EBO", "PEB"}
    assert set(bm21.codes) - counted["marrow"] == {"ART", "KSC", "NIF", "OTH"}


def test_outside_the_denominator() -> None:
    outside = {
        name: [c.code for c in scheme.classes if c.role not in ("blast", "leukocyte")]
        for name in scheme_names()
        for scheme in [load_scheme(name)]
    }
    assert outside["jhu18"] == [
        "erythroblast", "giant_thrombocyte", "smudge_cells", "thrombocyte_aggregation",
    ]  # fmt: skip
    assert outside["lmu15"] == ["EBO", "KSC"]
    assert outside["bm21"] == ["ART", "EBO", "KSC", "NIF", "OTH", "PEB"]
    assert outside["pbc8"] == ["erythroblast", "platelet"]


def test_a_differential_begins_with_blasts_and_follows_maturity() -> None:
    names = {c.code: c.name for c in load_scheme("jhu18").classes}
    assert [names[code] for _, code in load_scheme("jhu18").letters] == [
        "Blast, no lineage specified", "Promyelocyte", "Myelocyte", "Metamyelocyte",
        "Band neutrophil", "Segmented neutrophil", "Eosinophil", "Basophil", "Promonocyte",
        "Monocyte", "Prolymphocyte", "Lymphocyte", "Variant lymphocyte", "Plasma cell",
        "Erythroblast", "Smudge cell", "Thrombocyte aggregation", "Giant thrombocyte",
    ]  # fmt: skip


@pytest.mark.parametrize("name", scheme_names())
def test_blast_and_lymphocyte_have_the_same_letter_in_every_scheme(name: str) -> None:
    scheme = load_scheme(name)
    assert [scheme.codes[place] for place in scheme.differential_order] == [
        code for _, code in scheme.letters
    ]
    names = {c.code: c.name for c in scheme.classes}
    by_letter = {letter: names[code] for letter, code in scheme.letters}
    assert by_letter["L"].startswith("Lymphocyte")
    assert by_letter.get("B", "Blast")[:5] in ("Blast", "Myelo")
    assert by_letter["O"] == "Monocyte"


LAB = """title = "Lab"
source = "ours"
[[class]]
code = "LYM"
name = "Lymphocyte"
role = "leukocyte"
[[class]]
code = "BLA"
name = "Lymphoblast"
role = "blast"
"""


def test_a_scheme_without_letters_gets_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bloodcell.scheme._FOLDER", tmp_path)
    (tmp_path / "lab.toml").write_text(LAB)
    assert load_scheme("lab").letters == (("L", "BLA"), ("Y", "LYM"))
    for letters, says in (
        ('L = "LYM"', "names each class once"),
        ('L = "LYM"\nb = "BLA"', "are A to Z"),
        ('L = "LYM"\nBL = "BLA"', "are A to Z"),
        ("", "names each class once"),
    ):
        (tmp_path / "lab.toml").write_text(LAB + f"[letters]\n{letters}\n")
        with pytest.raises(ModelError, match=says):
            load_scheme("lab")
    (tmp_path / "lab.toml").write_text(
        'class = [{code = "BLA", name = "Blast", role = "blast"}, 3]\ntitle = "t"\nsource = "s"\n'
    )
    with pytest.raises(ModelError, match="lacks 'class', a table"):
        load_scheme("lab")


def test_equivalents_by_profile() -> None:
    equivalents = {c.code: c.blast_equivalent for c in load_scheme("jhu18").classes}
    assert equivalents["promonocyte"] == ("aml",)
    assert equivalents["promyelocyte"] == ("apl",)
    assert equivalents["monocyte"] == ()


def test_an_unknown_scheme_names_the_known() -> None:
    with pytest.raises(
        ModelError, match=r"neither a \.toml file nor one of bm21, jhu18, lmu15, pbc8"
    ):
        load_scheme("lmu16")


@pytest.mark.parametrize("name", model_names())
def test_shipped_models_load_and_say_what_they_are_for(name: str) -> None:
    model = load_model(name)
    assert model.name == name
    assert model.network.weights.stat().st_size < 20e6
    assert "Research use only" in model.card["intended_use"]
    training = model.card["training"]
    assert all(source["data"]["licence"] for source in training.get("source", [training]))


OWN = """
title = "Two classes"
source = "ours"
[[class]]
code = "A"
name = "A"
role = "blast"
[[class]]
code = "B"
name = "B"
role = "leukocyte"
"""


def test_a_scheme_may_be_a_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(OWN)
    scheme = load_scheme(str(tmp_path / "two.toml"))
    assert (scheme.name, scheme.codes, scheme.is_blast.tolist()) == (
        "two", ["A", "B"], [True, False]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("jhu18.toml", OWN, "has the name of a scheme that comes with bloodcell"),
        ("two.toml", OWN.replace('"B"\nname', '"A"\nname'), "two classes have the same code"),
        ("two.toml", OWN.replace("leukocyte", "white"), "have a role other than"),
        ("two.toml", OWN.replace("title", "titel"), "is no scheme: it lacks 'title'"),
        ("two.toml", 'title = "a"\nsource = "b"\n', "is no scheme: it lacks 'class'"),
        ("two.toml", 'specimen = "bone"\n' + OWN, "specimen is 'bone', not one of"),
        ("two.toml", OWN + '[groups]\nodd = ["C"]\n', r"have \['C'\], which are no classes"),
        ("two.toml", 'tolerated = [["A"]]\n' + OWN, "tolerated a list of pairs of codes"),
        ("two.toml", 'label_map_sha256 = "0"\n' + OWN, "label_map_sha256 says 0"),
        ("two.toml", OWN + 'blast_equivalent = "aml"\n', "blast_equivalent is a list of"),
        ("two.toml", OWN + 'blast_equivalent = ["AML"]\n', "blast_equivalent is a list of"),
        ("two.toml", OWN + 'blast_equivalnt = ["aml"]\n', "entries .*, which mean nothing"),
        ("two.toml", OWN + 'blast_equivalent = [["aml"]]\n', "blast_equivalent is a list of"),
        ("two.toml", OWN.replace('code = "A"', "code = 1"), "code is 1, a text in quotes"),
        ("two.toml", OWN.replace('name = "A"', "name = 1"), "name is 1, a text in quotes"),
        ("two.toml", 'title = "a"\nsource = "b"\nclass = "A"\n', "a table .* for each class"),
        ("two.toml", "letters = 2\n" + OWN, "names each class once"),
        ("two.toml", OWN + '[letters]\nA = ["A"]\nB = "B"\n', "names each class once"),
        ("two.toml", OWN + '[groups]\nodd = [["A"]]\n', r"have \[\['A'\]\], which are no classes"),
    ],
)
def test_a_scheme_of_ones_own_at_fault_is_refused(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ModelError, match=message):
        load_scheme(str(tmp_path / name))


def test_a_card_made_for_another_label_map_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "model", "lmu15")
    card = folder / "card.toml"
    table = read_toml(card, ModelError)
    table["label_map_sha256"] = load_scheme("lmu15").label_map_sha256
    card.write_text(tomli_w.dumps(table), "utf-8")
    assert load_model(folder).scheme.name == "lmu15"
    table["label_map_sha256"] = load_scheme("bm21").label_map_sha256
    card.write_text(tomli_w.dumps(table), "utf-8")
    with pytest.raises(ModelError, match="made for another label map than that of scheme 'lmu15'"):
        load_model(folder)
