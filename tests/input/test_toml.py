"""TOML of others: what is none, or would end a reader, is refused in one line."""

from pathlib import Path
from typing import Any

import pytest

from bloodcell.errors import ModelError
from bloodcell.toml import is_number, read_toml


@pytest.mark.parametrize(
    "text", ["a = [", "a = '\xfc'", f"a = {100_000 * '['}", f"a = {5000 * '1'}", "a = 1\na = 2"]
)
def test_what_is_no_toml_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text(text, "latin-1")
    with pytest.raises(ModelError, match=r"card\.toml is not valid TOML"):
        read_toml(path, ModelError)


@pytest.mark.parametrize("value", [True, "1", None, [1], 10**400, float("nan"), float("inf")])
def test_what_no_float_holds_is_no_number(value: Any) -> None:
    assert not is_number(value)


def test_numbers_are_numbers() -> None:
    assert is_number(0)
    assert is_number(-1.5)
    assert is_number(10**300)
