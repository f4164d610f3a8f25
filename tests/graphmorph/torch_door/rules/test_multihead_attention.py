"""nn.MultiheadAttention: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from graphmorph.torch_door import trace
from tests.graphmorph.torch_door.calling import operators, specialised
from tests.graphmorph.torch_door.lowering_check import check_lowering, opaque_reasons
from tests.graphmorph.torch_door.rules.test_layer_norm import drawn, randomised

WIDTH, HEADS = 8, 2


class Attending(nn.Module):
    """Attention with fixed options; of a tensor to itself, or of a query to something else."""

    def __init__(self, settings=None, **options):
        super().__init__()
        self.attention = randomised(nn.MultiheadAttention(WIDTH, HEADS, **(settings or {})))
        for name in ("attn_mask", "key_padding_mask"):
            self.register_buffer(name, options.pop(name, None))
        self.options = options

    def forward(self, query, key=None, value=None):
        key = query if key is None else key
        value = key if value is None else value
        masks = {"attn_mask": self.attn_mask, "key_padding_mask": self.key_padding_mask}
        return self.attention(query, key, value, **masks, **self.options)


def tokens(length=5, batch_first=True, width=WIDTH):
    x = drawn(2, length, width) + length
    return x if batch_first else x.transpose(0, 1).contiguous()


def reason(module, *inputs, training=False):
    return "; ".join(opaque_reasons(trace(module.train(training), inputs)))


def checked(module, *inputs):
    """Batch first a larger batch works as well; torch's own fast path, which no_grad takes, is what it is held to."""
    return check_lowering(module, *inputs, other_batch=module.attention.batch_first)


OPTIONS = list(itertools.product([True, False], [True, False], [{}, {"need_weights": False}, {"average": False}]))


@pytest.mark.parametrize(("batch_first", "bias", "wanted"), OPTIONS)
def test_self_attention(batch_first, bias, wanted):
    options = {"average_attn_weights": False} if "average" in wanted else wanted
    module = Attending({"batch_first": batch_first, "bias": bias}, **options)
    graph = checked(module, tokens(batch_first=batch_first))
    assert operators(graph).count("Split") == 1
    assert len(graph.outputs) == 1 + options.get("need_weights", True)
    assert not specialised(graph)


@pytest.mark.parametrize(("batch_first", "bias", "wanted"), OPTIONS)
def test_attention_to_something_else(batch_first, bias, wanted):
    options = {"average_attn_weights": False} if "average" in wanted else wanted
    settings = {"batch_first": batch_first, "bias": bias}
    query, key = tokens(5, batch_first), tokens(7, batch_first)
    checked(Attending(settings, **options), query, key)
    checked(Attending(settings, **options), query, key, key * 2 + 1)
    separate = settings | {"kdim": 3, "vdim": 4}
    graph = checked(Attending(separate, **options), query, tokens(7, batch_first, 3), tokens(7, batch_first, 4))
    assert operators(graph).count("Split") == int(bias)


def test_other_batches_behind_the_length():
    module = Attending({"batch_first": False})
    graph = trace(module, tokens(batch_first=False))
    assert opaque_reasons(graph) == []


def attn_masks():
    causal = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    each = torch.rand(2 * HEADS, 5, 5, generator=torch.Generator().manual_seed(0)) < 0.4
    each[..., 0] = False
    return [causal, drawn(5, 5), torch.zeros(5, 5).masked_fill(causal, -torch.inf), each, each * -2.5]


@pytest.mark.parametrize("attn_mask", attn_masks())
@pytest.mark.parametrize("padded", [None, torch.bool, torch.float32])
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")
def test_masks(attn_mask, padded, need_weights):
    key_padding_mask = None
    if padded is not None:
        key_padding_mask = torch.tensor([[0, 0, 0, 1, 0], [0, 1, 1, 0, 1]]).to(padded)
    module = Attending(
        {"batch_first": True}, attn_mask=attn_mask, key_padding_mask=key_padding_mask, need_weights=need_weights
    )
    graph = check_lowering(module, tokens(), other_batch=attn_mask.ndim == 2 and padded is None)
    assert specialised(graph) == (attn_mask.ndim == 3)


def test_a_mask_that_the_caller_gives():
    class Masked(Attending):
        def forward(self, x, mask):
            return self.attention(x, x, x, key_padding_mask=mask, need_weights=False)[0]

    check_lowering(Masked({"batch_first": True}), tokens(), torch.tensor([[False] * 5, [False, True] + [True] * 3]))


def test_the_hint_that_a_mask_is_causal():
    causal = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    for need_weights in (True, False):
        module = Attending({"batch_first": True}, attn_mask=causal, is_causal=True, need_weights=need_weights)
        checked(module, tokens())


def test_a_query_that_sees_no_key_gives_zeros_without_weights():
    blocked = torch.zeros(5, 5, dtype=torch.bool)
    blocked[1] = True
    module = Attending({"batch_first": False}, attn_mask=blocked, need_weights=False)
    checked(module, tokens(batch_first=False))


def test_the_slow_path_of_an_odd_number_of_heads():
    module = Attending({"batch_first": True})
    module.attention = randomised(nn.MultiheadAttention(9, 3, batch_first=True))
    checked(module, tokens(width=9))


@pytest.mark.parametrize("settings", [{"add_bias_kv": True}, {"add_zero_attn": True}])
def test_added_keys_are_refused(settings):
    assert next(iter(settings)) in reason(Attending({"batch_first": True} | settings), tokens())


def test_dropout_in_training_is_refused():
    module = Attending({"batch_first": True, "dropout": 0.1})
    assert reason(module, tokens(), training=True) == "attention with dropout in training"
    assert reason(module, tokens()) == ""
    assert reason(Attending({"batch_first": True}), tokens(), training=True) == ""


def test_inputs_without_batch_are_refused():
    assert "without a batch" in reason(Attending(), tokens()[0])


def test_double_precision():
    module = Attending({"batch_first": True}).double()
    check_lowering(module, tokens().double(), tolerance=1e-12)


def test_an_encoder_layer_is_kept_whole():
    layer = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True))
    assert "TransformerEncoderLayer has no lowering rule" in reason(layer, tokens())
