"""The torch.fx door: a live module becomes a graph, and a graph becomes a module again."""

try:
    import torch  # noqa: F401 - asked for first, so that its absence is explained once
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("live modules need torch: pip install 'graphmorph[torch]'", name="torch") from error

from graphmorph.torch_door.materialise import materialise
from graphmorph.torch_door.tracing import trace

__all__ = ["materialise", "trace"]
