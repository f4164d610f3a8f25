"""Symbolic tracing with torch.fx, without its losses: nothing is left behind on the module, hooks and training flags
are kept, writes in place stay writes in place, and what cannot be traced is named by its line."""

from __future__ import annotations

import inspect
import operator
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from graphmorph.errors import TraceError
from graphmorph.torch_door.assignments import watched_assignments
from graphmorph.torch_door.hooks import CALL_HOOKS
from graphmorph.torch_door.proxies import TracedValue
from graphmorph.torch_door.ranks import depends_on_rank_alone
from graphmorph.torch_door.source_lines import current_line, failing_line
from graphmorph.torch_door.training_flags import TrainingFlag, training_flags
from graphmorph.torch_door.type_questions import answered_isinstance
from graphmorph.torch_door.wrapped_functions import TRACING_ERRORS, Through

LeafModules = Sequence[str | nn.Module | type[nn.Module]]
Examples = Callable[[fx.Node], Sequence[Any]]

#: What an assertion can compare an argument with.
_PLAIN = (bool, int, float, str, torch.dtype, torch.device)

#: Methods that a container may override to change what its state_dict holds; our own containers would not.
SERIALISATION = ("state_dict", "_save_to_state_dict", "get_extra_state")

_ADVICE = (
    "Trace around it: leaf_modules=(...) keeps the submodule as one opaque piece (its type, its path or a glob of "
    "paths), concrete_args={...} fixes an argument of forward."
)


@dataclass
class TracedProgram:
    """What symbolic tracing gave.

    constants: tensors that forward made from none of its inputs. branches_on_training: paths of containers whose code
    branches on self.training: the graph holds the branch of the mode traced in. other_gradients: lines that run under
    torch.no_grad or torch.enable_grad, which the graph does not hold. kept_whole: paths of leaves that were asked for.
    """

    graph: fx.Graph
    constants: dict[str, torch.Tensor]
    notes: list[str] = field(default_factory=list)
    branches_on_training: list[str] = field(default_factory=list)
    other_gradients: list[str] = field(default_factory=list)
    kept_whole: frozenset[str] = frozenset()


class ModuleTracer(fx.Tracer):
    """Traces containers through; everything that has to stay one piece is a leaf."""

    proxy_buffer_attributes = True

    def __init__(
        self, leaf_modules: LeafModules, fixed: Mapping[str, Any], examples: Examples, through: Through | None = None
    ) -> None:
        super().__init__()
        self.through = through
        self.leaf_modules = tuple(leaf_modules)
        self.fixed = fixed
        self.examples = examples
        self.notes: list[str] = []
        self.branched: set[str] = set()
        self.kept_whole: set[str] = set()
        self.other_gradients: list[str] = []
        self._gradients, self._autocast = torch.is_grad_enabled(), _autocast()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if self._asked_for(m, module_qualified_name):
            self.kept_whole.add(module_qualified_name)
            return True
        return super().is_leaf_module(m, module_qualified_name) or self._must_stay_whole(m, module_qualified_name)

    def _asked_for(self, module: nn.Module, path: str) -> bool:
        for leaf in self.leaf_modules:
            if isinstance(leaf, str):
                if fnmatchcase(path, leaf):
                    return True
            elif isinstance(leaf, type):
                if isinstance(module, leaf):
                    return True
            elif leaf is module:
                return True
        return False

    def _must_stay_whole(self, module: nn.Module, path: str) -> bool:
        reason = None
        if any(getattr(module, name, None) for name in CALL_HOOKS):
            reason = "has hooks"
        elif any(getattr(type(module), name) is not getattr(nn.Module, name) for name in SERIALISATION):
            inherited = next(
                (base for base in type(module).__mro__ if base.__module__.startswith("torch.nn")), nn.Module
            )
            if any(getattr(type(module), name) is not getattr(inherited, name) for name in SERIALISATION):
                reason = "has a state_dict of its own"
        elif isinstance(module, torch.jit.ScriptModule):
            reason = "is scripted"
        if reason is not None:
            self.notes.append(f"{path} ({type(module).__name__}) {reason}: it is kept as one opaque piece")
        return reason is not None

    def create_node(self, kind: str, *args: Any, **kwargs: Any) -> fx.Node:
        """A node; the graph does not hold the modes that forward switches, so those that change values are refused."""
        if kind.startswith("call"):
            if _autocast() != self._autocast:
                raise fx.proxy.TraceError("it switches torch.autocast, which a graph does not hold")
            if torch.is_grad_enabled() != self._gradients:
                self.other_gradients.append(current_line())
        return super().create_node(kind, *args, **kwargs)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return TracedValue(node, self)

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, *more: Any, **named: Any) -> fx.Proxy:
        """A traced call; a function that torch.fx was told to keep whole may be traced through instead."""
        if kind == "call_function" and self.through is not None:
            made = self.through.traced(self, target, args, kwargs)
            if made is not None:
                return made
        return super().create_proxy(kind, target, args, kwargs, *more, **named)

    def _proxy_placeholder(self, name: str, concrete_args: Any, sig: inspect.Signature, fn_for_analysis: Any) -> Any:
        """An argument with a fixed value is one placeholder; an assertion sees to it that it has that value."""
        if name not in self.fixed:
            return super()._proxy_placeholder(name, concrete_args, sig, fn_for_analysis)
        value, default = self.fixed[name], sig.parameters[name].default
        kind = fn_for_analysis.__annotations__.get(name)
        given = self.create_proxy("placeholder", name, () if default is sig.empty else (default,), {}, type_expr=kind)
        message = f"{name} was {value!r} when this module was traced, and has to be"
        leaves = pytree.tree_leaves(value)
        if value is None:
            self.create_proxy("call_function", torch.fx._symbolic_trace._assert_is_none, (given, message), {})
        elif all(leaf is None or isinstance(leaf, _PLAIN) for leaf in leaves):
            same = self.create_proxy("call_function", operator.eq, (given, value), {})
            self.create_proxy("call_function", torch._assert, (same, message), {})
        else:
            self.notes.append(f"{name} is not looked at by the materialised module: it was fixed when it was traced")
        return value

    def create_arg(self, a: Any) -> Any:
        if isinstance(a, TrainingFlag):
            target = f"{a.path}.training" if a.path else "training"
            return self.create_node("get_attr", target, (), {})
        return super().create_arg(a)

    def to_bool(self, obj: fx.Proxy) -> bool:
        """A branch. One on ranks, types and sizes is taken as the example takes it, and guarded by an assertion."""
        values = self.examples(obj.node)
        if not values or not all(isinstance(value, bool) and value == values[0] for value in values):
            return bool(super().to_bool(obj))
        decided: bool = values[0]
        if not depends_on_rank_alone(obj.node):
            self.guard(obj if decided else self.create_proxy("call_function", operator.eq, (obj, False), {}))
        return decided

    def guard(self, condition: fx.Proxy) -> None:
        """Let the new module refuse inputs for which what was taken from the example does not hold."""
        message = f"this module was traced for inputs of which {current_line()} makes what it makes of the example"
        self.create_proxy("call_function", torch._assert, (condition, message), {})


