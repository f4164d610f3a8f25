"""Which arrays are in the user's files: .npz and .npy, folders of .npy files or of images. Only headers are read."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from graphmorph.errors import UsageError
from graphmorph.proof.images import SUFFIXES, ImageRows, Images
from graphmorph.proof.inputs import InputSpec
from graphmorph.proof.stored_arrays import ArrayFile, JoinedArrays, StoredArray, members


def stored_arrays(source: str | os.PathLike[str], specs: Sequence[InputSpec]) -> Mapping[str, StoredArray]:
    """Arrays by input name, from an .npz or .npy file, or a folder of .npy files or of images.

    In a folder a .npy file is named after its input (other characters than letters, digits, - and . may be written
    as _); for a model with one input, any names do, and each file is one sample. Images: see `Images`.

    Raises UsageError when it cannot be read.
    """
    path = Path(source)
    try:
        if path.is_dir():
            return _folder(path, specs)
        named = members(path)
        if not named:
            return {only(specs, f"--inputs {path}").name: ArrayFile(path)}
        return {name: ArrayFile(path, member) for name, member in named.items()}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"--inputs {path}: cannot be read: {' '.join(str(error).split())}") from error


def joined_arrays(sources: Sequence[str | os.PathLike[str]], specs: Sequence[InputSpec]) -> Mapping[str, StoredArray]:
    """Arrays by input name, from several files one after another: images, or whatever `stored_arrays` takes.

    Raises UsageError when one cannot be read, or they do not go together.
    """
    if all(Path(one).suffix.lower() in SUFFIXES for one in sources):
        spec = only(specs, "--inputs")
        return {spec.name: ImageRows(Images(sources), spec)}
    parts = [stored_arrays(one, specs) for one in sources]
    joined: dict[str, StoredArray] = {}
    for spec in specs:
        arrays = [part.get(spec.name) for part in parts]
        here = [array for array in arrays if array is not None and array.ndim]
        if len(here) < len(arrays):
            lacking = sources[arrays.index(None)] if None in arrays else sources[0]
            raise UsageError(f"--inputs {lacking}: no rows for input {spec.name} in it")
        try:
            joined[spec.name] = JoinedArrays(here)
        except (ValueError, TypeError) as error:
            raise UsageError(f"--inputs: {spec.name} in {sources[0]} and the files after it: {error}") from error
    return joined


def only(specs: Sequence[InputSpec], source: str) -> InputSpec:
    """The model's one input.

    Raises UsageError when it has others.
    """
    if len(specs) != 1:
        names = ", ".join(spec.name for spec in specs)
        raise UsageError(f"{source}: name the arrays after the model's inputs ({names})")
    return specs[0]


def _folder(folder: Path, specs: Sequence[InputSpec]) -> Mapping[str, StoredArray]:
    files = sorted(folder.glob("*.npy"))
    if not files:
        if not any(path.suffix.lower() in SUFFIXES for path in folder.rglob("*")):
            raise UsageError(f"--inputs {folder}: there is no .npy file in it, and no image")
        spec = only(specs, f"--inputs {folder}")
        return {spec.name: ImageRows(Images(folder), spec)}
    by_stem = {file.stem: file for file in files}
    named = {spec.name: by_stem.get(spec.name, by_stem.get(_safe(spec.name))) for spec in specs}
    if any(named.values()):
        return {name: ArrayFile(file) for name, file in named.items() if file}
    spec = only(specs, f"--inputs {folder}")
    first = ArrayFile(files[0])
    batches_of_one = first.ndim == len(spec.shape) and first.shape[:1] == (1,)
    return {spec.name: JoinedArrays([ArrayFile(file, sample=not batches_of_one) for file in files])}


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)
