"""`graphmorph.widen`: add channels to the layers of a file, a graph, or a live module."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack, overload

from graphmorph import registry
from graphmorph.graph import Graph
from graphmorph.pipeline import FuseResult, after_clean_up
from graphmorph.rewrite_options import RewriteOptions, settings_from
from graphmorph.rewriting import rewrite_model

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from graphmorph.torch_door.examples import ExampleInputs
    from graphmorph.torch_door.morphed_module import MorphedModule

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto

INSERT = "insert-channels"


@overload
def widen(model: nn.Module, output: ExampleInputs | None = None, **options: Any) -> MorphedModule: ...


@overload
def widen(model: Model, output: str | os.PathLike[str] | None = None, **options: Any) -> FuseResult: ...


def widen(  # type: ignore[misc] # the overloads take any option, which this one then checks
    model: Any,
    output: Any = None,
    *,
    fraction: float = 0.25,
    count: int = 0,
    groups: Iterable[str] = (),
    masters: str | Mapping[str, Sequence[int]] = "largest",
    correlation: str = "copy",
    outgoing: str = "auto",
    noise: float = 0.0,
    seed: int = 0,
    **options: Unpack[RewriteOptions],
) -> FuseResult | MorphedModule:
    """Add channels to layers, with everything that is tied to them, and prove that the function stays what it was.

    Copies share the outgoing weights of their masters (Net2WiderNet); filters that are correlated with their masters
    (AdapNet) are read by zeros, so that training begins where it was. With outgoing="copy", or with noise on copies
    that share weights, outputs are meant to change, and the proof in the report says by how much.

    fraction, count: new units of each group, as a share of its size or as a number. groups: globs on names, as
    `graphmorph.channel_groups` gives them. masters: "largest" (by the l2 norm), "random", or by the name of a group the
    units (indices) that are copied, which then are all that is. correlation to seed: options of the pass
    insert-channels. The rest is as in `fuse`; proof_seed is that of the inputs which are drawn for the proof.

    A torch module, in training mode or not, gives a wider torch module back with `.report`; the original is untouched.
    `graphmorph.training.carry_optimizer` moves an optimizer along.

    Raises:
        ModelFileError: the model cannot be read, or the output cannot be written.
        UsageError: options that contradict each other, or name what is not there.
        TraceError: a torch module that cannot be traced.
        VerificationError: a torch module whose rewrite could not be proven.
    """
    given = {} if isinstance(masters, str) else masters
    chosen = {
        "fraction": fraction,
        "count": count,
        "groups": tuple(groups),
        "masters": masters if isinstance(masters, str) else "largest",
        "units": tuple(f"{name}={unit}" for name, units in given.items() for unit in units),
        "correlation": correlation,
        "outgoing": outgoing,
        "noise": noise,
        "seed": seed,
    }
    insert = registry.create(INSERT, chosen)
    return rewrite_model(model, output, after_clean_up(model, insert), settings_from(options))
