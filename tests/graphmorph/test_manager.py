"""The loop of find and apply: what it counts, what it leaves out on request, and what it writes down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from graphmorph.editor import Editor
from graphmorph.errors import RefusedError
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.journal import Slice
from graphmorph.manager import PassManager
from graphmorph.onnx_door import load
from graphmorph.pipeline import passes_for
from graphmorph.rewrite import Kind, Refusal, Rewrite, Site
from graphmorph.runtime import Runtime
from tests.passes.text_models import assert_untouched, build, norm, run

MODEL = build(
    """g (float[N,4,8,8] x) => (float[N,4,8,8] y) {
        c = Conv<pads=[1,1,1,1]>(x, w)
        d = BatchNormalization(c, s, b, m, v)
        r = Relu(d)
        e = Conv<pads=[1,1,1,1]>(r, w)
        f = BatchNormalization(e, s, b, m, v)
        q = Conv(r, u)
        y = Add(f, q)
    }""",
    {"w": (4, 4, 3, 3), "u": (4, 4, 1, 1), **norm(4)},
)
for one in MODEL.graph.node:
    one.name = f"stage{1 if one.output[0] in 'cdr' else 2}/{one.op_type}_{one.output[0]}"


@dataclass(frozen=True)
class Twins(Rewrite):
    """Turn each Relu into a Tanh, offering each site twice; or refuse when it comes to it."""

    name: ClassVar[str] = "twins"
    kind: ClassVar[Kind] = "exact"
    summary: ClassVar[str] = "for tests"
    refuse: bool = False

    def find(self, graph: Graph, facts: Facts) -> Iterator[Site | Refusal]:
        for node in facts.order:
            if node.op == "Relu":
                site = Site(node.outputs[0].name, frozenset((node.outputs[0].name,)), "Relu -> Tanh", node)
                yield from (site, site)

    def apply(self, site: Site, editor: Editor) -> None:
        node = site.data
        editor.node("Tanh", node.name, [node.inputs[0]], editor.root_stand_in(node.outputs[0]), in_place_of=node)
        editor.remove([node])
        if self.refuse:
            raise RefusedError("a value is too large")


@dataclass(frozen=True)
class Thinner(Rewrite):
    """Take the first channel of every batch normalisation's scale away, in place. (Nothing could run the result.)"""

    name: ClassVar[str] = "thinner"
    kind: ClassVar[Kind] = "approximate"
    summary: ClassVar[str] = "for tests"

    def find(self, graph: Graph, facts: Facts) -> Iterator[Site | Refusal]:
        node = facts.producer["d"]
        yield Site("d", frozenset("d"), "thinner", node)

    def apply(self, site: Site, editor: Editor) -> None:
        node = site.data
        editor.reread(node, 1, editor.sliced(node.inputs[1], [Slice(0, (1, 2, 3))]))


def test_nodes_that_are_edited_in_place_are_counted(runtime: Runtime) -> None:
    result = PassManager([Thinner()], runtime=runtime).run(load(MODEL))
    report = result.passes[0].rewrites[0]
    assert (report.parameters_before, report.parameters_after) == (16, 15)
    assert (result.journal.nodes_removed, result.journal.nodes_added, result.journal.nodes_changed) == (0, 0, 1)


def test_every_rewrite_is_counted_and_reported(runtime: Runtime) -> None:
    ran = run(MODEL, runtime, certify=True)
    assert ran.ops == {"Conv": 2, "Relu": 1}
    assert ran.result.applied == [("fuse-branches", "y"), ("fold-batchnorm", "d")]
    assert [(one.name, one.kind, one.cleanup, len(one.rewrites)) for one in ran.result.passes] == [
        ("fold-constants", "exact", True, 0),
        ("fuse-branches", "exact", False, 1),
        ("fold-batchnorm", "exact", False, 1),
    ]
    branches = ran.result.passes[1].rewrites[0]
    assert branches.nodes_before == [f"stage2/{name}" for name in ("Conv_e", "BatchNormalization_f", "Conv_q", "Add_y")]
    assert branches.nodes_after == ["stage2/Conv_e"]
    assert (branches.parameters_before, branches.parameters_after) == (176, 148)
    assert (branches.macs_before, branches.macs_after) == (160.0, 144.0)
    assert branches.certificate is not None
    assert branches.certificate.verdict == "equal"
    assert (ran.result.before.nodes, ran.result.after.nodes) == (7, 3)


