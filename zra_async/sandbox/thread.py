"""A sandbox in a thread of its own, for programs and tests that have no event loop, or several."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

from zra_async.sandbox.server import Sandbox


class SandboxThread:
    """Serve a sandbox from a thread for as long as the ``with`` block lasts.

        with SandboxThread(conversations=20) as sandbox:
            subprocess.run(["zra", "list", "conversations"], env={**os.environ, **sandbox.environment()})

    The keyword arguments are those of `Sandbox`, and so is what the block gets. Its addresses, ``environment()``,
    ``client()``, ``faults``, ``stats`` and ``clock`` may be used from any thread; its coroutines belong to its own.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._ready: Future[Sandbox] = Future()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="zra-sandbox", daemon=True)

    def __enter__(self) -> Sandbox:
        self._thread.start()
        try:
            return self._ready.result()
        except BaseException:
            self._thread.join()
            raise

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as problem:
            if self._ready.done():
                raise
            self._ready.set_exception(problem)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with Sandbox(**self._options) as sandbox:
            self._ready.set_result(sandbox)
            await self._stop.wait()
