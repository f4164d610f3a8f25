"""New constants of a rearrangement: planned for every use, then made: what is shared stays shared, names stay."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.editor import Editor
from graphmorph.facts import Reader
from graphmorph.journal import Slice


@dataclass(frozen=True, eq=False)
class Values:
    """What a constant holds afterwards, in its new sizes and before it is rounded."""

    exact: NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """Some entries of a constant; values: what they are, where they are not what they were."""

    slices: tuple[Slice, ...]
    values: Values | None = None

    def make(self, editor: Editor, name: str, *, takes_over: bool) -> gs.Constant:
        """The new constant of the constant called `name`."""
        exact = self.values.exact if self.values is not None else None
        return editor.sliced(editor.facts.tensors[name], self.slices, exact, takes_over=takes_over)


@dataclass(frozen=True)
class Integers:
    """Other sizes or indices in place of a constant."""

    dtype: str
    shape: tuple[int, ...]
    values: tuple[int, ...]

    @classmethod
    def of(cls, array: NDArray[Any]) -> Integers:
        return cls(array.dtype.name, array.shape, tuple(array.reshape(-1).tolist()))

    def make(self, editor: Editor, name: str, *, takes_over: bool) -> gs.Constant:
        """The new constant of the constant called `name`."""
        array = np.array(self.values, dtype=self.dtype).reshape(self.shape)
        return editor.values(name, array, (name,), takes_over=takes_over)


@dataclass
class NewConstants:
    """By the name of the old constant and by what becomes of it: the uses that read the new one."""

    wanted: dict[str, dict[Part | Integers, list[Reader]]] = field(default_factory=lambda: defaultdict(dict))
    planned: set[tuple[int, int]] = field(default_factory=set)

    def want(self, node: gs.Node, index: int, new: Part | Integers) -> None:
        """Let `node.inputs[index]` be something new of the constant that it is; the first wish for a use counts."""
        if (id(node), index) in self.planned:
            return
        self.planned.add((id(node), index))
        self.wanted[node.inputs[index].name].setdefault(new, []).append(Reader(node, index))

    def make(self, editor: Editor) -> None:
        """Make one constant after the other. The last of a name has it where nobody reads the old one any more."""
        for name, wishes in self.wanted.items():
            facts = editor.facts
            left = any((id(use.node), use.index) not in self.planned for use in facts.readers[name])
            gone = not left and not facts.is_pinned(name)
            for number, (new, uses) in enumerate(wishes.items(), 1):
                constant = new.make(editor, name, takes_over=gone and number == len(wishes))
                for use in uses:
                    editor.reread(use.node, use.index, constant)
