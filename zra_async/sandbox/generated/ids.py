"""Identifiers that carry their number: reversible without a table, and useless to guess.

A conversation id is 128 bits, written in base64 with a millisecond number behind it (or, for every eighth one, in hex).
112 of the bits are the conversation's number under a keyed permutation; the other 16 are free, and chosen so that every
account has ids that begin with ``/``, with ``//`` and with ``+``, which is where careless quoting breaks.
"""

from __future__ import annotations

import base64
import binascii

from zra_async.sandbox.generated.entropy import domain, number

_BITS = 112
_MASK = (1 << _BITS) - 1
_EPOCH_MS = 1_600_000_000_000
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_HEX_KIND = 5
_PREFIXES = {0: 0xFFF0, 1: 0xFC00, 2: 0xF800}  # "//", "/" and "+" in base64
_FREE = {0: 0x000F, 1: 0x03FF, 2: 0x03FF}


class ConversationIds:
    """Writes the id of conversation number n and reads the number back."""

    def __init__(self, seed: int) -> None:
        space = domain(seed, "conversation ids")
        self._factors = [((number(space, n) << 64) | number(space, n + 8) | 1) & _MASK for n in range(3)]
        self._inverses = [pow(factor, -1, _MASK + 1) for factor in self._factors]
        self._offset = number(space, 20)

    def write(self, index: int, offset: int) -> str:
        """Write the id of a conversation that starts ``offset`` seconds after the account's history does."""
        code = self._code(index)
        if index % 8 == _HEX_KIND:
            return code.hex()
        return f"{base64.b64encode(code).decode()},{_EPOCH_MS + offset * 1000}"

    def read(self, text: str) -> int | None:
        """Give the number an id would stand for; the caller compares the id written for it with ``text``."""
        try:
            code = bytes.fromhex(text) if len(text) == 32 else base64.b64decode(text.partition(",")[0], validate=True)
        except (ValueError, binascii.Error):
            return None
        return self._gather(int.from_bytes(code, "big") & _MASK) if len(code) == 16 else None

    def _code(self, index: int) -> bytes:
        body = self._scatter(index)
        kind, head = index % 8, (body >> 40) & 0xFFFF
        if kind in _PREFIXES:
            head = _PREFIXES[kind] | (head & _FREE[kind])
        return ((head << _BITS) | body).to_bytes(16, "big")

    def _scatter(self, value: int) -> int:
        value += self._offset
        for factor in self._factors:
            value = (value * factor) & _MASK
            value ^= value >> 57  # a shift of at least half the width undoes itself
        return value

    def _gather(self, value: int) -> int:
        for inverse in reversed(self._inverses):
            value ^= value >> 57
            value = (value * inverse) & _MASK
        return value - self._offset


def meeting_uuid(conversation_id: str) -> str:
    """Give the UUID of the meeting that a conversation was: the part of its id that is not a time, always in base64."""
    if len(conversation_id) == 32:
        return base64.b64encode(bytes.fromhex(conversation_id)).decode()
    return conversation_id.partition(",")[0]


class DealIds:
    """Writes deal ids of the kind CRM systems have, such as ``0065g00000DgD2QAAV``, and reads them back."""

    _SPAN = 62**7
    _PREFIX = "0065g00000"

    def __init__(self, seed: int) -> None:
        self._factor = number(domain(seed, "deal ids"), 0) % self._SPAN | 1
        while self._factor % 31 == 0:  # 62 = 2 × 31: the factor needs an inverse
            self._factor += 2
        self._inverse = pow(self._factor, -1, self._SPAN)
        self._offset = number(domain(seed, "deal ids"), 1) % self._SPAN

    def write(self, index: int) -> str:
        """Write the id of deal number ``index``."""
        value, digits = (index * self._factor + self._offset) % self._SPAN, ""
        for _ in range(7):
            value, digit = divmod(value, 62)
            digits += _ALPHABET[digit]
        return f"{self._PREFIX}{digits}A"

    def read(self, text: str) -> int | None:
        """Give the number behind a deal id, None for a text that is none."""
        digits = text[len(self._PREFIX) : -1]
        if text != f"{self._PREFIX}{digits}A" or len(digits) != 7 or any(digit not in _ALPHABET for digit in digits):
            return None
        value = 0
        for digit in reversed(digits):
            value = value * 62 + _ALPHABET.index(digit)
        return (value - self._offset) * self._inverse % self._SPAN
