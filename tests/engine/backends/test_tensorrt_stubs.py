"""The stubs that mypy checks the TensorRT code by, held against the real bindings."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

STUBS = Path(__file__).resolve().parents[3] / "stubs" / "tensorrt_rtx_bindings" / "__init__.pyi"


def members() -> Iterator[tuple[str, ast.stmt]]:
    for statement in ast.parse(STUBS.read_text()).body:
        if isinstance(statement, ast.ClassDef):
            for member in statement.body:
                # Python's own protocols, and classes of which nothing is used.
                if ast.unparse(member) != "..." and not getattr(member, "name", "").startswith("_"):
                    yield statement.name, member


@pytest.fixture(scope="module")
def bindings() -> ModuleType:
    return pytest.importorskip("tensorrt_rtx_bindings", reason="wheels are x86-64 Linux only")


@pytest.mark.parametrize(
    ("owner", "member"), list(members()), ids=lambda m: getattr(m, "name", None)
)
def test_a_stub_says_what_the_bindings_say(
    bindings: ModuleType, owner: str, member: ast.stmt
) -> None:
    if isinstance(member, ast.FunctionDef) and not member.decorator_list:
        real = getattr(getattr(bindings, owner), member.name)
        assert signature(member) in real_signatures(member.name, real.__doc__)
    else:
        name = member.target.id if isinstance(member, ast.AnnAssign) else member.name  # type: ignore[attr-defined,union-attr]
        assert hasattr(getattr(bindings, owner), name)


def signature(function: ast.FunctionDef) -> tuple[list[str], str]:
    """Names of the parameters, and the result; the real ones do not say where it may be None."""
    assert function.returns is not None
    result = ast.unparse(function.returns).removesuffix(" | None")
    return [argument.arg for argument in function.args.args], result.removeprefix("I")


def real_signatures(name: str, doc: str) -> list[tuple[list[str], str]]:
    """From what pybind11 writes at the head of a docstring, one line an overload."""
    # C++ names where pybind11 knew no other, which may have an I more: nvonnxparser::IParserError.
    return [
        (re.findall(r"(\w+): ", parameters), re.split(r"[.:]", result)[-1].removeprefix("I"))
        for parameters, result in re.findall(rf"\b{name}\((.*)\) -> ([\w.:]+)", doc)
    ]
