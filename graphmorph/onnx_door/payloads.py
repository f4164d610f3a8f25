"""Tokens: the short, unguessable bytes that stand for a payload in a skeleton model."""

from __future__ import annotations

import bisect
import secrets
import struct
from typing import Generic, TypeVar

import onnx

_NONCE_LENGTH = 16
TOKEN_LENGTH = _NONCE_LENGTH + 8
_FIRST_FIELD = {onnx.TensorProto.FLOAT, onnx.TensorProto.COMPLEX64}
_DOUBLE_FIELD = {onnx.TensorProto.DOUBLE, onnx.TensorProto.COMPLEX128}

P = TypeVar("P")


class PayloadTable(Generic[P]):
    """Payloads by the token that stands for them in a serialized skeleton.

    A token is 24 bytes, so that it is also a valid run of packed floats or doubles, and starts with bytes
    drawn at random for each table, so that no file can contain one by intention or by accident.
    """

    def __init__(self) -> None:
        self._nonce = bytes(1 + secrets.randbelow(63) for _ in range(_NONCE_LENGTH))
        self._payloads: list[P] = []

    def add(self, payload: P) -> bytes:
        """Register a payload; returns its token."""
        self._payloads.append(payload)
        return self._nonce + struct.pack("<q", len(self._payloads) - 1)

    def __getitem__(self, token: bytes) -> P:
        (index,) = struct.unpack_from("<q", token, _NONCE_LENGTH)
        payload: P = self._payloads[index]
        return payload

    def is_token(self, data: bytes) -> bool:
        """Whether `data` is a token of this table."""
        return len(data) == TOKEN_LENGTH and data.startswith(self._nonce)

    def positions(self, data: bytes) -> TokenPositions:
        """Where tokens start in a serialized skeleton."""
        found = []
        position = data.find(self._nonce)
        while position >= 0:
            found.append(position)
            position = data.find(self._nonce, position + TOKEN_LENGTH)
        return TokenPositions(found)

    def token_in(self, tensor: onnx.TensorProto) -> bytes | None:
        """The token that `tensor` carries in place of its values, or None.

        A payload in a field that does not belong to the tensor's type is no payload of it: such a token is
        ignored, and the tensor then fails the count of its values.
        """
        data = tensor.raw_data if tensor.HasField("raw_data") else b""
        if not data and len(tensor.float_data) * 4 == TOKEN_LENGTH and tensor.data_type in _FIRST_FIELD:
            data = struct.pack("<6f", *tensor.float_data)
        elif not data and len(tensor.double_data) * 8 == TOKEN_LENGTH and tensor.data_type in _DOUBLE_FIELD:
            data = struct.pack("<3d", *tensor.double_data)
        return data if self.is_token(data) else None


class TokenPositions:
    """Sorted positions of tokens, to ask whether a range holds one."""

    def __init__(self, positions: list[int]) -> None:
        self._positions = positions

    @classmethod
    def joined(cls, one: TokenPositions, other: TokenPositions) -> TokenPositions:
        """The positions of both."""
        return cls(sorted(one._positions + other._positions))

    def any_within(self, start: int, end: int) -> bool:
        """Whether a token starts in start..end."""
        index = bisect.bisect_left(self._positions, start)
        return index < len(self._positions) and self._positions[index] < end
