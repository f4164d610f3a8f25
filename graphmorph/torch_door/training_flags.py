"""`self.training` of what is traced through: a value that the program reads, and a branch that it does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn


class TrainingFlag(int):
    """`self.training` of a traced container: its use as a value is traced, its use in a branch is noted."""

    path: str
    branched: Callable[[str], None]

    def __bool__(self) -> bool:
        self.branched(self.path)
        return int(self) != 0


@contextmanager
def training_flags(
    root: nn.Module, is_leaf: Callable[[nn.Module, str], bool], branched: Callable[[str], None]
) -> Iterator[None]:
    """Let `self.training` of every container that is traced through be traceable, for as long as it takes.

    branched: told the paths of those whose code branches on it.
    """
    containers: dict[str, nn.Module] = {"": root}
    pending = [("", root)]
    while pending:
        prefix, module = pending.pop()
        for name, child in module.named_children():
            path = f"{prefix}.{name}" if prefix else name
            if not is_leaf(child, path):
                containers[path] = child
                pending.append((path, child))
    modes = {path: module.training for path, module in containers.items()}
    try:
        for path, module in containers.items():
            flag = TrainingFlag(modes[path])
            flag.path, flag.branched = path, branched
            module.__dict__["training"] = flag
        yield
    finally:
        for path, module in containers.items():
            module.__dict__["training"] = modes[path]
