"""The example model: a small ACNet trained on scikit-learn's digits, exported in training form."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def model_path() -> Path:
    """Return the ONNX file: input ``x`` (batch, 1, 8, 8), values 0 to 1; output ``y`` (batch, 10), logits."""
    return _installed("digits_acnet.onnx")


def samples_path() -> Path:
    """Return the held-out samples (.npz): ``x`` (samples, 1, 8, 8) and ``labels`` (samples,)."""
    return _installed("digits.npz")


def _installed(name: str) -> Path:
    """Return a file of this package; the package is installed unzipped, so the resource is a path."""
    path = Path(str(resources.files(__name__).joinpath(name)))
    if not path.is_file():
        raise FileNotFoundError(f"{name} is missing from the installed graphmorph package: reinstall graphmorph")
    return path


__all__ = ["model_path", "samples_path"]
