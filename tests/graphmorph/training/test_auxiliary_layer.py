"""A network on digits, pruned, given a layer, pruned again, and freed of dead neurons: all by the user's own loop."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn, optim

import graphmorph
from graphmorph.errors import RefusedError, UsageError
from graphmorph.training import (
    AdaptivePruning,
    MagnitudeMasks,
    StaticPruning,
    insert_auxiliary_layer,
    remove_dead_neurons,
    sparse_report,
)
from graphmorph.training.auxiliary_layer import Start
from tests.graphmorph.training.digits_mlp import accuracy, digits, network, train

IMAGES = digits()[0]


def pruned(rate: float = 0.5, dtype: torch.dtype = torch.float32) -> MagnitudeMasks:
    module = network().to(dtype)
    optimizer = optim.Adam(module.parameters(), 0.01)
    train(module, optimizer, 12)
    masks = MagnitudeMasks(module, optimizer)
    masks.prune(rate)
    return masks


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {path: tuple(p.shape) for path, p in module.named_parameters() if p.dim() > 1}


def is_clean(module: nn.Module) -> bool:
    """No hooks, no parametrizations, no buffers of ours."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return (
        not any(getattr(layer, name) for layer in module.modules() for name in hooks)
        and not any(nn.utils.parametrize.is_parametrized(layer) for layer in module.modules())
        and not any(p._backward_hooks for p in module.parameters())
        and not list(module.buffers())
    )


def test_the_whole_way(tmp_path: Path) -> None:
    module = network()
    optimizer = optim.AdamW(module.parameters(), 0.01, weight_decay=1e-3)
    train(module, optimizer, 12)
    base = accuracy(module) - 0.01
    masks = MagnitudeMasks(module, optimizer)
    for step in AdaptivePruning(masks, accuracy, base_accuracy=base, threshold=0.05, max_steps=4):
        train(masks.module, optimizer, 4, seed=step.number)
    first = masks.remaining
    assert first < 0.6 * masks.total
    insert_auxiliary_layer(masks, IMAGES[:4], after="3", neurons=14)
    assert masks.remaining > first
    train(masks.module, optimizer, 10, seed=50)
    for step in AdaptivePruning(masks, accuracy, base_accuracy=base, threshold=0.05, max_steps=6):
        train(masks.module, optimizer, 4, seed=step.number)
    assert accuracy(masks.module) >= base
    before = sparse_report(masks, IMAGES[:2])
    sparse = masks.module
    small = remove_dead_neurons(masks, IMAGES[:4])
    after = sparse_report(masks, IMAGES[:2])
    assert after.remaining <= before.remaining
    assert all(layer.fed == layer.neurons for layer in after.layers if layer.path != "6.weight")
    assert after.neurons < before.neurons
    torch.testing.assert_close(small(IMAGES), sparse(IMAGES), rtol=1e-4, atol=1e-5)
    masks.release()
    assert is_clean(small)
    assert not optimizer._optimizer_step_post_hooks
    copied = copy.deepcopy(small)
    graphmorph.export(small.eval(), tmp_path / "small.onnx", example_inputs=IMAGES[:2])
    fused = graphmorph.fuse(copied, example_inputs=IMAGES[:2])
    torch.testing.assert_close(fused(IMAGES), small(IMAGES), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("start", ["random", "compnet", "identity"])
def test_layers_and_masks_after_insertion(start: Start) -> None:
    masks = pruned()
    before, old = masks.module, {path: kept.clone() for path, kept in masks.kept.items()}
    state = masks.optimizer.state[before.get_parameter("0.weight")]["exp_avg"].clone()
    options: dict[str, Any] = {"neurons": 8}
    if start == "compnet":
        options["calibration"] = [IMAGES[:500]]
    if start == "identity":
        options = {}
    deeper = insert_auxiliary_layer(masks, IMAGES[:4], after="3", start=start, **options)
    width = 16 if start == "identity" else 8
    assert shapes(deeper) == {
        "0.weight": (24, 64),
        "2.weight": (16, 24),
        "3_inserted.weight": (width, 16),
        "4.weight": (12, width),
        "6.weight": (10, 12),
    }
    for path in ("0.weight", "2.weight", "6.weight"):
        assert torch.equal(masks.kept[path], old[path])
    assert masks.kept["3_inserted.weight"].all()
    assert torch.equal(masks.kept["4.weight"], old["4.weight"]) if start == "identity" else masks.kept["4.weight"].all()
    assert torch.equal(masks.optimizer.state[deeper.get_parameter("0.weight")]["exp_avg"], state)
    with torch.no_grad():
        difference = float((deeper(IMAGES) - before(IMAGES)).norm() / before(IMAGES).norm())
    assert difference < {"identity": 1e-5, "compnet": 0.5, "random": 10}[start]
    assert difference > 0.1 or start != "random"
    train(deeper, masks.optimizer, 6)
    assert all((weight[~masks.kept[path]] == 0).all() for path, weight in masks.weights.items())
    assert int((deeper.get_parameter("3_inserted.weight") != 0).sum()) > 5 * width
    assert accuracy(deeper) > 0.8


def test_the_seed_draws_the_layer() -> None:
    made = [insert_auxiliary_layer(pruned(), IMAGES[:4], after="1", neurons=5, seed=seed) for seed in (0, 0, 1)]
    first, same, other = (one.state_dict() for one in made)
    for path in ("1_inserted.weight", "1_inserted.bias", "2.weight", "2.bias"):
        assert torch.equal(first[path], same[path])
        assert not torch.equal(first[path], other[path])
    assert torch.equal(first["0.weight"], other["0.weight"])


def test_insertion_says_what_it_needs() -> None:
    masks = pruned()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"neurons": 4, "start": "zero"}, "start='zero': there are random, compnet, identity"),
        ({"neurons": 4, "start": "identity"}, "the identity is as wide as what it reads"),
        ({}, "any other layer has at least one neuron"),
        ({"neurons": 4, "start": "compnet"}, "compnet fits to them"),
    ]
    for options, message in wrong:
        with pytest.raises(UsageError, match=message):
            insert_auxiliary_layer(masks, IMAGES[:4], after="1", **options)
    with pytest.raises(RefusedError, match="no layer can be inserted after 6"):
        insert_auxiliary_layer(masks, IMAGES[:4], after="6", neurons=3)
    assert masks.module.get_parameter("0.weight").shape == (24, 64)


