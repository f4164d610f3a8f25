"""The walk over the wire format: varints, splicing, and what it must not touch."""

from __future__ import annotations

import hypothesis
import onnx
import pytest
from hypothesis import strategies as st

from graphmorph.onnx_door.storage import MemoryStorage
from graphmorph.onnx_door.wire import (
    Inserted,
    Span,
    Walker,
    WireError,
    read_varint,
    total_length,
    without_fields,
    write_varint,
)


@hypothesis.given(st.integers(0, (1 << 64) - 1))
def test_varints_round_trip(value: int) -> None:
    data = write_varint(value)
    assert read_varint(data + b"\xff", 0) == (value, len(data))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 11])
def test_bad_varints_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        read_varint(data, 0)


def splice(data: bytes, replace: dict[bytes, bytes]) -> bytes:
    """`data` with payloads replaced by value, through a walker."""

    def swap(start: int, length: int) -> Inserted[bytes] | None:
        new = replace.get(data[start : start + length])
        return None if new is None else Inserted(new, len(new))

    pieces = Walker(MemoryStorage(data), lambda start, end: True, swap).split(0, len(data))
    joined = b""
    for piece in pieces:
        if isinstance(piece, Span):
            joined += data[piece.start : piece.end]
        else:
            joined += piece if isinstance(piece, bytes) else piece.content
    assert len(joined) == total_length(pieces)
    return joined


@hypothesis.given(old=st.binary(min_size=1, max_size=300), new=st.binary(max_size=300), depth=st.integers(0, 5))
def test_payloads_are_replaced_at_every_depth(old: bytes, new: bytes, depth: int) -> None:
    def model(raw: bytes) -> onnx.ModelProto:
        graph = onnx.GraphProto(name="inner")
        graph.node.add(op_type="Constant").attribute.add(name="value").t.raw_data = raw
        for _ in range(depth):
            outer = onnx.GraphProto(doc_string="x" * 200)
            outer.node.add(op_type="If").attribute.add(name="branch").g.CopyFrom(graph)
            graph = outer
        result = onnx.ModelProto(ir_version=8, graph=graph)
        result.functions.add(name="f").node.add().attribute.add().tensors.add().raw_data = raw
        result.graph.sparse_initializer.add().values.raw_data = raw
        result.training_info.add().algorithm.initializer.add().raw_data = raw
        return result

    assert onnx.ModelProto.FromString(splice(model(old).SerializeToString(), {old: new})) == model(new)


def test_a_repeated_payload_field_is_left_alone() -> None:
    """Protobuf takes the last raw_data and joins all float_data: to replace one could change the other."""
    tensor = b"\x4a\x03abc\x4a\x03abc"
    graph = b"\x2a" + write_varint(len(tensor)) + tensor
    data = b"\x3a" + write_varint(len(graph)) + graph
    assert onnx.ModelProto.FromString(data).graph.initializer[0].raw_data == b"abc"
    assert splice(data, {b"abc": b"replaced"}) == data


def test_fields_are_dropped_by_number_and_the_rest_stays() -> None:
    model = onnx.ModelProto(ir_version=8, producer_name="me", graph=onnx.GraphProto(name="g"))
    data = model.SerializeToString() + b"\xfa\x3f\x01a"
    kept = onnx.ModelProto.FromString(without_fields(data, frozenset({7})))
    assert not kept.HasField("graph")
    assert kept.producer_name == "me"
    assert kept.SerializeToString().endswith(b"\xfa\x3f\x01a")
