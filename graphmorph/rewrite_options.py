"""What a user may say of how a model is rewritten and proven, whatever passes run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypedDict

from graphmorph.errors import UsageError
from graphmorph.manager import Progress
from graphmorph.proof import ProofOptions

if TYPE_CHECKING:
    from graphmorph.torch_door.examples import ExampleInputs
    from graphmorph.torch_door.tracer import LeafModules


class RewriteOptions(TypedDict, total=False):
    """As in `graphmorph.fuse`; proof_seed is that of the inputs which the proof draws."""

    example_inputs: ExampleInputs | None
    leaf_modules: LeafModules
    keep: Iterable[str]
    verify: bool
    inputs: Any
    shapes: Mapping[str, Sequence[int]] | None
    samples: int
    proof_seed: int
    rtol: float | None
    atol: float | None
    providers: Sequence[str]
    custom_ops: Sequence[str]
    labels: Any
    freeze_initializers: bool
    in_place: bool
    progress: Progress | None


@dataclass(frozen=True)
class RewriteSettings:
    """The same, checked, and with what only some jobs take.

    example_inputs, leaf_modules: of live modules, as for `trace`; example_inputs None to try the usual sizes for the
    first layer. freeze_initializers: of ONNX models. in_place: a file is written over; a module may share untouched
    layers with the result, and then counts as consumed.
    """

    proof: ProofOptions = field(default_factory=ProofOptions)
    example_inputs: ExampleInputs | None = None
    leaf_modules: LeafModules = ()
    keep: Iterable[str] = ()
    verify: bool = True
    certify: bool = False
    freeze_initializers: bool = False
    in_place: bool = False
    max_rewrites: int | None = None
    progress: Progress | None = None


def settings_from(options: RewriteOptions) -> RewriteSettings:
    """Settings from the keywords that a user gave.

    Raises:
        UsageError: an option that does not exist, or a value that cannot be.
    """
    unknown = sorted(set(options) - set(RewriteOptions.__annotations__))
    if unknown:
        raise UsageError(
            f"there is no option {', '.join(unknown)}; there are {', '.join(RewriteOptions.__annotations__)}"
        )
    given: dict[str, Any] = {"seed" if name == "proof_seed" else name: value for name, value in options.items()}
    of_the_proof = {one.name for one in fields(ProofOptions)} & set(given)
    proof = ProofOptions(**{name: given.pop(name) for name in of_the_proof})
    return RewriteSettings(proof, **given)