def test_dead_neurons_go_and_nothing_changes() -> None:
    """In float64, against the network with zeros: unread ones, and unfed ones, whose bias is a constant."""
    masks = pruned(0.3, torch.float64)
    first, second = masks.kept["0.weight"], masks.kept["2.weight"]
    first[[1, 5]] = False  # reads nothing
    second[:, 7] = False  # 7 of the first layer is not read
    second[3] = False
    second[9] = False
    second[9, 5] = True  # reads a constant alone
    masks.apply()
    with torch.no_grad():
        masks.module.get_parameter("0.bias")[[1, 5]] = torch.tensor([0.7, 0.4], dtype=torch.float64)
    expected = masks.module(IMAGES.double())
    before = masks.remaining
    small = remove_dead_neurons(masks, IMAGES[:4].double())
    assert shapes(small)["0.weight"] == (21, 64)
    assert shapes(small)["2.weight"] == (14, 21)
    torch.testing.assert_close(small(IMAGES.double()), expected, rtol=1e-12, atol=1e-12)
    assert masks.remaining < before
    assert all(torch.equal(masks.kept[path], weight != 0) for path, weight in masks.weights.items())
    images = IMAGES[:100].double()
    for _ in range(3):
        masks.optimizer.zero_grad()
        nn.functional.cross_entropy(small(images), digits()[1][:100]).backward()
        masks.optimizer.step()
    assert all(torch.equal(masks.kept[path], weight != 0) for path, weight in masks.weights.items())


def run(stop_at: int | None) -> tuple[dict[str, torch.Tensor], list[int], bytes]:
    """A pruning, saved at the head of every step; killed in the middle of one, it leaves what it saved."""
    masks, file = pruned(0.1), io.BytesIO()
    pruning = StaticPruning(masks, accuracy, base_accuracy=0.7, rate=0.3, max_steps=5)
    for step in pruning:
        file = io.BytesIO()
        parts = (masks.module, masks.optimizer, masks, pruning)
        torch.save([part.state_dict() for part in parts], file)
        train(masks.module, masks.optimizer, 1, seed=step.number)
        if step.number == stop_at:
            break
    return masks.module.state_dict(), [step.remaining for step in pruning.accepted], file.getvalue()


@pytest.mark.parametrize("killed", [1, 3])
def test_a_run_that_was_killed_comes_to_the_same(killed: int) -> None:
    whole, remaining, _ = run(None)
    _, _, saved = run(killed)
    module = network()
    optimizer = optim.Adam(module.parameters(), 0.01)
    masks = MagnitudeMasks(module, optimizer)
    pruning = StaticPruning(masks, accuracy, base_accuracy=0.7, rate=0.3, max_steps=5)
    states = torch.load(io.BytesIO(saved), weights_only=True)
    parts: list[Any] = [module, optimizer, masks, pruning]
    for part, state in zip(parts, states, strict=True):
        part.load_state_dict(state)
    for step in pruning:
        train(masks.module, optimizer, 1, seed=step.number)
    assert [step.remaining for step in pruning.accepted] == remaining
    assert all(torch.equal(value, whole[name]) for name, value in module.state_dict().items())