def _autocast() -> list[tuple[bool, torch.dtype]]:
    return [(torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in ("cpu", "cuda")]


def trace_program(
    root: nn.Module,
    leaf_modules: LeafModules,
    fixed: Mapping[str, Any],
    examples: Examples,
    through: Through | None = None,
) -> TracedProgram:
    """Trace `root` in the mode that it is in; it is left exactly as it was.

    fixed: values of arguments of forward. examples: what a node gives on the example inputs, and with twice the batch;
    nothing where that is not known. through: traces functions that torch.fx was told to keep whole.

    Raises:
        TraceError: naming the line of the model that cannot be traced.
    """
    tracer = ModuleTracer(leaf_modules, fixed, examples, through)
    before = set(root.__dict__)
    generator = torch.get_rng_state()
    try:
        with (
            training_flags(root, tracer.is_leaf_module, tracer.branched.add),
            watched_assignments(root, tracer.notes),
            answered_isinstance(root),
        ):
            graph = tracer.trace(root)
    except TRACING_ERRORS as error:
        raise TraceError(f"{type(root).__name__} cannot be traced: {failing_line(error)}. {_ADVICE}") from error
    finally:
        left = {name: root.__dict__.pop(name) for name in set(root.__dict__) - before}
        frozen = not torch.equal(generator, torch.get_rng_state())
        torch.set_rng_state(generator)
    if frozen:
        raise TraceError(
            f"{type(root).__name__} draws random numbers that depend on no input (torch.rand, torch.randn ...): "
            f"tracing would freeze them. {_ADVICE}"
        )
    if through is not None:
        through.forget_marks(graph)
    _resolve_annotations(root, graph)
    constants = {name: value for name, value in left.items() if isinstance(value, torch.Tensor)}
    notes, gradients = list(dict.fromkeys(tracer.notes)), list(dict.fromkeys(tracer.other_gradients))
    kept_whole = frozenset(tracer.kept_whole)
    return TracedProgram(graph, constants, notes, sorted(tracer.branched), gradients, kept_whole)


def _resolve_annotations(root: nn.Module, graph: fx.Graph) -> None:
    """Annotations that are text (from __future__ import annotations) become types: torch.jit.script reads them."""
    try:
        hints = typing.get_type_hints(type(root).forward)
    except (NameError, TypeError, AttributeError, SyntaxError):
        hints = {}
    for node in graph.nodes:
        if isinstance(node.type, str):
            node.type = hints.get("return" if node.op == "output" else str(node.target))
