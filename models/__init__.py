"""Reference architectures in training form with hand-made deploy forms, and the example model.

Importing this package does not import torch: every family is a module of its own, imported when it is asked
for (``from graphmorph.models import acnet``). The hand-made deploy forms use no code of graphmorph's algebra,
so that the two can be compared.
"""

FAMILIES = (
    "acnet",
    "repvgg",
    "mobileone",
    "diverse_branch_block",
    "large_kernel",
    "lora",
    "pplcnet",
    "transposed",
    "blocks",
)

__all__ = ["FAMILIES"]
