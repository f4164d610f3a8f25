"""The main job for live modules: trace, rewrite, materialise, prove. torch is imported when it is asked for."""

from __future__ import annotations

import copy
import os
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graphmorph.errors import (
    GraphmorphError,
    RefusedError,
    RollbackWarning,
    TraceWarning,
    UsageError,
    VerificationError,
)
from graphmorph.manager import PassManager, RunResult, SiteKey
from graphmorph.proof import Proof, ProofOptions
from graphmorph.report import Report, RewriteReport
from graphmorph.rewrite import Rewrite
from graphmorph.rewrite_options import RewriteSettings
from graphmorph.rollback import find_guilty, taken_back
from graphmorph.runtime import Runtime

if TYPE_CHECKING:
    import torch
    from torch import nn

    from graphmorph.torch_door.examples import ExampleInputs
    from graphmorph.torch_door.morphed_module import MorphedModule


def is_module(model: object) -> bool:
    """Whether a model is a torch module; torch is not imported to find out."""
    import sys

    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def rewrite_module(module: nn.Module, passes: Sequence[Rewrite], settings: RewriteSettings) -> MorphedModule:
    """A module with the rewrites of some passes, proven; the original is untouched unless in_place.

    The report is `.report` of the result.

    Raises:
        UsageError: the example inputs do not fit, or the module cannot be copied or has parameters without values.
        TraceError: the module cannot be traced.
        VerificationError: the result computes something else, and no single rewrites explain it.
        GraphmorphError: nothing could be compared.
    """
    return _ModuleJob(module, list(passes), settings).run()


def refuse_training(module: nn.Module) -> None:
    """A module in training mode has no fixed statistics to fold.

    Raises:
        RefusedError: naming normalisations in training mode.
    """
    from torch import nn

    kinds = nn.modules.batchnorm._BatchNorm
    training = [path for path, one in module.named_modules() if isinstance(one, kinds) and one.training]
    if module.training and training:
        raise RefusedError(
            f"{type(module).__name__} is in training mode: its {len(training)} batch normalisations "
            f"({training[0] or 'itself'} ...) go by the statistics of each batch and cannot be folded. Call "
            "module.eval() first; nothing was changed"
        )


def examples_of(module: nn.Module, given: ExampleInputs | None) -> tuple[ExampleInputs, dict[str, Any]]:
    """Example inputs of a module that has values, guessed where none were given, and the same by argument.

    Raises:
        UsageError: they do not fit, or parameters have no values.
        TraceError: none were given, and they cannot be guessed.
    """
    from graphmorph.torch_door.examples import bound_inputs
    from graphmorph.torch_door.guessed_inputs import guessed_inputs

    require_values(module)
    inputs = guessed_inputs(module) if given is None else given
    return inputs, bound_inputs(module, inputs)


class _ModuleJob:
    def __init__(self, module: nn.Module, passes: list[Rewrite], settings: RewriteSettings) -> None:
        self.module, self.passes, self.settings = module, passes, settings
        self.example_inputs, self.example = examples_of(module, settings.example_inputs)
        self.trace_warnings: list[str] = []
        self.started = time.perf_counter()

    def run(self) -> MorphedModule:
        with Runtime(role="facts") as self.runtime:
            result, made = self.attempt((), None, certify=self.settings.certify)
            proof = self.prove(made) if self.settings.verify else None
            guilty: tuple[RewriteReport, ...] = ()
            if proof is not None and proof.verdict == "different" and not result.approximate:
                result, made, proof, guilty = self.rolled_back(result, proof)
        if proof is not None and proof.verdict == "inconclusive":
            raise GraphmorphError(f"the rewrite could not be proven: {proof.reason}; verify=False takes it unproven")
        made.__dict__["report"] = self.report(result, proof, guilty)
        return made

    def attempt(
        self, without: Iterable[SiteKey], limit: int | None, *, certify: bool = False
    ) -> tuple[RunResult, MorphedModule]:
        """Trace afresh, rewrite, and make a module of it."""
        from graphmorph.torch_door import materialise, trace

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            graph = trace(self.module, self.example_inputs, leaf_modules=self.settings.leaf_modules)
        self.trace_warnings = self.sorted_out(caught)
        limits = [n for n in (limit, self.settings.max_rewrites) if n is not None]
        manager = PassManager(
            self.passes,
            keep=self.settings.keep,
            certify=certify,
            without=without,
            max_rewrites=min(limits, default=None),
            runtime=self.runtime,
            progress=self.settings.progress,
        )
        result = manager.run(graph)
        result.notes.extend(graph.traced.notes if graph.traced is not None else [])
        made = materialise(graph, result.journal)
        return result, made if self.settings.in_place else apart(made, self.module)

    def sorted_out(self, caught: list[warnings.WarningMessage]) -> list[str]:
        """The warnings of tracing. A deploy form is for the mode that was traced; what is to be trained is for both."""
        trains = any(rewrite.grows for rewrite in self.passes)
        for one in caught:
            if not issubclass(one.category, TraceWarning) or (trains and not self.trace_warnings):
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        return [str(one.message) for one in caught if issubclass(one.category, TraceWarning)]

    def prove(self, made: nn.Module) -> Proof:
        from graphmorph.torch_door.module_proof import prove_module

        proof = self.settings.proof
        return prove_module(
            self.module, made, self.example, samples=proof.samples, seed=proof.seed, limits=proof.limits
        )

    def rolled_back(
        self, result: RunResult, proof: Proof
    ) -> tuple[RunResult, MorphedModule, Proof, tuple[RewriteReport, ...]]:
        """Take back the rewrites that the proof fails with.

        Raises:
            VerificationError: no set of rewrites explains the failure.
        """
        kept: dict[int, MorphedModule] = {}

        def attempt(without: Iterable[SiteKey], limit: int | None) -> tuple[RunResult, Proof]:
            tried, made = self.attempt(without, limit)
            kept[id(tried)] = made
            return tried, self.prove(made)

        found = find_guilty(result.applied, proof.first_difference, attempt)
        if found is None:
            why = "; ".join([proof.reason, *self.trace_warnings])
            raise VerificationError(f"the rewritten module computes something else: {why}")
        guilty = taken_back(found, result)
        names = ", ".join(f"{r.pass_name} at {r.root}" for r in guilty)
        warnings.warn(f"rolled back, because the proof failed with it: {names}", RollbackWarning, stacklevel=5)
        return found.result, kept[id(found.result)], found.proof, guilty

    def report(self, result: RunResult, proof: Proof | None, guilty: tuple[RewriteReport, ...]) -> Report:
        return Report(
            model=type(self.module).__name__,
            before=result.before,
            after=result.after,
            passes=result.passes,
            rolled_back=list(guilty),
            proof=proof,
            notes=[*result.notes, *self.trace_warnings],
            seconds=time.perf_counter() - self.started,
        )


