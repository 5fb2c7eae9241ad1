"""Runs import-linter on the tree in the working directory: the layers of pyproject.toml.

An editable install's finder gives the folder around the package as a part of it, so that every
file of the tree would be taken for a module of bloodcell. Here only Python's own finders look.
"""

import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

from importlinter.cli import lint_imports_command

sys.meta_path[:] = [BuiltinImporter, FrozenImporter, PathFinder]
lint_imports_command()
