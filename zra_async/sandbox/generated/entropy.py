"""Repeatable randomness: every value is a pure function of the seed, a named domain and an index."""

from __future__ import annotations

import base64
import uuid
from hashlib import blake2b
from struct import Struct

_M64 = (1 << 64) - 1
_WORDS = Struct("<16I")


def domain(seed: int, name: str) -> bytes:
    """Give the 16 bytes that set one kind of value of one account apart from all others."""
    return blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()


def words(space: bytes, index: int) -> tuple[int, ...]:
    """Draw sixteen 32-bit words for ``index``."""
    return _WORDS.unpack(blake2b(space + index.to_bytes(8, "little"), digest_size=64).digest())


def number(space: bytes, index: int) -> int:
    """Draw one 64-bit number for ``index``."""
    return int.from_bytes(blake2b(space + index.to_bytes(8, "little"), digest_size=8).digest(), "little")


def mix(value: int) -> int:
    """Scatter a number over 64 bits (the splitmix64 finaliser): cheap enough for one call per utterance."""
    value = (value + 0x9E3779B97F4A7C15) & _M64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _M64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _M64
    return value ^ (value >> 31)


def opaque_id(space: bytes, index: int) -> str:
    """Write a 22-character id of the kind users, indicators and playbooks have."""
    digest = blake2b(space + index.to_bytes(8, "little"), digest_size=16).digest()
    return base64.urlsafe_b64encode(digest)[:22].decode()


def uuid_text(space: bytes, index: int) -> str:
    """Write a UUID of the kind comments, playlists and e-mail messages have."""
    digest = blake2b(space + index.to_bytes(8, "little"), digest_size=16).digest()
    return str(uuid.UUID(bytes=digest, version=4))
