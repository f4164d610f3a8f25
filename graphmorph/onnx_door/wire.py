"""A walk over the protobuf wire format of ONNX models that replaces tensor payloads without parsing the rest.

It knows which fields lead to tensors, goes only into messages that are worth it, and copies everything else
as ranges of the source. The same walk cuts payloads out of a file when reading and puts them back when
writing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

MODEL, GRAPH, NODE, ATTRIBUTE, TENSOR, SPARSE, TRAINING, FUNCTION = range(8)
_CHILDREN: dict[int, dict[int, int]] = {
    MODEL: {7: GRAPH, 20: TRAINING, 25: FUNCTION},
    GRAPH: {1: NODE, 5: TENSOR, 15: SPARSE},
    NODE: {5: ATTRIBUTE},
    ATTRIBUTE: {5: TENSOR, 6: GRAPH, 10: TENSOR, 11: GRAPH, 22: SPARSE, 23: SPARSE},
    SPARSE: {1: TENSOR, 2: TENSOR},
    TRAINING: {1: GRAPH, 2: GRAPH},
    FUNCTION: {7: NODE, 11: ATTRIBUTE},
    TENSOR: {},
}
# float_data, raw_data, double_data: little-endian values, so all three are plain bytes in memory order.
_PAYLOADS = frozenset({4, 9, 10})
_DEPTH_LIMIT = 100  # protobuf's own parser stops there too
_HEADER = 24  # two varints of ten bytes at most, with room to spare
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class WireError(ValueError):
    """The bytes are no well-formed message."""


class Source(Protocol):
    """Random access to the bytes that are walked over."""

    def window(self, position: int) -> tuple[bytes | memoryview, int]:
        """Some bytes around `position`, enough for a field's header, and the position of the first."""


P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes start..end of the source, copied as they are."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Length in bytes."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Inserted(Generic[P]):
    """Something that stands where a payload stood, and its length in bytes."""

    content: P
    length: int


@dataclass(frozen=True, slots=True)
class Walker(Generic[P]):
    """Splits a message into spans of the source and replaced payloads.

    worth(start, end) tells whether a message may hold a payload to be replaced;
    replace(start, length) gives what stands for a payload, or None to leave it.
    """

    source: Source
    worth: Callable[[int, int], bool]
    replace: Callable[[int, int], Inserted[P] | None]

    def split(self, start: int, end: int, kind: int = MODEL, depth: int = 0) -> list[Span | Inserted[P] | bytes]:
        """The pieces of the message at start..end; raises WireError where it is malformed."""
        if depth > _DEPTH_LIMIT:
            raise WireError(f"messages are nested more than {_DEPTH_LIMIT} deep")
        children = _CHILDREN[kind]
        pieces: list[Span | Inserted[P] | bytes] = []
        copied = position = start
        payload_tags = self._single_payloads(start, end) if kind == TENSOR else frozenset()
        buffer, base = self.source.window(position)
        while position < end:
            if position + _HEADER - base > len(buffer) or position < base:
                buffer, base = self.source.window(position)
            tag, index = read_varint(buffer, position - base)
            field, wire_type = tag >> 3, tag & 7
            tag_end = index + base
            position, content = _skip(buffer, base, index, wire_type, end)
            if wire_type != _BYTES:
                continue
            inner: list[Span | Inserted[P] | bytes] | None = None
            if field in children and self.worth(content, position):
                inner = self.split(content, position, children[field], depth + 1)
            elif field in payload_tags:
                found = self.replace(content, position - content)
                inner = None if found is None else [found]
            if inner is None or (len(inner) == 1 and isinstance(inner[0], Span)):
                continue
            pieces.append(Span(copied, tag_end))
            pieces.append(write_varint(total_length(inner)))
            pieces.extend(inner)
            copied = position
        if position != end:
            raise WireError("a field runs over the end of its message")
        if copied < end or not pieces:
            pieces.append(Span(copied, end))
        return pieces

    def _single_payloads(self, start: int, end: int) -> frozenset[int]:
        """The payload fields of a tensor that occur once: protobuf merges repeated ones."""
        counts: dict[int, int] = {}
        position = start
        while position < end:
            buffer, base = self.source.window(position)
            tag, index = read_varint(buffer, position - base)
            position, _ = _skip(buffer, base, index, tag & 7, end)
            counts[tag >> 3] = counts.get(tag >> 3, 0) + 1
        return frozenset(field for field in _PAYLOADS if counts.get(field) == 1)


def without_fields(data: bytes | memoryview, dropped: frozenset[int]) -> bytes:
    """A message without some of its length-delimited fields; all others, unknown ones too, stay."""
    kept = []
    position = 0
    while position < len(data):
        tag, index = read_varint(data, position)
        end, _ = _skip(data, 0, index, tag & 7, len(data))
        if tag >> 3 not in dropped or tag & 7 != _BYTES:
            kept.append(data[position:end])
        position = end
    return b"".join(kept)


def _skip(buffer: bytes | memoryview, base: int, index: int, wire_type: int, end: int) -> tuple[int, int]:
    """The positions of the end and of the content of a field whose tag ended at buffer[index]."""
    content = base + index
    if wire_type == _BYTES:
        length, index = read_varint(buffer, index)
        content = base + index
        position = content + length
    elif wire_type == _VARINT:
        _, index = read_varint(buffer, index)
        position = base + index
    elif wire_type == _FIXED64:
        position = content + 8
    elif wire_type == _FIXED32:
        position = content + 4
    else:
        raise WireError(f"wire type {wire_type} is not used by ONNX")
    if position > end:
        raise WireError("a field runs over the end of its message")
    return position, content


def read_varint(buffer: bytes | memoryview, index: int) -> tuple[int, int]:
    """The varint at buffer[index] and the index after it."""
    try:
        value = buffer[index]
        index += 1
        if value < 0x80:
            return value, index
        value &= 0x7F
        for shift in range(7, 70, 7):
            byte = buffer[index]
            index += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, index
    except IndexError:
        raise WireError("the file ends inside a number") from None
    raise WireError("a number is longer than ten bytes")


def write_varint(value: int) -> bytes:
    """`value` (not negative) as a varint."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def total_length(pieces: list[Span | Inserted[P] | bytes]) -> int:
    """The bytes that the pieces take together."""
    return sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in pieces)
