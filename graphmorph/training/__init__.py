"""What training needs around a rewrite: an optimizer that goes on with the new module."""

try:
    import torch  # noqa: F401 - asked for first, so that its absence is explained once
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("training needs torch: pip install 'graphmorph[train]'", name="torch") from error

from graphmorph.training.optimizer_state import carry_optimizer

__all__ = ["carry_optimizer"]
