"""`graphmorph.merge_channels`: channels that do the same on data become one, in a file, a graph, or a live module."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from graphmorph import registry
from graphmorph.graph import Graph
from graphmorph.pipeline import FuseResult, after_clean_up
from graphmorph.proof.user_data import UserData
from graphmorph.rewrite_options import RewriteOptions, settings_from
from graphmorph.rewriting import rewrite_model

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from graphmorph.torch_door.examples import ExampleInputs
    from graphmorph.torch_door.morphed_module import MorphedModule

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto

MERGE = "merge-channels"


@overload
def merge_channels(model: nn.Module, output: ExampleInputs | None = None, **options: Any) -> MorphedModule: ...


@overload
def merge_channels(model: Model, output: str | os.PathLike[str] | None = None, **options: Any) -> FuseResult: ...


def merge_channels(  # type: ignore[misc] # the overloads take any option, which this one then checks
    model: Any,
    output: Any = None,
    *,
    calibration: UserData,
    factor: float = 2.0,
    threshold: float | None = None,
    distance: float = 0.8,
    bins: int = 32,
    outgoing: Literal["sum", "mean"] = "sum",
    groups: Iterable[str] = (),
    **options: Unpack[RewriteOptions],
) -> FuseResult | MorphedModule:
    """Merge pairs of channels whose activations are alike on calibration data (AdapNet, section 3.2).

    The outputs are meant to change where channels are not equal: the proof in the report says by how much, and is
    "equal" where merged channels are.

    calibration: data that activations are captured on, as `inputs` of `graphmorph.verify`; for a torch module an
    iterable of its example inputs. factor to groups: options of the pass merge-channels. The rest is as in `widen`.

    Raises:
        ModelFileError: the model cannot be read, or the output cannot be written.
        UsageError: options that contradict each other, or data that do not fit.
        TraceError: a torch module that cannot be traced.
    """
    chosen: dict[str, Any] = {
        "factor": factor,
        "threshold": threshold,
        "distance": distance,
        "bins": bins,
        "outgoing": outgoing,
        "groups": tuple(groups),
        "data": calibration,
    }
    merge = registry.load(MERGE)(**chosen)
    return rewrite_model(model, output, after_clean_up(model, merge), settings_from(options))
