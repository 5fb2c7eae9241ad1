"""Paths below a common folder: text alone, for an input may be a URL."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bloodcell.errors import RunError
from bloodcell.merging.order import common_folder, from_root

names = st.text(st.sampled_from("ab.-ä\\"), min_size=1, max_size=2)
folders = st.lists(names, max_size=4).map(lambda parts: "/" + "/".join(parts))


@pytest.mark.parametrize(
    ("roots", "common"),
    [
        (["/data/night", "/data/night"], "/data/night"),
        (["/data/night", "/data/nightly"], "/data"),
        (["/a/P1", "/b/P2"], "/"),
        (["/", "/a"], "/"),
        (["s3://bucket/night/a", "s3://bucket/night/b/c"], "s3://bucket/night"),
        (["s3://bucket", "s3://bucket/b"], "s3://bucket"),
    ],
)
def test_the_deepest_folder_that_holds_all(roots: list[str], common: str) -> None:
    assert common_folder(roots) == common
    assert common_folder(roots[::-1]) == common


@pytest.mark.parametrize("other", ["s3://b/night", "gs://a/night", "/data/night"])
def test_stores_have_no_folder_in_common(other: str) -> None:
    with pytest.raises(RunError, match=r"no folder in common: .*s3://a/night"):
        common_folder(["s3://a/night", other])


@given(st.lists(folders, min_size=1, max_size=4))
def test_it_is_above_each_and_no_deeper_one_is(roots: list[str]) -> None:
    common = common_folder(roots).rstrip("/")
    assert all(f"{root.rstrip('/')}/".startswith(f"{common}/") for root in roots)
    below = {root.rstrip("/")[len(common) + 1 :].partition("/")[0] for root in roots}
    assert len(below) > 1 or below == {""}


def test_absolute_paths_and_nulls_stay() -> None:
    paths = pa.array(["P1/a.jpg", "../b.jpg", "/c.jpg", "s3://d/e.jpg", None])
    expected = ["n/P1/a.jpg", "n/../b.jpg", "/c.jpg", "s3://d/e.jpg", None]
    assert from_root(paths, "n/").to_pylist() == expected
    assert from_root(paths, "").equals(paths)