def test_without_an_edit_before_and_after_are_one(runtime: Runtime) -> None:
    result = PassManager([], runtime=runtime).run(load(MODEL))
    assert not result.journal.modified
    assert result.before == result.after


@pytest.mark.parametrize(
    ("keep", "applied"),
    [
        (("stage1/*",), ["y"]),
        (("stage2/BatchNormalization_f",), ["d"]),
        (("d",), ["y"]),
        (("*",), []),
        (("nothing",), ["y", "d"]),
    ],
)
def test_nodes_kept_by_name_or_by_output_are_left_alone_and_named(
    runtime: Runtime, keep: tuple[str, ...], applied: list[str]
) -> None:
    ran = run(MODEL, runtime, keep=keep)
    assert [root for _, root in ran.result.applied] == applied
    if "stage1/*" in keep:
        assert ran.refusals == {"stage1/BatchNormalization_d": "stage1/BatchNormalization_d is kept as asked"}
        assert ran.after.graph.node[:3] == MODEL.graph.node[:3]
    if "*" in keep:
        assert_untouched(ran)


@pytest.mark.parametrize(("most", "applied"), [(0, []), (1, ["y"]), (2, ["y", "d"]), (9, ["y", "d"])])
def test_it_stops_after_so_many_rewrites(runtime: Runtime, most: int, applied: list[str]) -> None:
    ran = run(MODEL, runtime, max_rewrites=most)
    assert [root for _, root in ran.result.applied] == applied
    assert (f"stopped after {most} rewrites, as asked" in ran.refusals.values()) == (most < 2)


def test_sites_are_left_out_to_roll_them_back(runtime: Runtime) -> None:
    ran = run(MODEL, runtime, without=[("fold-batchnorm", "d")])
    assert [root for _, root in ran.result.applied] == ["y"]
    assert ran.refusals == {"d": "rolled back: the proof failed with it"}
    assert ran.after.graph.node[:3] == MODEL.graph.node[:3]


def test_overlapping_sites_are_applied_once(runtime: Runtime) -> None:
    result = PassManager([Twins()], runtime=runtime).run(load(MODEL))
    assert [rewrite.root for rewrite in result.passes[0].rewrites] == ["r"]
    assert (result.journal.nodes_removed, result.journal.nodes_added) == (1, 1)
    assert result.passes[0].rounds == 2


def test_a_condition_that_fails_late_leaves_everything_in_place(runtime: Runtime) -> None:
    graph = load(MODEL)
    result = PassManager([Twins(refuse=True)], runtime=runtime).run(graph)
    assert not result.journal.modified
    assert [node.op for node in graph.nodes] == [node.op_type for node in MODEL.graph.node]
    assert [(r.node, r.op, r.reason) for r in result.passes[0].refusals] == [("r", "Relu", "a value is too large")]


def test_progress_is_told(runtime: Runtime) -> None:
    told: list[tuple[str, int, int]] = []
    run(MODEL, runtime, progress=lambda what, done, total: told.append((what, done, total)))
    assert ("fuse-branches", 0, 1) in told
    assert ("fold-batchnorm", 0, 1) in told


def test_it_starts_a_child_process_of_its_own_where_it_is_given_none() -> None:
    result = PassManager(passes_for(only=["fold-batchnorm"])).run(load(MODEL))
    assert sorted(result.applied) == [("fold-batchnorm", "d"), ("fold-batchnorm", "f")]
