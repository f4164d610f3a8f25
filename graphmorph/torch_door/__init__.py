"""The torch.fx door: a live module becomes a graph, and a graph becomes a module again."""

from graphmorph.torch_door.lowering import trace
from graphmorph.torch_door.materialise import materialise

__all__ = ["materialise", "trace"]