def require_values(module: nn.Module) -> None:
    """Raises UsageError: parameters or buffers hold no numbers yet."""
    from torch.nn.parameter import is_lazy

    for path, tensor in (*module.named_parameters(), *module.named_buffers()):
        if is_lazy(tensor) or tensor.is_meta:
            why = "its size is not known before a first run" if is_lazy(tensor) else "it is on the meta device"
            raise UsageError(f"{path} of {type(module).__name__} has no values: {why}")


def apart(made: MorphedModule, original: nn.Module) -> MorphedModule:
    """Copies of what the result shares with the original; what is new stays as it is."""
    shared = {id(one) for one in original.modules()}
    tensors = {id(t) for t in (*original.parameters(), *original.buffers())}
    memo: dict[int, Any] = {id(one): one for one in made.modules() if one is not made and not (_parts(one) & shared)}
    memo = {
        key: one for key, one in memo.items() if not any(id(t) in tensors for t in (*one.parameters(), *one.buffers()))
    }
    memo |= {id(t): t for t in (*made.parameters(), *made.buffers()) if id(t) not in tensors}
    memo |= {id(t): t.detach().clone() for t in _computed_tensors(made)}
    try:
        return copy.deepcopy(made, memo)
    except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError) as error:
        raise UsageError(
            f"{type(original).__name__} cannot be copied ({error}): in_place=True rewrites it without a copy"
        ) from error


def _computed_tensors(module: nn.Module) -> list[torch.Tensor]:
    """Tensors that hooks keep beside the parameters (pruning, weight normalisation), which torch does not copy."""
    import torch

    held = [*module.buffers(), *(value for one in module.modules() for value in one.__dict__.values())]
    return [value for value in held if isinstance(value, torch.Tensor) and not value.is_leaf]


def _parts(module: nn.Module) -> set[int]:
    return {id(one) for one in module.modules()}


def module_settings(settings: RewriteSettings, second: Any, advice: str) -> RewriteSettings:
    """Settings for a live module, with the example inputs from whichever argument they came in.

    Raises:
        UsageError: options that mean nothing for it, by name; or a path as the second argument, and then the advice.
    """
    proof = settings.proof
    of_files = {
        "inputs": proof.inputs,
        "shapes": proof.shapes,
        "labels": proof.labels,
        "custom_ops": proof.custom_ops or None,
        "providers": None if tuple(proof.providers) == ProofOptions.providers else proof.providers,
        "freeze_initializers": settings.freeze_initializers or None,
    }
    wrong = [name for name, value in of_files.items() if value is not None]
    if wrong:
        raise UsageError(f"{', '.join(wrong)}: for ONNX files only; a torch module takes example_inputs")
    if isinstance(second, str | os.PathLike):
        raise UsageError(f"{second}: {advice}")
    return settings if settings.example_inputs is not None else replace(settings, example_inputs=second)


def only_for_modules(settings: RewriteSettings) -> None:
    """Refuse options that mean nothing for an ONNX model.

    Raises:
        UsageError: naming them.
    """
    if settings.example_inputs is not None or settings.leaf_modules:
        raise UsageError("example_inputs and leaf_modules are for torch modules; an ONNX file is proven on inputs=")
