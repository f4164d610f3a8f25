"""NetMorph: the function is kept where there are channels enough, whatever lies between and whatever the border."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from graphmorph.errors import RefusedError
from graphmorph.layer_insertion.morphism import morphed_layer
from graphmorph.layer_insertion.place import place_behind
from graphmorph.layer_insertion.settings import LayerSettings
from graphmorph.runtime import Runtime
from tests.graphmorph.layer_insertion.inserted_text import change_of_outputs, facts_of
from tests.graphmorph.layer_insertion.plain_convolution import convolved, keeping_pads

#: Largest change of an output in float64 that is rounding: the equations are solved to 1e-9.
TOLERANCE = 1e-7


def netmorph(**options: Any) -> LayerSettings:
    return LayerSettings(algorithm="netmorph", **options)


@st.composite
def convolutions(draw: st.DrawFn) -> dict[str, Any]:
    rank = draw(st.integers(1, 3))
    most = {1: 5, 2: 3, 3: 2}[rank]
    sizes = st.lists(st.integers(1, most), min_size=rank, max_size=rank)
    few = st.lists(st.integers(1, 2), min_size=rank, max_size=rank)
    return {
        "kernel": tuple(draw(sizes)),
        "next": tuple(draw(sizes)),
        "dilations": draw(few),
        "strides": draw(few),
        "pads": draw(st.lists(st.integers(0, 2), min_size=2 * rank, max_size=2 * rank)),
        "channels": draw(st.sampled_from([0, 1, 2, 3, 4, 9, 30, 60])),
    }


@settings(max_examples=80)
@given(case=convolutions(), seed=st.integers(0, 99))
def test_two_convolutions_give_what_one_gave(case: dict[str, Any], seed: int, runtime: Runtime) -> None:
    rng, rank, ones = np.random.default_rng(seed), len(case["kernel"]), [1] * len(case["kernel"])
    weight = rng.standard_normal((4, 3, *case["next"]))
    free = ",".join(f"S{i}" for i in range(rank))
    attrs = ", ".join(f"{key} = {case[key]}" for key in ("dilations", "strides", "pads"))
    text = f"g (float[N,3,{free}] x) => (float[N,4,{free.replace('S', 'T')}] y) {{ y = Conv<{attrs}>(x, w) }}"
    facts = facts_of(runtime, text, {"w": weight})
    place = place_behind("x", facts)
    layer = morphed_layer(place, netmorph(channels=case["channels"], seed=seed), case["kernel"], facts)
    channels = case["channels"] or 6
    assert layer.first.weight.shape == (channels, 3, *case["kernel"])
    assert layer.next_bias is None
    assert not layer.first.bias.any()
    np.testing.assert_array_equal(layer.first.linear_share, np.ones(channels))
    second = place.next_layer.weight_of(layer.next_weight)
    x = rng.standard_normal((2, 3, *(s * d + 3 for s, d in zip(case["next"], case["dilations"], strict=True))))
    wanted = convolved(x, weight, case["strides"], case["pads"], case["dilations"])
    between = convolved(x, layer.first.weight, ones, keeping_pads(case["kernel"]), ones)
    given = convolved(between, second, case["strides"], case["pads"], case["dilations"])
    change = float(np.abs(given - wanted).max() / np.abs(wanted).max())
    all_taps = bool(layer.first.weight.all())
    event(f"{'enough' if channels >= 3 else 'few'}, {'all taps' if all_taps else 'middle'}")
    assert bool(layer.notes) == (channels < 3 or not all_taps)
    if channels >= 3:
        assert change < TOLERANCE
    else:
        assert "too few" in layer.notes[-1]
        assert "3 channels would miss nothing" in layer.notes[-1]
        assert change < 1.5


CONV = "g (float[N,3,10,9] x) => (float[N,4,A,B] y) { r = Relu(x) y = Conv<pads=[1,1,1,1]>(r, w) }"


def test_all_taps_start_above_zero_with_channels_enough(runtime: Runtime) -> None:
    facts = facts_of(runtime, CONV, {"w": (4, 3, 3, 3)})
    place = place_behind("r", facts)
    enough, few = (morphed_layer(place, netmorph(channels=count), (3, 3), facts) for count in (17, 16))
    assert enough.notes == ()
    assert enough.first.weight.all()
    assert few.first.weight.reshape(16, 3, 9).any(axis=(0, 1)).tolist() == [False] * 4 + [True] + [False] * 4
    assert few.notes == (
        "only the middle of the new layer's window starts above zero, which keeps the function exactly; with all of "
        "it, at least 17 channels would be needed",
    )
    assert enough.redundant == 17
    assert change_of_outputs(facts, place, enough, (2, 3, 10, 9)) < TOLERANCE


@pytest.mark.parametrize("pads", ["0,2", "2,0", "1,3", "0,0", "9,9"])
@pytest.mark.parametrize("how", ["", "dilations=[2],", "strides=[2],", "strides=[3], dilations=[3],"])
def test_borders_of_all_taps(pads: str, how: str, runtime: Runtime) -> None:
    text = f"g (float[N,3,12] x) => (float[N,4,A] y) {{ y = Conv<{how} pads=[{pads}]>(x, w) }}"
    facts = facts_of(runtime, text, {"w": (4, 3, 3)})
    place = place_behind("x", facts)
    layer = morphed_layer(place, netmorph(channels=14), (4,), facts)
    assert layer.first.weight.all()
    assert change_of_outputs(facts, place, layer, (2, 3, 12)) < TOLERANCE


def test_twice_as_many_channels_as_are_read(runtime: Runtime) -> None:
    facts = facts_of(runtime, CONV, {"w": (4, 3, 3, 3)})
    assert morphed_layer(place_behind("r", facts), netmorph(), (3, 3), facts).first.channels == 6


def test_a_seed_makes_a_layer_and_another_another(runtime: Runtime) -> None:
    facts = facts_of(runtime, CONV, {"w": (4, 3, 3, 3)})
    place = place_behind("r", facts)
    made = [morphed_layer(place, netmorph(channels=20, seed=seed), (3, 3), facts) for seed in (4, 4, 5)]
    np.testing.assert_array_equal(made[0].first.weight, made[1].first.weight)
    np.testing.assert_array_equal(made[0].next_weight, made[1].next_weight)
    assert not np.allclose(made[0].first.weight, made[2].first.weight)


def test_all_taps_miss_less_than_the_middle_where_channels_are_few(runtime: Runtime) -> None:
    """The middle taps alone miss at least what the truncated decomposition does."""
    facts = facts_of(runtime, "g (float[N,6,S] x) => (float[N,8,T] y) { y = Conv(x, w) }", {"w": (8, 6, 3)})
    place = place_behind("x", facts)
    layer = morphed_layer(place, netmorph(channels=3), (3,), facts)
    values = np.linalg.svd(place.next_layer.matrix().reshape(6, -1), compute_uv=False)
    best = float((values[3:] ** 2).sum() / (values**2).sum())
    missed = float(layer.notes[-1].partition("miss ")[2].partition(" of")[0])
    assert 0 < missed < best
    assert "6 channels would miss nothing" in layer.notes[-1]


@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "tanh", "sigmoid", "gelu", "silu"])
@pytest.mark.parametrize("opset", [13, 20])
def test_every_activation_function_starts_as_the_identity(activation: str, opset: int, runtime: Runtime) -> None:
    facts = facts_of(runtime, CONV, {"w": (4, 3, 3, 3)}, opset=opset)
    place = place_behind("r", facts)
    layer = morphed_layer(place, netmorph(activation=activation), (3, 3), facts)
    assert layer.first.activation == activation
    assert change_of_outputs(facts, place, layer, (2, 3, 10, 9)) < TOLERANCE


X = "g (float[N,3,6,4] x) => (float[N,5] y)"
BETWEEN = {
    "flatten": (X, "f = Flatten(x) y = Gemm(f, w, b)", (72, 5), True),
    "transposed": (X, "f = Flatten(x) y = Gemm<transB=1>(f, w, b)", (5, 72), True),
    "reshape": (X, "f = Reshape(x, to) y = MatMul(f, w)", (72, 5), True),
    "dropout": (X, "d = Dropout(x) i = Identity(d) f = Flatten(i) y = Gemm(f, w, b)", (72, 5), True),
    "average": (X, "a = AveragePool<kernel_shape=[2,2]>(x) f = Flatten(a) y = Gemm(f, w)", (45, 5), False),
    "padded": (
        X,
        "a = AveragePool<kernel_shape=[3,3],pads=[1,1,1,1],strides=[2,2]>(x) f = Flatten(a) y = Gemm(f, w)",
        (18, 5),
        False,
    ),
    "global": (X, "a = GlobalAveragePool(x) f = Flatten(a) y = Gemm(f, w, b)", (3, 5), False),
    "mean": (X, "a = ReduceMean<axes=[2,3],keepdims=0>(x) y = Gemm(a, w, b)", (3, 5), False),
    "pooled": (
        "g (float[N,3,6,4] x) => (float[N,5,A,B] y)",
        "a = AveragePool<kernel_shape=[2,2]>(x) y = Conv<pads=[1,1,1,1]>(a, w, b)",
        (5, 3, 2, 2),
        False,
    ),
}


@pytest.mark.parametrize("name", BETWEEN)
@pytest.mark.parametrize("channels", [0, 3, 20])
def test_linear_steps_between(name: str, channels: int, runtime: Runtime) -> None:
    head, body, shape, all_taps = BETWEEN[name]
    weights: dict[str, Any] = {"w": shape, "b": (5,), "to": np.array([0, 72])}
    facts = facts_of(runtime, f"{head} {{ {body} }}", weights)
    place = place_behind("x", facts)
    layer = morphed_layer(place, netmorph(channels=channels), (3, 3), facts)
    assert bool(layer.first.weight.all()) == all_taps
    assert layer.notes == (
        ()
        if all_taps
        else ("only the middle of the new layer's window starts above zero, which keeps the function exactly",)
    )
    assert change_of_outputs(facts, place, layer, (2, 3, 6, 4)) < TOLERANCE


@pytest.mark.parametrize("channels", [0, 6, 7])
@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("g (float[N,6] x) => (float[N,4] y) { y = Gemm(x, w, b) }", (5, 6)),
        ("g (float[N,6] x) => (float[N,4] y) { m = MatMul(x, w) y = Add(m, b) }", (5, 6)),
        ("g (float[N,T,6] x) => (float[N,T,4] y) { m = MatMul(x, w) y = Add(m, b) }", (2, 3, 6)),
        ("g (float[N,T,6] x) => (float[N,T,4] y) { d = Dropout(x) y = MatMul(d, w) }", (2, 3, 6)),
    ],
)
def test_products(text: str, shape: tuple[int, ...], channels: int, runtime: Runtime) -> None:
    facts = facts_of(runtime, text, {"w": (6, 4), "b": (4,)})
    place = place_behind("x", facts)
    layer = morphed_layer(place, netmorph(channels=channels, activation="tanh"), (), facts)
    assert layer.first.weight.shape == (channels or 12, 6)
    assert layer.notes == ()
    assert change_of_outputs(facts, place, layer, shape) < TOLERANCE


def test_a_product_of_low_rank_needs_no_more_channels_than_that(runtime: Runtime) -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((6, 2)) @ rng.standard_normal((2, 4))
    facts = facts_of(runtime, "g (float[N,6] x) => (float[N,4] y) { y = MatMul(x, w) }", {"w": weight})
    place = place_behind("x", facts)
    assert "2 channels would miss nothing" in morphed_layer(place, netmorph(channels=1), (), facts).notes[0]
    layer = morphed_layer(place, netmorph(channels=2), (), facts)
    assert layer.notes == ()
    assert change_of_outputs(facts, place, layer, (5, 6)) < TOLERANCE


@pytest.mark.parametrize("width", [4, 300])
def test_numbers_stay_small_so_that_rounding_to_the_type_of_the_weights_does(width: int, runtime: Runtime) -> None:
    """As many channels as are read is where a drawn matrix is nearly singular."""
    text = f"g (float[N,{width}] x) => (float[N,7] y) {{ y = MatMul(x, w) }}"
    facts = facts_of(runtime, text, {"w": (width, 7)})
    place = place_behind("x", facts)
    layer = morphed_layer(place, netmorph(channels=width), (), facts)
    rounded = layer.first.weight.astype(np.float32).astype(np.float64).T @ layer.next_weight.astype(np.float32)
    old = place.next_layer.matrix()
    assert np.linalg.norm(rounded - old) < 3e-7 * np.linalg.norm(old)


def test_windows_too_long_for_all_taps_start_with_the_middle(runtime: Runtime) -> None:
    facts = facts_of(runtime, "g (float[N,2,S] x) => (float[N,3,T] y) { y = Conv(x, w) }", {"w": (3, 2, 100)})
    place = place_behind("x", facts)
    layer = morphed_layer(place, netmorph(channels=50), (3,), facts)
    assert len(layer.notes) == 1
    assert layer.first.weight.any(axis=(0, 1)).tolist() == [False, True, False]
    assert change_of_outputs(facts, place, layer, (2, 2, 120)) < TOLERANCE


@pytest.mark.parametrize("op", ["MaxPool<kernel_shape=[2,2]>", "Relu", "GlobalMaxPool", "LpPool<kernel_shape=[2,2]>"])
def test_a_step_that_is_not_linear_is_refused(op: str, runtime: Runtime) -> None:
    text = f"g (float[N,3,6,6] x) => (float[N,4,A,B] y) {{ p = {op}(x) y = Conv<pads=[1,1,1,1]>(p, w) }}"
    facts = facts_of(runtime, text, {"w": (4, 3, 2, 2)})
    with pytest.raises(RefusedError, match=r"not linear: insert behind that, after p, or use compnet"):
        morphed_layer(place_behind("x", facts), netmorph(), (3, 3), facts)
    place = place_behind("p", facts)
    layer = morphed_layer(place, netmorph(), (3, 3), facts)
    assert change_of_outputs(facts, place, layer, (2, 3, 6, 6)) < TOLERANCE
