"""The exceptions of graphmorph. Each carries the exit status that the command line ends with."""

from __future__ import annotations


class GraphmorphError(Exception):
    """Base of everything that graphmorph raises on purpose; the message is written for the user."""

    exit_code = 2


class ModelFileError(GraphmorphError):
    """A model that cannot be read or written: missing, damaged, invalid or hostile; always one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class ModelRunError(GraphmorphError):
    """onnxruntime refuses to load or to run a model.

    `unsupported` tells a missing operator, kernel or domain from an invalid model.
    """

    def __init__(self, message: str, *, unsupported: bool = False) -> None:
        super().__init__(message)
        self.unsupported = unsupported


class RuntimeCrashError(GraphmorphError):
    """The process that runs onnxruntime died; the message names the phase that it was in."""


class UsageError(GraphmorphError):
    """A wrong option or argument; the message names the flag to try."""


class VerificationError(GraphmorphError):
    """The proof found a difference."""

    exit_code = 1


class RefusedError(GraphmorphError):
    """A rewrite whose value-dependent condition failed while it was applied; the graph was not edited."""


class GraphError(GraphmorphError):
    """A graph that is not one: a cycle, or an edit that would break it."""


class TraceError(GraphmorphError):
    """A module that torch.fx cannot trace; the message names the line and what to do about it."""


class MaterialiseError(GraphmorphError):
    """A graph that cannot become a torch module; the message names the node and what is missing."""


class TraceWarning(UserWarning):
    """The traced module will not follow the original in something that the message names."""


class RollbackWarning(UserWarning):
    """A rewrite of a live module was taken back, because the proof failed with it."""


class OptimizerWarning(UserWarning):
    """State of an optimizer that does not follow a rewrite; the message names the parameters and the reasons."""
