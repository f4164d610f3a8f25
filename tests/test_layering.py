"""The arrows between the packages, cli -> passes -> graphmorph <- models: by syntax tree, and by ruff."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {
    "graphmorph": "graphmorph",
    "passes": "graphmorph.passes",
    "models": "graphmorph.models",
    "cli": "graphmorph.cli",
}
FORBIDDEN = {
    "graphmorph": ("graphmorph.passes", "graphmorph.models", "graphmorph.cli"),
    "passes": ("graphmorph.models", "graphmorph.cli"),
    "models": ("graphmorph.passes", "graphmorph.cli"),
    "cli": (),
}
TERMINAL = ("click", "rich")


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted name of everything that a module imports, at any depth, type checking included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the arrows"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_at_top(tree: ast.Module) -> Iterator[str]:
    """What a plain import of the module imports: its top-level statements, but not `if TYPE_CHECKING`."""
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield from imported(ast.Module([statement], []))


def offences(names: Iterator[str], forbidden: tuple[str, ...]) -> list[str]:
    return [name for name in names if any(name == bad or name.startswith(bad + ".") for bad in forbidden)]


@pytest.mark.parametrize("room", ROOMS)
def test_no_import_against_the_arrows(room: str) -> None:
    forbidden = FORBIDDEN[room] + (TERMINAL if room != "cli" else ())
    found = {str(path): offences(imported(ast.parse(path.read_text())), forbidden) for path in sources(room)}
    assert found, "no sources"
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize("room", ["graphmorph", "passes", "cli"])
def test_torch_is_never_imported_at_the_top(room: str) -> None:
    slow = ("torch", "graphmorph.torch_door")
    outside = [path for path in sources(room) if not {"torch_door", "training"} & set(path.parts)]
    found = {str(path): offences(imported_at_top(ast.parse(path.read_text())), slow) for path in outside}
    assert found, "no sources"
    assert {path: names for path, names in found.items() if names} == {}


def test_onnxruntime_is_loaded_in_the_child_process_only() -> None:
    for room in ROOMS:
        for path in sources(room):
            if (ROOT / "graphmorph" / "runtime") in path.parents:
                continue
            assert not offences(imported(ast.parse(path.read_text())), ("onnxruntime",)), path


@pytest.mark.parametrize(
    ("line", "room"),
    [
        ("import graphmorph.passes", "graphmorph"),
        ("from graphmorph import cli", "graphmorph"),
        ("from graphmorph.models.acnet import ACNet", "passes"),
        ("from graphmorph.passes.fold_batchnorm import FoldBatchnorm", "models"),
        ("import onnxruntime", "cli"),
    ],
)
def test_ruff_refuses_the_import_and_says_why(line: str, room: str) -> None:
    shown = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--select",
            "TID251",
            "--stdin-filename",
            f"{room}/probe.py",
            "-",
        ],
        input=line + "\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert shown.returncode == 1
    assert "TID251" in shown.stdout


def test_every_package_is_listed_for_the_wheel() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = [
        ".".join([ROOMS[room], *path.parent.relative_to(ROOT / room).parts])
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    ]
    assert sorted(listed) == sorted(found)


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_is_typed(room: str) -> None:
    assert (ROOT / room / "py.typed").exists()


@pytest.mark.parametrize("module", ["graphmorph", "graphmorph.cli.main"])
def test_importing_is_light(module: str) -> None:
    heavy = ["numpy", "scipy", "onnx", "onnx_graphsurgeon", "onnxruntime", "torch", "rich"]
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
