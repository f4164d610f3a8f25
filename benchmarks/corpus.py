"""The models that are measured, and the files they are exported to."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

#: Each form is one way of torch.onnx.export (graphmorph.models.export); the first is the one the tables show.
FORMS = ("legacy-training", "legacy", "dynamo")
DEPLOY = "deploy"


@dataclass(frozen=True)
class Model:
    """A reference model, where it is built, and the convolutions of its training and deploy form."""

    name: str
    module: str
    function: str
    convolutions: int
    deploy_convolutions: int


MODELS = (
    Model("ACNet ResNet-18", "acnet", "resnet18", 54, 20),
    Model("RepVGG-A0", "repvgg", "a0", 44, 22),
    Model("MobileOne-s0", "mobileone", "s0", 191, 43),
    Model("Diverse Branch Block ResNet-18", "diverse_branch_block", "resnet18", 84, 20),
    Model("Diverse Branch Block MobileNet", "diverse_branch_block", "mobilenet", 57, 27),
)


class Corpus:
    """The files of all models in one folder; a process of its own, with torch, makes what is missing."""

    def __init__(self, cache: Path) -> None:
        self.folder = cache / _state_of_sources()

    def file(self, model: Model, form: str) -> Path:
        return self.folder / f"{_slug(model.name)}.{form}.onnx"

    def weights(self, model: Model) -> Path:
        """The training form's state_dict, for whoever wants to run it in torch."""
        return self.folder / f"{_slug(model.name)}.pt"

    def output(self, model: Model, form: str, tool: str) -> Path:
        """Where a tool writes its result."""
        return self.folder / "outputs" / f"{_slug(model.name)}.{form}.{_slug(tool)}.onnx"

    def make(self, model: Model, forms: Iterable[str]) -> None:
        """Export what is not there yet.

        Raises:
            subprocess.CalledProcessError: the export failed.
        """
        missing = [form for form in (*forms, DEPLOY) if not self.file(model, form).exists()]
        if not missing and self.weights(model).exists():
            return
        (self.folder / "outputs").mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "benchmarks.export_models", str(self.folder.parent), model.name, *missing],
            check=True,
        )


def model_named(name: str) -> Model:
    """The model of that name.

    Raises:
        KeyError: there is none.
    """
    return {model.name: model for model in MODELS}[name]


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


def _state_of_sources() -> str:
    """Names the cache: another state of graphmorph.models is another set of files."""
    spec = find_spec("graphmorph.models")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("graphmorph is not installed here: `pip install -e .` first")
    digest = hashlib.sha256()
    for source in sorted(Path(spec.submodule_search_locations[0]).glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]
