"""A pass that is wrong by so little that a single run of it is within a tolerance, and two are not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphmorph.editor import Editor
from graphmorph.graph import constant_array
from graphmorph.passes.fold_batchnorm import FoldBatchnorm
from graphmorph.rewrite import Site


@dataclass(frozen=True)
class LargeBias(FoldBatchnorm):
    """Biases come out 0.01 too large."""

    def apply(self, site: Site, editor: Editor) -> None:
        super().apply(site, editor)
        node = editor.edit.new[-1]
        node.inputs[2] = editor.values("large", np.array(constant_array(node.inputs[2])) + np.float32(0.01))
