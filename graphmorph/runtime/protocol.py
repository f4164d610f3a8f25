"""What travels between the parent and the child: one JSON header with raw bytes behind it, no pickle.

A message is: header length (8 bytes, little endian), header (JSON, UTF-8), then the payloads, in the order of
the header's "payloads" list. A payload is an array `[name, dtype, shape]` in C order, or plain bytes
`[name, null, [length]]`; arrays of strings are listed in the header itself.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

import numpy as np

Payload = np.ndarray | bytes


class TensorFacts(NamedTuple):
    """What is known of a tensor: onnx element type (0: unknown), and shape (None: rank unknown)."""

    dtype: int
    shape: tuple[int | str | None, ...] | None


@dataclass
class Message:
    """A request or an answer: a JSON header and named payloads."""

    header: dict[str, Any]
    payloads: dict[str, Payload] = field(default_factory=dict)


def dtype_by_name(name: str) -> np.dtype[Any]:
    """The numpy dtype of a name; bfloat16, float8 and int4 come from ml_dtypes."""
    try:
        return np.dtype(name)
    except TypeError:
        import ml_dtypes

        dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return dtype


def send(stream: BinaryIO, message: Message) -> None:
    """Write one message and flush.

    Raises OSError when the other side is gone.
    """
    listed: list[Any] = []
    raw: list[Any] = []
    for name, payload in message.payloads.items():
        if isinstance(payload, bytes):
            listed.append([name, None, [len(payload)]])
            raw.append(payload)
        elif payload.dtype.kind in "OUS":
            listed.append([name, "str", list(payload.shape), [_text(v) for v in payload.ravel().tolist()]])
        else:
            contiguous = np.ascontiguousarray(payload)
            listed.append([name, payload.dtype.name, list(payload.shape)])
            raw.append(contiguous.reshape(-1).view(np.uint8).data)
    encoded = json.dumps({**message.header, "payloads": listed}).encode()
    stream.write(len(encoded).to_bytes(8, "little") + encoded)
    for part in raw:
        stream.write(part)
    stream.flush()


def receive(stream: BinaryIO) -> Message:
    """Read one message.

    Raises EOFError when the other side closed the pipe, before or inside the message.
    """
    length = int.from_bytes(_read_exactly(stream, 8), "little")
    header = json.loads(_read_exactly(stream, length))
    payloads: dict[str, Payload] = {}
    for name, dtype_name, shape, *strings in header.pop("payloads"):
        if dtype_name is None:
            payloads[name] = bytes(_read_exactly(stream, shape[0]))
        elif dtype_name == "str":
            payloads[name] = np.array(strings[0], dtype=object).reshape(shape)
        else:
            dtype = dtype_by_name(dtype_name)
            raw = _read_exactly(stream, math.prod(shape) * dtype.itemsize)
            payloads[name] = np.frombuffer(raw, dtype=dtype).reshape(shape)
    return Message(header, payloads)


def arrays_of(message: Message) -> dict[str, np.ndarray]:
    """The payloads that are arrays, by name."""
    return {name: value for name, value in message.payloads.items() if isinstance(value, np.ndarray)}


def _read_exactly(stream: BinaryIO, size: int) -> bytearray:
    buffer = bytearray(size)
    view = memoryview(buffer)
    filled = 0
    while filled < size:
        count = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError("the pipe was closed")
        filled += count
    return buffer


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
