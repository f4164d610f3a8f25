"""Sums to files and back, so that workers can leave them for whoever adds them up."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphmorph.activations.channel_similarity import ChannelSimilarity
from graphmorph.activations.histogram import Histogram
from graphmorph.activations.moments import CrossMoments, Moments
from graphmorph.errors import UsageError

Sums = Moments | CrossMoments | ChannelSimilarity | Histogram

_KINDS: dict[str, type[Sums]] = {kind.__name__: kind for kind in (Moments, CrossMoments, ChannelSimilarity, Histogram)}


def save_sums(path: str | os.PathLike[str], sums: Mapping[str, Sums]) -> None:
    """Write sums, by any names, to one .npz file."""
    arrays: dict[str, NDArray[Any]] = {
        "names": np.array(list(sums), np.str_),
        "kinds": np.array([type(one).__name__ for one in sums.values()], np.str_),
    }
    for index, one in enumerate(sums.values()):
        arrays |= {f"{index}.{name}": array for name, array in one.arrays().items()}
    with open(path, "wb") as stream:  # numpy would add .npz to a path
        np.savez(stream, **arrays)  # type: ignore[arg-type]


def load_sums(path: str | os.PathLike[str]) -> dict[str, Sums]:
    """The sums of a file that `save_sums` wrote, by name.

    Raises:
        UsageError: the file is missing, damaged, or of something else.
    """
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        kinds = [_KINDS[str(kind)] for kind in arrays["kinds"]]
        parts = [_part(index, arrays) for index in range(len(kinds))]
        return {
            str(name): kind.from_arrays(part) for name, kind, part in zip(arrays["names"], kinds, parts, strict=True)
        }
    except (OSError, ValueError, KeyError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise UsageError(f"{os.fspath(path)}: no file of sums that can be read: {error}") from error


def _part(index: int, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    prefix = f"{index}."
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
