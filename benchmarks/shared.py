"""One account and several processes: the limits shared through Postgres, beside the limiter of each process alone.

Real clients in 1 to 16 processes call a sandbox that counts in exact windows, with 0–30 ms of random delay each way.
The server is a Postgres that the benchmark starts; without one on the machine there is nothing to show.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from benchmarks.report import Options, Report, Row, Target, at_least, at_most, progress
from benchmarks.rig.process import Account, sandbox
from benchmarks.rig.sharer import Result, Settings
from zra_async import ZRAClient

LIMIT = 80
JITTER = 0.03
_START = 1.0  #: seconds that are not counted: the windows fill


class _Rig:
    """A sandbox account and a database that the processes of each run share."""

    def __init__(self, account: Account, conversation: str, dsn: str) -> None:
        self.account = account
        self.dsn = dsn
        self._env = {**os.environ, "ZRA_BENCH_CONVERSATION": conversation}

    def settings(self, seconds: float, **options: Any) -> Settings:
        """Settings of a process that calls this account."""
        hosts, auth = self.account.hosts, self.account.auth
        return Settings(
            hosts=(hosts.api, hosts.file, hosts.token),
            credentials=(auth._account_id, auth._endpoint.client_id, auth._endpoint._client_secret),
            seconds=seconds,
            **{"bulk": 16, **options},
        )

    def run(self, settings: Sequence[Settings]) -> list[Result]:
        """Let as many processes call at the same time."""
        time.sleep(1.2)  # the window of the run before
        with contextlib.ExitStack() as stack:
            processes = [stack.enter_context(_process(each, self._env)) for each in settings]
            for process in processes:
                _line(process)
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            return [msgspec.json.decode(_line(process), type=Result) for process in processes]


@contextlib.contextmanager
def _process(settings: Settings, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.rig.sharer", json.dumps(msgspec.structs.asdict(settings))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("a process of the benchmark ended early")
    return line


def _row(setup: str, results: Sequence[Result], seconds: float) -> Row:
    done = sorted(at for result in results for at in result.done if at >= _START)
    calls = sum(len(result.done) for result in results)
    each = [sum(at >= _START for at in result.done) / (seconds - _START) for result in results]
    waits = sorted(wait for result in results for wait in result.waits)
    urgent = sorted(wait for result in results for wait in result.urgent)
    return {
        "setup": setup,
        "answers/s": round(len(done) / (seconds - _START), 1),
        "least and most of a process": f"{min(each):.1f}–{max(each):.1f}",
        "429": sum(result.refused for result in results),
        "429/s": round(sum(result.refused for result in results) / seconds, 1),
        "longest wait": round(max(waits, default=0.0), 2),
        "interactive p50, ms": round(1000 * statistics.median(urgent), 1) if urgent else None,
        "interactive p99, ms": round(1000 * urgent[int(0.99 * (len(urgent) - 1))], 1) if urgent else None,
        "statements/call": round(sum(result.statements for result in results) / max(1, calls), 2),
    }


def main(options: Options) -> Report:
    """Run the processes, then the database alone."""
    from tests.postgres.server import binaries, start

    programs = binaries()
    if programs is None:
        return Report("shared", {}, notes=("no Postgres on this machine: install the package postgresql",))
    server = start(uuid.uuid4().hex[:12], programs)
    try:
        with sandbox("--plan", "business", "--conversations", "10", "--jitter", str(JITTER)) as account:
            rig = _Rig(account, asyncio.run(_conversation(account)), server.dsn())
            tables, targets = _processes(rig, options)
        progress("shared: bookings beside an open transaction")
        booking = _bookings(server.dsn(), 3_000 if options.quick else 60_000)
    finally:
        server.stop()
    targets.append(at_most("booking beside an open transaction, p99 of the last 1 000, ms", booking["p99, ms"], 1.0))
    load = f"The load average of the machine was {os.getloadavg()[0]:.1f} at the end of the run."
    return Report("shared", {**tables, "bookings": [booking]}, targets, notes=(load,))


async def _conversation(account: Account) -> str:
    async with ZRAClient(account.auth, plan="business", hosts=account.hosts) as zra:
        return (await zra.conversations.list(page_size=1)).items[0].conversation_id


def _processes(rig: _Rig, options: Options) -> tuple[dict[str, list[Row]], list[Target]]:
    seconds = 4.0 if options.quick else 8.0
    rows: list[Row] = []
    targets: list[Target] = []

    def show(setup: str, settings: Sequence[Settings]) -> Row:
        progress(f"shared: {setup}")
        rows.append(row := _row(setup, rig.run(settings), seconds))
        return row

    one = rig.settings(seconds)
    quarter = rig.settings(seconds, share=0.25)
    show("each alone, 2 processes, share 1", [one] * 2)
    if not options.quick:
        show("each alone, 4 processes, share 1", [one] * 4)
        show("each alone, 4 processes, share 1/4", [quarter] * 4)
    show("each alone, one of 4, share 1/4", [quarter])
    shared = rig.settings(seconds, dsn=rig.dsn)
    for count, least in ((1, 0.95), (2, 0.95), (4, 0.95), (16, 0.90)):
        row = show(f"shared, {count} processes", [shared] * count)
        targets.append(at_least(f"share of the rate, {count} processes", _number(row, "answers/s") / LIMIT, least))
        targets.append(at_most(f"answers 429, {count} processes", _number(row, "429"), 0))
        if count == 4:
            targets.append(at_most("statements per bulk call, 4 processes", _number(row, "statements/call"), 0.5))
            waits = 64 / (LIMIT * least) * 1.1
            targets.append(at_most("longest wait of 64 bulk callers, s", _number(row, "longest wait"), waits))
    uneven = [rig.settings(seconds, dsn=rig.dsn, bulk=bulk) for bulk in (2, 8, 64)]
    row = show("shared, 3 processes with 2, 8 and 64 callers", uneven)
    targets.append(at_least("share of the rate, uneven processes", _number(row, "answers/s") / LIMIT, 0.95))
    mixed = [rig.settings(seconds, dsn=rig.dsn, bulk=50, interactive=5.0)] * 4
    row = show("shared, 4 processes with 50 bulk callers, and 5 interactive calls a second each", mixed)
    targets.append(
        at_most("wait of an interactive call beside full bulk, p99, ms", _number(row, "interactive p99, ms"), 150)
    )
    foreign = rig.settings(seconds, bulk=0, foreign=LIMIT / 3)
    progress("shared: beside a foreign app")
    ours = rig.run([shared, shared, foreign])
    rows.append(_row("shared, 2 processes beside a foreign app of 1/3", ours[:2], seconds))
    return {"processes": rows}, targets


def _number(row: Row, name: str) -> float:
    value = row[name]
    assert isinstance(value, (int, float))
    return float(value)


def _bookings(dsn: str, count: int) -> dict[str, Any]:
    """Book one slot at a time while another transaction is open, and time the last of them."""
    import psycopg

    book = "select * from zra_book('bench', 'LIGHT', null, 1, array[0]::float8[], '{}', '{}', '{}', null, 0.1)"
    times: list[float] = []
    with psycopg.connect(dsn) as reader, psycopg.connect(dsn, autocommit=True) as connection:
        reader.execute("select txid_current()")
        for _ in range(count):
            began = time.perf_counter()
            connection.execute(book, prepare=True)
            times.append(time.perf_counter() - began)
    last = sorted(times[-1000:])
    return {
        "bookings": count,
        "median, ms": round(1000 * statistics.median(last), 3),
        "p99, ms": round(1000 * last[int(0.99 * len(last))], 3),
    }
