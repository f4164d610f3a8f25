"""Places that are suggested: which, in which order, and what is said where data do not fit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from graphmorph.errors import UsageError
from graphmorph.layer_insertion.suggestions import Suggestion, suggest_places
from graphmorph.onnx_door import load, to_model
from tests.graphmorph.layer_insertion import networks
from tests.graphmorph.layer_insertion.networks import images, samples
from tests.passes.text_models import build


def by_place(found: list[Suggestion]) -> dict[tuple[str, str], Suggestion]:
    return {(one.after, one.before): one for one in found}


def test_every_place_once_the_cheapest_first() -> None:
    found = suggest_places(networks.convolutions())
    assert {one.after for one in found} == {"c", "a", "d", "r", "p", "e", "s", "o", "q"}
    costs = [one.multiply_adds for one in found]
    assert costs == sorted(costs, key=lambda cost: float("inf") if cost is None else cost)
    places = by_place(found)
    a, q = places["a", "d"], places["q", "y"]
    assert (a.kind, a.channels, a.path, a.parameters) == ("convolution", 4, (), 4 * 4 * 9 + 4)
    assert a.multiply_adds == 4 * 4 * 9 * 64
    assert (q.kind, q.channels, q.parameters, q.multiply_adds) == ("dense", 5, 30, 25)
    assert places["r", "e"].path == ("MaxPool",)
    assert places["s", "y"].path == ("GlobalAveragePool", "Flatten")
    assert {one.after for one in found if one.identity} == {"a", "r", "p", "s", "o", "q"}
    assert all(one.explained is None and one.refused is None for one in found)


def test_free_sizes_cost_nobody_knows_what() -> None:
    model = build(networks.CONVOLUTIONS.replace("8,8]", "H,W]"), networks.CONVOLUTIONS_WEIGHTS)
    found = suggest_places(model, kernel=(1, 3))
    assert by_place(found)["a", "d"].multiply_adds is None
    assert by_place(found)["a", "d"].parameters == 4 * 4 * 3 + 4
    assert found[0].after == "q"


def test_data_put_the_places_in_the_order_of_what_is_kept() -> None:
    model = networks.convolutions()
    graph = load(model)
    found = suggest_places(graph, calibration=images(60))
    explained = [one.explained for one in found if one.explained is not None]
    assert len(explained) == len(found) == 9
    assert explained == sorted(explained, reverse=True)
    assert 0 <= min(explained) < max(explained) <= 1
    assert to_model(graph) == to_model(load(model))
    again = suggest_places(model, calibration=images(60))
    assert [one.to_json() for one in again] == [one.to_json() for one in found]
    assert json.loads(json.dumps(found[0].to_json()))["path"] == list(found[0].path)


def test_tokens_and_several_readers() -> None:
    text = """g (float[N,T,4] x) => (float[N,T,3] y, float[N,T,2] z) {
        a = Softplus(x) y = MatMul(a, w1) z = MatMul(a, w2)
    }"""
    found = suggest_places(build(text, {"w1": (4, 3), "w2": (4, 2)}), calibration=samples(9, 5, 4))
    assert {(one.after, one.before, one.kind, one.identity) for one in found} == {
        ("a", "y", "tokens", True),
        ("a", "z", "tokens", True),
    }


def test_a_place_that_cannot_be_tried_says_why() -> None:
    """A window with two axes fits some of the places."""
    text = """g (float[N,3,4,4] x, float[N,4] u) => (float[N,2,4,4] y, float[N,2,3] z, float[N,3] v) {
        y = Conv(x, w1) r = ReduceMean<axes=[3], keepdims=0>(y) a = Relu(r) z = Conv(a, w2) v = Gemm(u, w3)
    }"""
    model = build(text, {"w1": (2, 3, 1, 1), "w2": (2, 2, 2), "w3": (4, 3)}, opset=17)
    data = {"x": samples(9, 3, 4, 4)["x"], "u": samples(9, 4)["x"]}
    found = by_place(suggest_places(model, calibration=data, kernel=(3, 3)))
    reason = found["a", "z"].refused
    assert reason is not None
    assert "which has 1 spatial axes" in reason
    assert found["a", "z"].explained is None


def test_no_places() -> None:
    assert suggest_places(build("g (float[N,3] x) => (float[N,3] y) { y = Relu(x) }")) == []
    grouped = build("g (float[N,4,4,4] x) => (float[N,4,2,2] y) { y = Conv<group=2>(x, w) }", {"w": (4, 2, 3, 3)})
    assert suggest_places(grouped) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("missing.npz", "missing.npz"),
        ({"z": np.zeros((2, 3, 8, 8), np.float32)}, "no array for input x"),
        ({"x": np.zeros((2, 3), np.float32)}, "the input has rank 4"),
        ([], "no sample in"),
    ],
)
def test_data_that_do_not_fit_are_not_the_fault_of_the_places(data: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        suggest_places(networks.convolutions(), calibration=data)  # type: ignore[arg-type]


def test_an_iterator_is_not_enough_for_several_places() -> None:
    def batches() -> Iterator[dict[str, np.ndarray]]:
        yield images(20)

    found = suggest_places(networks.convolutions(), calibration=batches())
    assert sum(one.explained is not None for one in found) == 1
    assert "have to be read more than once" in str(found[-1].refused)


def test_progress_and_files(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    found = suggest_places(networks.saved(tmp_path), progress=lambda *one: seen.append(one))
    assert [one for one in seen if one[0] == "places"] == [("places", n, len(found)) for n in range(len(found))]
