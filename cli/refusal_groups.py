"""Refusals grouped by reason: fifty sites with one reason are one line of the report."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphmorph.report import RefusalReport

QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
NUMBERED = re.compile(r"\S*\d\S*")


@dataclass(frozen=True)
class RefusalGroup:
    """Refusals of one pass whose reasons differ in names and numbers at most; `reason` is the first's."""

    pass_name: str
    reason: str
    refusals: list[RefusalReport]


def group_refusals(refusals: list[RefusalReport]) -> list[RefusalGroup]:
    """Groups, the largest first; equal sizes in the order of the report."""
    groups: dict[tuple[str, str], list[RefusalReport]] = {}
    for refusal in refusals:
        groups.setdefault((refusal.pass_name, pattern(refusal.reason, refusal.node)), []).append(refusal)
    found = [RefusalGroup(members[0].pass_name, members[0].reason, members) for members in groups.values()]
    return sorted(found, key=lambda group: -len(group.refusals))


def pattern(reason: str, node: str) -> str:
    """A reason without what is particular to its site: the node's name, quoted names, words with digits."""
    reason = reason.replace(node, "*") if node else reason
    return NUMBERED.sub("*", QUOTED.sub("*", reason))
