"""What a user may say of how a model is rewritten and proven, whatever passes run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from graphmorph.errors import UsageError
from graphmorph.manager import Progress
from graphmorph.pipeline import DEFAULT_PROVIDERS, FuseResult, rewrite_model
from graphmorph.proof import ProofOptions
from graphmorph.rewrite import Rewrite

if TYPE_CHECKING:
    from graphmorph.torch_door.examples import ExampleInputs
    from graphmorph.torch_door.morphed_module import MorphedModule
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


def rewritten(
    model: Any, output: Any, passes: Sequence[Rewrite], options: RewriteOptions
) -> FuseResult | MorphedModule:
    """A file, a graph or a module after some passes, proven.

    Raises:
        UsageError: an option that does not exist, or that contradicts another.
    """
    unknown = sorted(set(options) - set(RewriteOptions.__annotations__))
    if unknown:
        raise UsageError(
            f"there is no option {', '.join(unknown)}; there are {', '.join(RewriteOptions.__annotations__)}"
        )
    proof = ProofOptions(
        inputs=options.get("inputs"),
        shapes=options.get("shapes"),
        samples=options.get("samples", 1),
        seed=options.get("proof_seed", 0),
        rtol=options.get("rtol"),
        atol=options.get("atol"),
        providers=options.get("providers", DEFAULT_PROVIDERS),
        custom_ops=options.get("custom_ops", ()),
        labels=options.get("labels"),
    )
    return rewrite_model(
        model,
        output,
        passes,
        proof,
        example_inputs=options.get("example_inputs"),
        leaf_modules=options.get("leaf_modules", ()),
        keep=options.get("keep", ()),
        verify=options.get("verify", True),
        certify=False,
        freeze_initializers=options.get("freeze_initializers", False),
        in_place=options.get("in_place", False),
        max_rewrites=None,
        progress=options.get("progress"),
    )
