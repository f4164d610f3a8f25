"""Compare what two models take and give, before their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def signature_difference(reference: Mapping[str, Any], candidate: Mapping[str, Any]) -> str | None:
    """The first difference in inputs or outputs, in words; None when they agree.

    Both arguments are answers to the runtime's "open": "inputs", "outputs" and "defaults". A candidate may
    know more about a size than the reference, or less, but never contradict it.
    """
    for kind in ("input", "output"):
        difference = _compare(kind, reference[f"{kind}s"], candidate[f"{kind}s"])
        if difference:
            return difference
    return None


def lost_defaults(reference: Mapping[str, Any], candidate: Mapping[str, Any]) -> list[str]:
    """Inputs with a default value that the candidate no longer lets a caller override."""
    return [name for name in reference["defaults"] if name not in candidate["defaults"]]


def _compare(kind: str, first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> str | None:
    theirs = {value["name"]: value for value in second}
    ours = [value["name"] for value in first]
    for value in first:
        other = theirs.get(value["name"])
        if other is None:
            return f"the candidate lacks {kind} {value['name']}"
        if other["type"] != value["type"]:
            return f"{kind} {value['name']}: {value['type']} became {other['type']}"
        if _contradict(value["shape"], other["shape"]):
            return f"{kind} {value['name']}: declared shape {value['shape']} became {other['shape']}"
    extra = [name for name in theirs if name not in ours]
    if extra:
        return f"only the candidate has {kind} {', '.join(extra)}"
    if kind == "output" and list(theirs) != ours:
        return f"the outputs are in another order: {', '.join(ours)} became {', '.join(theirs)}"
    return None


def _contradict(first: Sequence[Any], second: Sequence[Any]) -> bool:
    if not first or not second:  # onnxruntime gives no sizes for scalars and for unknown ranks alike
        return False
    if len(first) != len(second):
        return True
    return any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in zip(first, second, strict=True))
