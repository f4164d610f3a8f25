"""`python -m benchmarks.export_models CACHE MODEL FORM...`: builds a model and exports it.

Besides float64_error.py the only module here that imports torch.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.corpus import DEPLOY, Corpus, Model, model_named
from graphmorph.models.export import export_onnx
from graphmorph.models.randomise import randomise
from graphmorph.models.reparameterise import deploy_form

SHAPE = (1, 3, 224, 224)


def example() -> Tensor:
    """The image that models are traced with."""
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))


def fresh(model: Model) -> nn.Module:
    """The model with torch's own initial weights, in eval mode."""
    built: nn.Module = getattr(import_module(f"graphmorph.models.{model.module}"), model.function)()
    return built.eval()


def main(cache: str, name: str, *forms: str) -> None:
    """Write the weights and the asked forms; a file is renamed into place once it is whole."""
    corpus, model = Corpus(Path(cache)), model_named(name)
    if corpus.weights(model).exists():
        module = fresh(model)
        module.load_state_dict(torch.load(corpus.weights(model)))
    else:
        module = randomise(fresh(model), 1, example())
        torch.save(module.state_dict(), corpus.weights(model))
    for form in forms:
        path = corpus.file(model, form)
        part = path.with_suffix(".part")
        if form == DEPLOY:
            export_onnx(deploy_form(module).eval(), part, example(), "legacy")
        else:
            export_onnx(module, part, example(), form)
        part.replace(path)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
