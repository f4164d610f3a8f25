"""Random small models: whatever is claimed holds in onnxruntime."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graphmorph.channels.values.oracle import check
from tests.graphmorph.channels.values.planted import planted
from tests.passes.text_models import Weight, norm

#: Steps that keep (N, 6, 8, 8); {a} and {b} are tensors made before.
STEPS = (
    "Relu({a})",
    "Sigmoid({a})",
    "HardSwish({a})",
    "Neg({a})",
    "Erf({a})",
    "LeakyRelu<alpha=0.1>({a})",
    "PRelu({a}, slope)",
    "Clip({a}, lo, hi)",
    "Add({a}, {b})",
    "Sub({a}, {b})",
    "Mul({a}, {b})",
    "Max({a}, {b})",
    "Add({a}, vector)",
    "Mul(vector, {a})",
    "Mul({a}, plane)",
    "Where(mask, {a}, {b})",
    "Conv<pads=[1,1,1,1]>({a}, w3, bias)",
    "Conv({a}, w1, bias)",
    "Conv<group=6, pads=[1,1,1,1]>({a}, wd)",
    "Conv<group=2>({a}, wg)",
    "ConvTranspose({a}, wt)",
    "BatchNormalization({a}, s, b, m, v)",
    "InstanceNormalization({a}, s, b)",
    "Softmax<axis=1>({a})",
    "Softmax<axis=3>({a})",
    "MaxPool<kernel_shape=[3,3], pads=[1,1,1,1]>({a})",
    "AveragePool<kernel_shape=[3,3], pads=[1,1,1,1]>({a})",
    "AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1>({a})",
    "Gather<axis=1>({a}, order)",
    "Transpose<perm=[0,1,3,2]>({a})",
    "MatMul({a}, {b})",
    "MatMul({a}, square)",
    "MatMul(square, {a})",
    'Einsum<equation="bcij,bcjk->bcik">({a}, {b})',
    'Einsum<equation="bcij,bcij->bcji">({a}, {b})',
    'Einsum<equation="bcij,bdjk->bdki">({a}, {b})',
)
#: Steps of several nodes; {o} is the tensor that they make.
PATHS = (
    "{o}1 = GlobalAveragePool({a}) {o}2 = Conv({o}1, w1) {o}3 = Sigmoid({o}2) {o} = Mul({o}3, {b})",
    "{o}1 = Reshape({a}, split) {o}2 = Transpose<perm=[0,2,1,3,4]>({o}1) {o} = Reshape({o}2, merge)",
    "{o}1 = Reshape({a}, tokens) {o}2 = Transpose<perm=[0,2,1]>({o}1) {o}3 = MatMul({o}2, dense)"
    " {o}4 = LayerNormalization({o}3, s, b) {o}5 = Transpose<perm=[0,2,1]>({o}4) {o} = Reshape({o}5, merge)",
    "{o}1, {o}2 = Split<axis=1>({a}, halves) {o} = Concat<axis=1>({o}2, {o}1)",
    "{o}1 = Concat<axis=1>({a}, {b}) {o} = Conv({o}1, wide)",
    "{o}1 = Flatten({a}) {o}2 = Relu({o}1) {o} = Reshape({o}2, merge)",
    "{o}1 = ReduceMean<axes=[1]>({a}) {o}2 = Sub({a}, {o}1) {o} = Mul({o}2, {o}2)",
    '{o}1 = Resize<mode="linear">({a}, , double) {o} = MaxPool<kernel_shape=[2,2], strides=[2,2]>({o}1)',
    "{o}1 = Pad({a}, pads) {o} = Conv({o}1, w3)",
    "{o}1 = SpaceToDepth<blocksize=2>({a}) {o} = DepthToSpace<blocksize=2>({o}1)",
    "{o}1 = Softmax<axis=3>({a}) {o}2 = Mul({b}, {o}1) {o}3 = ReduceSum({o}2, last) {o} = Add({o}3, {a})",
    '{o}1 = Softmax<axis=2>({a}) {o} = Einsum<equation="bcij,bcik->bcjk">({o}1, {b})',
    "{o}1 = Reshape({a}, split) {o}2 = Softmax<axis=1>({o}1) {o} = Reshape({o}2, merge)",
    "{o}1 = Reshape({a}, split) {o}2 = ReduceSum({o}1, first) {o}3 = Mul({o}1, {o}2) {o} = Reshape({o}3, merge)",
    "{o}1 = Reshape({a}, split) {o}2 = ReduceMax<axes=[1]>({o}1) {o}3 = Sub({o}1, {o}2) {o} = Reshape({o}3, merge)",
    "{o}1 = Reshape({a}, split) {o}2 = MatMul(square, {o}1) {o}3 = MatMul({o}2, square) {o} = Reshape({o}3, merge)",
    "{o}1 = Reshape({a}, halved) {o}2 = Transpose<perm=[0,1,3,2]>({o}1) {o}3 = MatMul({o}2, third)"
    " {o}4 = Transpose<perm=[0,1,3,2]>({o}3) {o} = Reshape({o}4, merge)",
    "{o}1 = Transpose<perm=[1,0,2,3]>({a}) {o}2 = Transpose<perm=[1,0,2,3]>({b}) {o}3 = Gather({o}2, some)"
    " {o}4 = ScatterND({o}1, places, {o}3) {o} = Transpose<perm=[1,0,2,3]>({o}4)",
    "{o}1 = Transpose<perm=[3,1,2,0]>({a}) {o}2 = Transpose<perm=[3,1,2,0]>({b}) {o}3 = Gather({o}2, some)"
    " {o}4 = ScatterND({o}1, places, {o}3) {o} = Transpose<perm=[3,1,2,0]>({o}4)",
    "{o}1 = Reshape({a}, groups) {o}2 = InstanceNormalization({o}1, one, zero) {o} = Reshape({o}2, merge)",
)


def weights(seed: int) -> dict[str, Weight]:
    """Weights with few different rows, many zeros and many equal signs, so that there is something to claim."""
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> np.ndarray:
        found = 0.5 * rng.standard_normal(shape)
        found[rng.random(shape[0]) < 0.2] = 0
        for row in np.flatnonzero(rng.random(shape[0]) < 0.3):
            found[row] = found[rng.integers(shape[0])]
        for row in np.flatnonzero(rng.random(shape[0]) < 0.3):
            found[row] = -np.abs(found[row])
        found[:, rng.random(shape[1]) < 0.2] = 0
        return found

    def vector(*values: float) -> np.ndarray:
        return rng.choice(np.array(values), 6)

    found: dict[str, Weight] = {
        **norm(6),
        "s": vector(0.0, 1.0, 1.0, -1.0),
        "b": vector(0.0, 0.0, 0.5, -0.5),
        "m": vector(0.0, 0.0, 0.25),
        "v": vector(1.0, 1.0, 0.5),
        "bias": vector(0.0, 0.0, -0.5, 0.5),
        "slope": vector(0.0, 0.25, 0.25).reshape(6, 1, 1),
        "vector": vector(0.0, 1.0, 0.5).reshape(6, 1, 1),
        "plane": rng.choice([0.0, 1.0], (8, 8)),
        "mask": rng.choice([True, False], (6, 1, 1)),
        "lo": np.array(-0.5),
        "hi": np.array(1.0),
        "w3": some(6, 6, 3, 3),
        "w1": some(6, 6, 1, 1),
        "wd": some(6, 1, 3, 3),
        "wg": some(6, 3, 1, 1),
        "wt": some(6, 6, 1, 1),
        "wide": some(6, 12, 1, 1),
        "dense": some(6, 6),
        "square": some(8, 8),
        "order": rng.integers(0, 6, 6),
        "halves": np.array([2, 4]),
        "split": np.array([0, 2, 3, 8, 8]),
        "merge": np.array([0, 6, 8, 8]),
        "tokens": np.array([0, 6, -1]),
        "groups": np.array([0, 2, -1]),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "double": np.array([1, 1, 2, 2], np.float32),
        "one": np.ones(2),
        "first": np.array([1]),
        "last": np.array([-1]),
        "halved": np.array([0, 2, 3, 64]),
        "third": some(3, 3),
        "some": np.array([4, 1]),
        "places": np.array([[2], [4]]),
        "zero": np.zeros(2),
    }
    return found


@st.composite
def chains(draw: st.DrawFn) -> str:
    """Up to nine steps, each on tensors made before."""
    made = ["t", "p"]
    text = []
    for index in range(draw(st.integers(2, 9))):
        step = draw(st.sampled_from(STEPS + PATHS))
        chosen = {"a": draw(st.sampled_from(made)), "b": draw(st.sampled_from(made)), "o": f"n{index}"}
        text.append(step.format(**chosen) if " = " in step else f"n{index} = {step.format(**chosen)}")
        made.append(f"n{index}")
    return " ".join(text)


@settings(max_examples=60)
@given(text=chains(), seed=st.integers(0, 1000))
def test_every_claim_holds(text: str, seed: int) -> None:
    check(planted(text, weights(seed)), seed=seed, kinds=("usual", "positive", "zero"))
