"""What a user may import, and that it all arrives lazily."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import graphmorph

ROOT = Path(__file__).resolve().parent.parent
NAMES = {
    "load",
    "trace",
    "materialise",
    "merge_channels",
    "insert_layer",
    "capture_sums",
    "Images",
    "run_pipeline",
    "widen",
    "save",
    "fuse",
    "expand",
    "export",
    "verify",
    "inspect_model",
    "inspect_kernels",
    "channel_groups",
    "prune",
    "prune_positions",
    "Graph",
    "PassManager",
    "Rewrite",
    "Site",
    "Refusal",
    "Editor",
    "GraphmorphError",
    "__version__",
}


def test_the_public_names_are_these() -> None:
    assert set(graphmorph.__all__) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_name_arrives(name: str) -> None:
    assert getattr(graphmorph, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = graphmorph.no_such_name


def test_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert graphmorph.__version__ == project["version"]


def test_nothing_public_needs_torch_but_what_is_about_modules() -> None:
    code = (
        "import sys, graphmorph\n"
        "for name in set(graphmorph.__all__) - {'trace', 'materialise'}: getattr(graphmorph, name)\n"
        "print('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_the_readme_names_only_what_exists() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in ("fuse", "verify"):
        assert f"graphmorph.{name}(" in readme
    from graphmorph.testing import assert_equivalent

    assert callable(assert_equivalent)
