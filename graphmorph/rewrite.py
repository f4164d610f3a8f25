"""The shape of a rewrite: a read-only `find` that decides legality, and an `apply` that edits through the editor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from graphmorph.editor import Editor
    from graphmorph.facts import Facts
    from graphmorph.graph import Graph

Kind = Literal["exact", "approximate"]

#: Metadata of a field that is for code, not an option that users set.
INTERNAL = {"internal": True}


@dataclass(frozen=True)
class Site:
    """A place where a rewrite is legal.

    `root` names the tensor that the site produces, `claims` every node output that it replaces; two sites whose
    claims meet are not applied in the same round. `data` is whatever `apply` needs, already checked.
    """

    root: str
    claims: frozenset[str]
    summary: str
    data: Any


@dataclass(frozen=True)
class Refusal:
    """A candidate that stays as it is, and the condition that failed."""

    node: str
    op: str
    reason: str


@dataclass(frozen=True)
class Rewrite(ABC):
    """Base of every pass. Options are the frozen dataclass fields of the subclass."""

    name: ClassVar[str]
    #: With the default options. A pass whose options decide sets it on the instance, in `__post_init__`.
    kind: ClassVar[Kind]
    summary: ClassVar[str]
    #: A clean-up changes how a model is written, not its form: alone it does not make a model "not in deploy form".
    cleanup: ClassVar[bool] = False
    #: A pass that grows the model would find its own work again: it finds once.
    grows: ClassVar[bool] = False

    @abstractmethod
    def find(self, graph: Graph, facts: Facts) -> Iterator[Site | Refusal]:
        """Every candidate of `graph`, legal or refused. Must not edit."""

    @abstractmethod
    def apply(self, site: Site, editor: Editor) -> None:
        """Edit one site through `editor`.

        Raises:
            RefusedError: a condition on values failed (say, rounding overflows); nothing was edited.
        """

    @classmethod
    def options(cls) -> dict[str, Any]:
        """Option names and their defaults, from which command line, report and documentation derive."""
        return {option.name: option.default for option in fields(cls) if not option.metadata.get("internal")}
