"""Any square convolution, any block: the outputs stay, every branch counts, and fusing gives the convolution back."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import onnx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphmorph.manager import PassManager
from graphmorph.onnx_door import load, to_model
from graphmorph.passes.expand_branches import ExpandBranches
from graphmorph.pipeline import passes_for
from graphmorph.runtime import Runtime
from tests.passes.expandable import Convolution, convolutions, expand, passes
from tests.passes.text_models import build, initializers, norm
from tests.regions.check import check_model

SETTINGS = settings(
    max_examples=35,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def fused(model: onnx.ModelProto, runtime: Runtime) -> onnx.ModelProto:
    graph = load(model)
    PassManager(passes_for(), runtime=runtime).run(graph)
    return to_model(graph)


def arrays(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {name: onnx.numpy_helper.to_array(tensor).astype(np.float64) for name, tensor in initializers(model).items()}


def kernel_and_bias(model: onnx.ModelProto) -> tuple[np.ndarray, np.ndarray]:
    """Of the one node that a model consists of."""
    (node,) = model.graph.node
    assert node.op_type == "Conv"
    held = arrays(model)
    kernel = held[node.input[1]]
    return kernel, held[node.input[2]] if len(node.input) > 2 else np.zeros(len(kernel))


def has_no_block(convolution: Convolution, rewrite: ExpandBranches) -> bool:
    """Whether options and kernel leave nothing to add."""
    return rewrite.asymmetric_size > convolution.size


@SETTINGS
@given(convolutions(), passes())
def test_the_outputs_stay_and_fusing_gives_the_kernel_back(
    runtime: Runtime, convolution: Convolution, rewrite: ExpandBranches
) -> None:
    expanded, result = expand(convolution.model, rewrite, runtime, certify=True)
    (report,) = result.passes
    assert bool(report.rewrites) != has_no_block(convolution, rewrite)
    if not report.rewrites:
        return
    certificate = report.rewrites[0].certificate
    assert certificate is not None
    assert certificate.verdict == "equal", certificate.reason
    onnx.checker.check_model(expanded, full_check=True)
    assert check_model(convolution.model, lambda _: load(expanded), convolution.feeds).compared > 0
    wanted, got = (kernel_and_bias(fused(model, runtime)) for model in (convolution.model, expanded))
    size = np.sqrt(np.mean(wanted[0] ** 2, axis=(1, 2, 3), keepdims=True))
    assert got[0].shape == wanted[0].shape
    assert np.all(np.abs(got[0] - wanted[0]) <= 16 * np.finfo(np.float32).eps * (size + np.abs(wanted[0])))


@SETTINGS
@given(convolutions(), passes("fresh"))
def test_fresh_branches_fuse_back_too(runtime: Runtime, convolution: Convolution, rewrite: ExpandBranches) -> None:
    expanded, result = expand(convolution.model, rewrite, runtime)
    if not result.passes[0].rewrites:
        return
    onnx.checker.check_model(expanded, full_check=True)
    outcome = check_model(expanded, lambda _: load(fused(expanded, runtime)), convolution.feeds)
    assert outcome.nodes_after == ("Conv",)


def parts(expanded: onnx.ModelProto, size: int) -> dict[str, np.ndarray]:
    """By convolution, its weights on the taps of the square, (out, in/groups, k, k), times the scale of its BN."""
    held, found = arrays(expanded), {}
    for node in expanded.graph.node:
        if node.op_type != "Conv":
            continue
        kernel = held[node.input[1]]
        square, row, column = np.zeros((*kernel.shape[:2], size, size)), *(size - n for n in kernel.shape[2:])
        square[:, :, row // 2 : size - row // 2, column // 2 : size - column // 2] = kernel
        norm = next((n for n in expanded.graph.node if n.op_type[:5] == "Batch" and n.input[0] == node.output[0]), None)
        if norm is not None:
            gamma, variance = held[norm.input[1]], held[norm.input[4]]
            square *= (gamma / np.sqrt(variance + norm.attribute[0].f)).reshape(-1, 1, 1, 1)
        found[node.name] = square
    return found


@SETTINGS
@given(
    st.sampled_from(["acb", "repvgg", "mobileone"]),
    st.sampled_from([3, 5]),
    st.sampled_from([1, 4]),
    st.sampled_from(["branch", "none"]),
    st.integers(0, 2**16),
)
def test_no_branch_is_small_and_no_two_are_alike(
    runtime: Runtime, block: str, size: int, groups: int, normalise: str, seed: int
) -> None:
    convolution = wide(size, groups, seed)
    rewrite = ExpandBranches(block=block, normalise=normalise, seed=seed)  # type: ignore[arg-type]
    expanded, _ = expand(convolution, rewrite, runtime)
    found = parts(expanded, size)
    assert len(found) == {"acb": 3, "repvgg": 2, "mobileone": 4}[block]
    held = arrays(convolution)
    scale = held["s"] / np.sqrt(held["v"] + 1e-5) if normalise == "branch" else np.ones(8)
    whole = np.linalg.norm(held["w"] * scale.reshape(-1, 1, 1, 1))
    for name, part in found.items():
        fair = np.sqrt(np.count_nonzero(np.any(part, axis=(0, 1))) / size**2)
        assert 0.6 * fair * whole < np.linalg.norm(part) < 2.5 * whole, name
    for (one, first), (other, second) in combinations(found.items(), 2):
        assert abs(np.sum(first * second)) < 0.9 * np.linalg.norm(first) * np.linalg.norm(second), (one, other)


def wide(size: int, groups: int, seed: int) -> onnx.ModelProto:
    """A trained layer of 8 filters: a kernel with a mean, so that its taps are alike."""
    rng = np.random.default_rng(seed)
    half = size // 2
    text = f"""g (float[N,8,H,W] x) => (float[N,8,H,W] y) {{
        c = Conv<pads=[{half},{half},{half},{half}], group={groups}>(x, w)
        y = BatchNormalization<epsilon=0.00001>(c, s, b, m, v)
    }}"""
    return build(text, {"w": 0.1 * rng.standard_normal((8, 8 // groups, size, size)) + 0.05, **norm(8)})
