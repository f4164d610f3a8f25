"""What a step may be: a function of the package that rewrites a model, or any installed pass, alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any, Unpack

from graphmorph import registry
from graphmorph.errors import UsageError
from graphmorph.rewrite import Rewrite
from graphmorph.rewrite_options import RewriteOptions, settings_from
from graphmorph.rewriting import rewrite_model
from graphmorph.steps.options import Option, options_of, options_of_pass, options_of_typed_dict

#: Steps by name, and the functions that do them: (model, output, **options) to a result, or from module to module.
#: A function that takes the `RewriteOptions` becomes a step by a line here.
FUNCTIONS = {
    "fuse": "graphmorph.fusing:fuse",
    "prune": "graphmorph.pruning.prune:prune",
    "merge": "graphmorph.merging:merge_channels",
    "widen": "graphmorph.widening:widen",
    "expand": "graphmorph.expanding:expand",
    "insert": "graphmorph.layer_insertion.insert:insert_layer",
}

_RUNNING = frozenset({"example_inputs", "leaf_modules", "in_place", "progress"})
_SHARED = {name: one for name, one in options_of_typed_dict(RewriteOptions).items() if name not in {*_RUNNING, "keep"}}

#: What is said once, for all steps: how a model is read and proven, and the seed of whatever is drawn.
PIPELINE_OPTIONS = {
    name: replace(one, name=name)
    for name, one in (("seed" if name == "proof_seed" else name, one) for name, one in _SHARED.items())
}

#: What functions and passes call the seed of what they draw themselves.
_DRAWN = ("seed", "criterion_seed")


@dataclass(frozen=True)
class StepKind:
    """options: those of the step alone. proof_seed: what the function calls the seed of the proof. check: of the
    options' values, where that is possible without a model."""

    name: str
    summary: str
    options: Mapping[str, Option]
    function: Callable[..., Any]
    proof_seed: str = "proof_seed"
    check: Callable[[Mapping[str, Any]], object] | None = None

    def run(
        self, model: Any, output: Any, options: Mapping[str, Any], shared: Mapping[str, Any], **running: Any
    ) -> Any:
        """Do it; the seed of the pipeline, where there is one, is that of whatever the step draws too."""
        drawn = {name: shared["seed"] for name in _DRAWN if name in self.options} if "seed" in shared else {}
        common = {self.proof_seed if name == "seed" else name: value for name, value in shared.items()}
        return self.function(model, output, **{**common, **drawn, **options}, **running)


def step_names() -> list[str]:
    """Every step that is installed: functions, then passes."""
    return [*FUNCTIONS, *registry.available()]


def kind_named(name: str) -> StepKind:
    """What a step of this name is.

    Raises:
        UsageError: there is no such step.
    """
    if name in FUNCTIONS:
        return _of_function(name)
    if name in registry.available():
        return _of_pass(name)
    raise UsageError(f"no step is called {name}; there are {', '.join(step_names())}")


def _of_function(name: str) -> StepKind:
    module, _, attribute = FUNCTIONS[name].partition(":")
    function = getattr(import_module(module), attribute)
    found = options_of(function)
    proof_seed = "proof_seed" if "proof_seed" in found else "seed"
    shared = {*_RUNNING, *_SHARED, proof_seed}
    own = {option: one for option, one in found.items() if option not in shared}
    return StepKind(name, _first_line(function), own, function, proof_seed)


def _of_pass(name: str) -> StepKind:
    kind = registry.load(name)
    fields = options_of_pass(kind, kind.options())
    keep = options_of_typed_dict(RewriteOptions)["keep"]
    summary = f"the pass alone: {kind.summary}"
    return StepKind(name, summary, {"keep": keep, **fields}, partial(_run_pass, name), check=partial(_divided, name))


def _run_pass(name: str, model: Any, output: Any = None, **given: Any) -> Any:
    rewrite, rest = _divided(name, given)
    return _rewritten(model, output, rewrite, **rest)


def _divided(name: str, given: Mapping[str, Any]) -> tuple[Rewrite, dict[str, Any]]:
    """A pass with its own options, and the others."""
    fields = registry.load(name).options()
    rewrite = registry.create(name, {option: value for option, value in given.items() if option in fields})
    return rewrite, {option: value for option, value in given.items() if option not in fields}


def _rewritten(model: Any, output: Any, rewrite: Rewrite, **options: Unpack[RewriteOptions]) -> Any:
    return rewrite_model(model, output, [rewrite], settings_from(options))


def _first_line(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0]
