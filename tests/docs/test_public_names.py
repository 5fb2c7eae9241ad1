"""What a user may import is what the page about Python lists."""

from helpers.pages import quoted, table

import bloodcell
from bloodcell import errors


def test_the_page_lists_the_public_names_and_no_others() -> None:
    listed = [name for names, _ in table("python.md") for name in quoted(names)]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(bloodcell.__all__)


def test_every_public_name_can_be_had() -> None:
    for name in bloodcell.__all__:
        assert getattr(bloodcell, name).__name__ == name


def test_every_error_of_the_tree_is_public() -> None:
    tree = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert tree <= set(bloodcell.__all__)
