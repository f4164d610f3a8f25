"""Whether onnxruntime runs a file."""

from __future__ import annotations

from graphmorph.errors import GraphmorphError
from graphmorph.proof.inputs import Case, guess_shapes, input_specs
from graphmorph.runtime import Runtime


def refusal(path: str) -> str | None:
    """Why onnxruntime does not load or run a file on the first sizes that are guessed; None where it does."""
    with Runtime() as runtime:
        try:
            opened = runtime.submit_open(path, optimized=True).result().header
            specs = input_specs(opened["inputs"])
            case = Case(next(guess_shapes(specs)), "seeded", 0, 0, specs=specs)
            runtime.run(opened["session"], case.feeds())
        except GraphmorphError as error:
            return str(error)
    return None
