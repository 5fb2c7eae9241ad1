"""Ray is loaded only when it is needed, without its reports, and missed in one line."""

import subprocess
import sys

import pytest
from helpers.own_process import printed_by

from bloodcell.errors import PackageError
from bloodcell.ray.library import load_ray

_SEEN_AT_ITS_IMPORT = """
import os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "ray":
            print(os.environ.get("RAY_USAGE_STATS_ENABLED"))

os.environ.pop("RAY_USAGE_STATS_ENABLED", None)
sys.meta_path.insert(0, Watch())
import bloodcell.scoring
print("ray" in sys.modules)
from bloodcell.ray.library import load_ray
load_ray()
from ray._common.usage import usage_lib
print(usage_lib.usage_stats_enabled())
"""


def test_its_reports_are_off_before_it_is_loaded_and_it_is_loaded_late() -> None:
    assert printed_by(_SEEN_AT_ITS_IMPORT).split() == ["False", "0", "False"]


def test_without_it_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PackageError, match=r"pip install 'bloodcell\[ray\]'"):
        load_ray()


def test_a_place_that_is_none_is_refused_at_once() -> None:
    words = ["score", "tests", "--out", "run", "--on", "dask://a"]
    done = subprocess.run(
        [sys.executable, "-m", "bloodcell", *words], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.endswith("on is ray or ray://HOST:PORT, 'dask://a' given\n")
