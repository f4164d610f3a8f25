"""The two spellings of self-attention compute the same."""

from __future__ import annotations

import torch

from graphmorph.models.vision_transformer import MultiheadModule, ScaledDotProduct, vit_small


def test_both_spellings_of_attention_agree() -> None:
    torch.manual_seed(0)
    plain, module = ScaledDotProduct(24, 3).double(), MultiheadModule(24, 3).double()
    module.attention.load_state_dict(
        {
            "in_proj_weight": plain.qkv.weight,
            "in_proj_bias": plain.qkv.bias,
            "out_proj.weight": plain.proj.weight,
            "out_proj.bias": plain.proj.bias,
        }
    )
    x = torch.randn(2, 7, 24, dtype=torch.float64)
    torch.testing.assert_close(plain(x), module(x), rtol=1e-12, atol=1e-12)


def test_the_class_token_sees_every_patch() -> None:
    torch.manual_seed(0)
    model = vit_small(10, width=24, heads=3, depth=2, image=32, patch=8)
    x = torch.randn(1, 3, 32, 32, requires_grad=True)
    model(x).square().sum().backward()
    assert x.grad is not None
    assert bool((x.grad != 0).all())
