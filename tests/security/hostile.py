"""Behaviours of a server that means harm, for `tests.core.server`, and what its victim may spend on it."""

from __future__ import annotations

import asyncio
import functools
import importlib
import time
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.core.server import Behaviour, Seen
from zra_async.errors import ZRAError

MIB = 1024 * 1024
#: each takes a fraction of a second; work that grows with the square of what a server sends takes hours
_CPU_SECONDS = 120.0


def endless(head: bytes, again: bytes, *, pause: float = 0.0) -> Behaviour:
    """Send ``head``, and then ``again`` and again until nobody takes it any more."""

    async def behave(_: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(head)
        while not writer.is_closing():
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(pause)
        return False

    return behave


@functools.cache
def bomb(encoding: str, size: int = 64 * MIB) -> bytes | None:
    """Zeros that are ``size`` bytes until they are compressed; None where there is no such compression."""
    packer = _packer(encoding)
    if packer is None:
        return None
    compress = getattr(packer, "compress", None) or packer.process
    finish = packer.finish if hasattr(packer, "finish") else packer.flush
    zeros = bytes(MIB)
    return b"".join([*(compress(zeros) for _ in range(size // MIB)), finish()])


def _packer(encoding: str) -> Any:
    if encoding in _WINDOWS:
        return zlib.compressobj(9, zlib.DEFLATED, _WINDOWS[encoding])
    for name in _MODULES[encoding]:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        return getattr(module, "Compressor", None) or module.ZstdCompressor()
    return None


_WINDOWS = {"gzip": 31, "deflate": 15, "deflate without a header": -15}
_MODULES = {"br": ("brotli", "brotlicffi"), "zstd": ("compression.zstd", "backports.zstd")}


async def outcome(call: Awaitable[Any]) -> Any:
    """What a call gives, or its error, if it is one that callers are told of."""
    try:
        return await call
    except ZRAError as error:
        return error


def result_of(work: Callable[[], Any]) -> Any:
    """The same of something that waits for nothing."""
    try:
        return work()
    except ZRAError as error:
        return error


@contextmanager
def at_most(*, mib: float) -> Iterator[None]:
    """Fail when the block takes more memory at its peak than is bearable, or far more work than its input is worth."""
    tracemalloc.start()
    began = time.process_time()
    try:
        yield
        took, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()
    assert took <= _CPU_SECONDS, f"{took:.1f} s of CPU"
    assert peak <= mib, f"{peak:.1f} MiB"
