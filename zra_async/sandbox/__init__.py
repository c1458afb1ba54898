"""A whole Zoom Revenue Accelerator account on loopback, to try the client on and to test against.

    async with Sandbox(conversations=500, plan="business", seed=7) as sandbox:
        async with sandbox.client() as zra: ...

Everything in it follows from the seed; `Options` lists what can be set, `Fault` what can be made to go wrong.
"""

from zra_async.sandbox.clock import Clock
from zra_async.sandbox.faults.faults import Fault, Faults
from zra_async.sandbox.life import Change, Life
from zra_async.sandbox.options import Options
from zra_async.sandbox.server import Sandbox
from zra_async.sandbox.snapshots import Snapshot
from zra_async.sandbox.thread import SandboxThread

__all__ = ["Change", "Clock", "Fault", "Faults", "Life", "Options", "Sandbox", "SandboxThread", "Snapshot"]
