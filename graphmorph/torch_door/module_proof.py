"""Proof for live modules: original and candidate run on the same inputs in torch, in evaluation mode.

Every run starts from the same random numbers and leaves no trace: what forward writes into buffers is put back.

The judgement is that of `graphmorph.proof`: rounding alone first; where that does not suffice, the noise of the
original, measured by moving its inputs in their last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.func import functional_call
from torch.utils import _pytree as pytree

from graphmorph.proof.inputs import jitter
from graphmorph.proof.noise import noise_floor
from graphmorph.proof.report import CaseReport, OutputReport, Proof
from graphmorph.proof.verdict import Limits, judge_outputs, overall
from graphmorph.torch_door.element_types import array_of, tensor_of
from graphmorph.torch_door.examples import batch_of
from graphmorph.torch_door.restoring import restored

Inputs = Mapping[str, Any]
Arrays = dict[str, np.ndarray]

#: What running a module on other sizes than the example's may raise: then it is not made for them.
_RUN_ERRORS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, NotImplementedError)

#: Seed of what a module draws itself.
_RANDOM = 0

#: By how much spatial sizes are changed, in turn, to see that the rewrite holds for other sizes too.
_OTHER_SIZES = (3, 2)


@dataclass(frozen=True)
class Case:
    """One set of inputs, and how it was made."""

    inputs: Inputs
    source: str
    sample: int
    must_run: bool


def prove_module(
    original: nn.Module, candidate: nn.Module, example: Inputs, *, samples: int, seed: int, limits: Limits
) -> Proof:
    """Compare two modules on the example, on seeded inputs, with other batches (twice and one) and spatial sizes."""
    reports: list[CaseReport] = []
    notes: list[str] = []
    with evaluation(original), evaluation(candidate), torch.no_grad():
        for case in _cases(example, samples, seed):
            try:
                expected = outputs_of(original, case.inputs)
            except _RUN_ERRORS as error:
                if case.must_run:
                    return Proof("inconclusive", f"the original does not run on the {case.source} inputs: {error}")
                continue
            try:
                got = outputs_of(candidate, case.inputs)
            except AssertionError as error:  # the program's own: it says for which inputs it was traced
                notes.append(f"not compared on {_sizes_text(case.inputs)}: {error}")
                continue
            except _RUN_ERRORS as error:
                reason = f"the original runs on {_sizes_text(case.inputs)}, the candidate does not: {error}"
                return Proof("different", reason, tuple(reports))
            reports.append(_judged(original, case, expected, got, limits, seed))
    blind = blind_outputs(reports)
    verdict, reason = overall(reports, blind)
    return Proof(verdict, reason, tuple(reports), notes=tuple(notes), providers=("torch",))


def blind_outputs(reports: Sequence[CaseReport]) -> list[str]:
    """Outputs without a finite element in any case."""
    seen: dict[str, bool] = {}
    for report in reports:
        for output in report.outputs:
            metrics = output.metrics
            finite = metrics is not None and metrics.elements > metrics.nonfinite
            empty = metrics is not None and metrics.elements == 0
            seen[output.name] = seen.get(output.name, False) or finite or empty
    return [name for name, finite in seen.items() if not finite]


def _judged(original: nn.Module, case: Case, expected: Arrays, got: Arrays, limits: Limits, seed: int) -> CaseReport:
    floors = {name: noise_floor(array, None) for name, array in expected.items()}
    outputs = judge_outputs(expected, got, floors, limits)
    if any(_is_numeric(report) for report in outputs) and not limits.given:
        other = _moved_outputs(original, case.inputs, seed)
        raised = {n: np.maximum(floors[n], noise_floor(array, other.get(n))) for n, array in expected.items()}
        outputs = judge_outputs(expected, got, raised, limits, second_opinion=True)
    shapes = {name: tuple(leaf.shape) for name, leaf in _tensors(case.inputs).items()}
    is_drawn = case.source != "given"
    return CaseReport(shapes, case.source, "normal", case.sample, seed if is_drawn else None, outputs, None)


def _is_numeric(report: OutputReport) -> bool:
    return not report.passed and report.metrics is not None and report.metrics.nonfinite_mismatches == 0


def _tensors(inputs: Any) -> dict[str, torch.Tensor]:
    """The tensors of a tree by their paths."""
    leaves = pytree.tree_flatten_with_path(inputs)[0]
    named = {".".join(map(_step, path)) or "output": leaf for path, leaf in leaves}
    return {name: leaf for name, leaf in named.items() if isinstance(leaf, torch.Tensor)}


def _step(key: Any) -> str:
    """One step of a path: a key, an index, or the name of an attribute."""
    return str(next(getattr(key, name) for name in ("key", "idx", "name") if hasattr(key, name)))


def outputs_of(module: nn.Module, inputs: Inputs, parameters: Mapping[str, torch.Tensor] | None = None) -> Arrays:
    """What a module gives, with other parameters where some are given."""
    given = pytree.tree_map(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, dict(inputs))
    with undisturbed(module), _same_random_numbers(module):
        outputs = _called(module, given) if parameters is None else functional_call(module, dict(parameters), (), given)
    return {name: array_of(tensor) for name, tensor in _tensors(outputs).items()}


def _called(module: nn.Module, given: dict[str, Any]) -> Any:
    """Calls a module; one of torch.fx's without its wrapper, which prints where generated code fails.

    It may fail here: then it is not made for the sizes that were tried.
    """
    wrapper = getattr(type(module), "_wrapped_call", None)
    plain = isinstance(module, fx.GraphModule) and getattr(wrapper, "cls_call", None) is None
    return nn.Module.__call__(module, **given) if plain else module(**given)


def _cases(example: Inputs, samples: int, seed: int) -> Iterator[Case]:
    yield Case(example, "given", 0, must_run=True)
    generator = torch.Generator().manual_seed(seed)
    for sample in range(samples):
        yield Case(drawn(example, generator), "seeded", sample, must_run=False)
    batch = batch_of(example) or 0
    for other in sorted({2 * batch, 1} - {batch}) if batch else ():
        yield Case(drawn(example, generator, batch=(batch, other)), "seeded", 0, must_run=False)
    for more in _OTHER_SIZES:
        yield Case(drawn(example, generator, more=more), "seeded", 0, must_run=False)


def drawn(example: Inputs, generator: torch.Generator, *, batch: tuple[int, int] = (0, 0), more: int = 0) -> Inputs:
    """Inputs like the example: floats from a normal distribution, integers from the example's own.

    batch: which first dimension becomes which. more: how much rows grow; columns grow twice as much.
    """

    def draw(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor) or leaf.dim() == 0:
            return leaf
        sizes = list(leaf.shape)
        if sizes[0] == batch[0]:
            sizes[0] = batch[1]
        for axis in range(2, len(sizes)):
            sizes[axis] += more * (axis - 1)
        if leaf.is_floating_point():
            return torch.randn(sizes, generator=generator).to(leaf.dtype).to(leaf.device)
        places = torch.randint(max(leaf.numel(), 1), sizes, generator=generator)
        return leaf.reshape(-1)[places.to(leaf.device)] if leaf.numel() else leaf

    return {name: pytree.tree_map(draw, value) for name, value in example.items()}


def _moved_outputs(module: nn.Module, inputs: Inputs, seed: int) -> Arrays:
    """What a module gives after its inputs moved by their last bit; where none is a float, its parameters."""
    if any(leaf.is_floating_point() for leaf in _tensors(inputs).values()):
        return outputs_of(module, _jittered(dict(inputs), seed))
    return outputs_of(module, inputs, _jittered(dict(module.named_parameters()), seed))


def _jittered(values: dict[str, Any], seed: int) -> dict[str, Any]:
    def moved(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor) or not leaf.is_floating_point():
            return leaf
        return tensor_of(jitter({"x": array_of(leaf)}, seed, None)["x"]).to(leaf.device)

    return {name: pytree.tree_map(moved, value) for name, value in values.items()}


def _sizes_text(inputs: Inputs) -> str:
    return ", ".join(f"{name} {list(leaf.shape)}" for name, leaf in _tensors(inputs).items())


@contextmanager
def evaluation(module: nn.Module) -> Iterator[None]:
    """Run a module in evaluation mode, and leave every part of it in the mode that it had.

    `eval()` itself is not called: classes may override it to do more, such as merging weights.
    """
    modes = [(one, one.training) for one in module.modules()]
    for one, _ in modes:
        one.training = False
    try:
        yield
    finally:
        for one, mode in modes:
            one.training = mode


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Run a module, and undo what its forward wrote into buffers and attributes."""
    before = [(buffer, buffer.clone()) for buffer in module.buffers()]
    try:
        with restored(module):
            yield
    finally:
        for buffer, value in before:
            if not torch.equal(buffer, value):
                buffer.copy_(value)


@contextmanager
def _same_random_numbers(module: nn.Module) -> Iterator[None]:
    """A module that is random in evaluation mode too draws the same in every run; the caller's numbers go on."""
    tensors = (*module.parameters(), *module.buffers())
    devices = sorted({tensor.device.index for tensor in tensors if tensor.is_cuda})
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(_RANDOM)
        for index in devices:
            torch.cuda.default_generators[index].manual_seed(_RANDOM)
        yield
