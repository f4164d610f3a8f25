"""Random graphs of the operators that channels pass through: images, tokens, and the ways between them."""

from __future__ import annotations

from typing import Any

import onnx
from hypothesis import strategies as st

from tests.graphmorph.channels import random_image_steps, random_token_steps
from tests.graphmorph.channels.random_program import Program


@st.composite
def models(draw: st.DrawFn, most: int = 12) -> onnx.ModelProto:
    """A model of input x (2, 4, 4, 4), or of any batch and image size."""
    free = draw(st.booleans())
    program = Program(draw(st.integers(0, 2**16)), free=free)

    def pick(options: Any) -> Any:
        return draw(st.sampled_from(list(options)))

    random_image_steps.convolve(program, pick)
    program.finish_step()
    for _ in range(draw(st.integers(2, most))):
        steps = random_image_steps.STEPS if program.is_image else random_token_steps.STEPS
        pick(steps)(program, pick)
        program.finish_step()
    return program.model()
