"""Vision transformers (Dosovitskiy et al., ICLR 2021; the small ones of DeiT, Touvron et al., ICML 2021, table 1).

Two spellings of the same self-attention, as both occur in the wild: with one linear layer for queries, keys and
values and ``scaled_dot_product_attention``, and with ``nn.MultiheadAttention``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

Attention = Callable[[int, int], nn.Module]


class ScaledDotProduct(nn.Module):
    """Self-attention with one linear layer for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, tokens, width) to the same shape."""
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        y: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return y


class MultiheadModule(nn.Module):
    """Self-attention with ``nn.MultiheadAttention``."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, tokens, width) to the same shape."""
        y, _ = self.attention(x, x, x, need_weights=False)
        mixed: Tensor = y
        return mixed


class EncoderBlock(nn.Module):
    """Normalised attention and a normalised perceptron, each with a shortcut (figure 1, right)."""

    def __init__(self, width: int, heads: int, attention: Attention) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (batch, tokens, width) to the same shape."""
        x = x + self.attn(self.norm1(x))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


class VisionTransformer(nn.Module):
    """Patches as tokens, a class token, positions, encoder blocks, and a linear classifier of the class token."""

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        width: int = 384,
        heads: int = 6,
        depth: int = 12,
        image: int = 224,
        patch: int = 16,
        attention: Attention = ScaledDotProduct,
    ) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(in_channels, width, patch, patch)
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, (image // patch) ** 2 + 1, width))
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads, attention) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, image, image) to logits (batch, num_classes)."""
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1) + self.pos_embed
        x = self.norm(self.blocks(x))
        logits: Tensor = self.head(x[:, 0])
        return logits


def vit_tiny(
    num_classes: int = 1000,
    *,
    in_channels: int = 3,
    width: int = 192,
    heads: int = 3,
    depth: int = 12,
    image: int = 224,
    patch: int = 16,
) -> VisionTransformer:
    """Build ViT-Ti/16 (DeiT-Ti), its attention spelled with ``nn.MultiheadAttention``."""
    return VisionTransformer(
        num_classes,
        in_channels=in_channels,
        width=width,
        heads=heads,
        depth=depth,
        image=image,
        patch=patch,
        attention=MultiheadModule,
    )


def vit_small(
    num_classes: int = 1000,
    *,
    in_channels: int = 3,
    width: int = 384,
    heads: int = 6,
    depth: int = 12,
    image: int = 224,
    patch: int = 16,
) -> VisionTransformer:
    """Build ViT-S/16 (DeiT-S), its attention spelled with ``scaled_dot_product_attention``."""
    return VisionTransformer(
        num_classes,
        in_channels=in_channels,
        width=width,
        heads=heads,
        depth=depth,
        image=image,
        patch=patch,
    )
