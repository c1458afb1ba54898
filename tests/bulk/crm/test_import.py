"""Imports into the sandbox: complete, in order, every failure at its own record, whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.bulk.crm import child as crm_child
from tests.bulk.crm import data as crm_data
from tests.children import Arrival, Step, die, finish
from zra_async import Label, Rate, RetryPolicy, ZRAClient, errors
from zra_async.api.crm.records import AccountRecord, ContactRecord
from zra_async.bulk.polling import Polling
from zra_async.core.events import JobProgress
from zra_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.slow

FAST = {label: Rate(100_000) for label in Label}
SOON = Polling(first=0.02, longest=0.1)
KINDS = ("accounts", "contacts", "deals", "leads")


@asynccontextmanager
async def service(*, register: bool = True, **options: Any) -> AsyncIterator[tuple[Sandbox, ZRAClient]]:
    settings: dict[str, Any] = {"conversations": 10, "limits": False, "task_seconds": 0.02, **options}
    async with Sandbox(**settings) as sandbox, sandbox.client(limits=FAST, retry=RetryPolicy(base=0.02)) as zra:
        if register:
            await zra.crm.register("test", deal_stages=crm_data.STAGES)
        yield sandbox, zra


def owner(sandbox: Sandbox) -> str:
    return sandbox.world.users[0].email


def some(sandbox: Sandbox, count: int) -> dict[str, list[dict[str, Any]]]:
    return {kind: list(crm_data.records(kind, count, owner=owner(sandbox))) for kind in KINDS}


def write_jsonl(path: Path, records: Any) -> None:
    with path.open("wb") as file:
        for record in records:
            file.write(msgspec.json.encode(record) + b"\n")


def write_csv(path: Path, records: Any) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer: csv.DictWriter[str] | None = None
        for record in records:
            if writer is None:
                writer = csv.DictWriter(file, list(record), restval="")
                writer.writeheader()
            contacts = record.get("contacts")
            cells = {"contacts": ";".join(c["crm_contact_id"] for c in contacts)} if contacts else {}
            writer.writerow(record | cells)


def stored(sandbox: Sandbox, kind: str) -> list[str]:
    name = f"crm_{kind[:-1]}_id"
    return sorted(record[name] for record in sandbox.account.crm.records(kind))  # type: ignore[arg-type]


def expected(kind: str, count: int) -> list[str]:
    return sorted(f"{kind[0].upper()}{number}" for number in range(count) if not crm_data.is_bad(number))


async def child(sandbox: Sandbox, folder: Path, *arguments: object) -> asyncio.subprocess.Process:
    env = os.environ | sandbox.environment() | {"PYTHONPATH": str(Path(__file__).parents[3])}
    (folder / "failed").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.bulk.crm.child", str(folder), *map(str, arguments)]
    return await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.PIPE)


async def finished(process: asyncio.subprocess.Process) -> dict[str, Any]:
    output, _ = await process.communicate()
    assert process.returncode == 0
    return msgspec.json.decode(output)  # type: ignore[no-any-return]


def check_failures(folder: Path, count: int) -> None:
    """Each bad record is there once, with its own line and its own content."""
    lines = [msgspec.json.decode(line) for line in (folder / "failed" / "failed.jsonl").read_bytes().splitlines()]
    bad = [number for number in range(count) if crm_data.is_bad(number)]
    for kind in KINDS:
        own = sorted((line for line in lines if line["kind"] == kind), key=lambda line: line["index"])
        assert [line["index"] for line in own] == bad
        first = 2 if (folder / f"{kind}.csv").exists() else 1
        assert [line["line"] for line in own] == [number + first for number in bad]
        for line in own:
            assert line["crm_id"] == line["record"][f"crm_{kind[:-1]}_id"] == f"{kind[0].upper()}{line['index']}"
            words = "does not exist" if line["sent"] else "modify_time is required"
            assert words in line["reason"]
    assert Counter(line["sent"] for line in lines if line["kind"] == "contacts") == {
        True: len(bad) // 2,
        False: len(bad) // 2,
    }


async def test_a_hundred_thousand_records_with_one_percent_bad_ones(tmp_path: Path) -> None:
    """Each bad record is reported at its own line, all others are stored once, and memory is flat."""
    peaks = {}
    for count in (5_000, 25_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        async with service() as (sandbox, _):
            for kind in KINDS:
                write = write_csv if kind in ("contacts", "deals") else write_jsonl
                suffix = "csv" if write is write_csv else "jsonl"
                write(folder / f"{kind}.{suffix}", crm_data.records(kind, count, owner=owner(sandbox)))
            report = await finished(await child(sandbox, folder, 500, tmp_path / f"{count}.ledger"))
            check_failures(folder, count)
            for kind in KINDS:
                assert stored(sandbox, kind) == expected(kind, count)
                bad = count // 100
                assert report["kinds"][kind] == {
                    "read": count, "imported": count - bad, "failed": bad, "unexplained": 0, "reused": 0,
                }  # fmt: skip
        peaks[count] = report["peak_kib"]
    assert peaks[25_000] < peaks[5_000] * 1.1, peaks


#: one after the other with the same ledger
INSTANTS = [
    Step("statement", 1),
    Step("statement", 9),
    Step("answer", 1),
    Arrival("POST /crm/accounts", 2),
    Step("answer", 9),
    Step("statement", 25),
    Arrival("GET /crm/tasks/{taskId}", 7),
    Arrival("POST /crm/contacts", 3),
    Step("statement", 60),
    Step("answer", 30),
    Arrival("POST /crm/deals", 2),
    Step("statement", 110),
]


async def test_an_import_killed_at_any_instant_goes_on_where_it_was(tmp_path: Path) -> None:
    """Killed again and again, then finished: the same records and failures, each once, and little is sent twice."""
    count, chunk = 3_000, 100
    given = str(tmp_path), chunk, str(tmp_path / "ledger")
    (tmp_path / "failed").mkdir()
    async with service(task_seconds=0.05) as (sandbox, _):
        for kind in KINDS:
            write_jsonl(tmp_path / f"{kind}.jsonl", crm_data.records(kind, count, owner=owner(sandbox)))
        for instant in INSTANTS:
            await die(instant, sandbox, crm_child.run, *given)
        report = await finish(sandbox, crm_child.run, *given)
        check_failures(tmp_path, count)
        for kind in KINDS:
            assert stored(sandbox, kind) == expected(kind, count)
        assert sum(counts["reused"] for counts in report["kinds"].values()) > 0
        posts = sum(n for name, n in sandbox.stats.operations.items() if name.startswith("POST /zra/crm/"))
        # at most what was under way at each kill is sent twice: 8 chunks of a kind and 8 of leads
        assert posts <= 1 + 4 * count // chunk + 16 * len(INSTANTS)


async def test_killed_before_the_failures_are_in_their_place(tmp_path: Path) -> None:
    """An import that dies when all is sent brings the same failures when it is run again."""
    given = str(tmp_path), 100, str(tmp_path / "ledger")
    (tmp_path / "failed").mkdir()
    async with service() as (sandbox, _):
        for kind in KINDS:
            write_jsonl(tmp_path / f"{kind}.jsonl", crm_data.records(kind, 400, owner=owner(sandbox)))
        await die(Step("replace", 1), sandbox, crm_child.run, *given)
        assert not (tmp_path / "failed" / "failed.jsonl").exists()
        await finish(sandbox, crm_child.run, *given)
        check_failures(tmp_path, 400)
        for kind in KINDS:
            assert stored(sandbox, kind) == expected(kind, 400)


async def test_after_its_end_an_import_begins_anew(tmp_path: Path) -> None:
    """A ledger is about one import: the next one with the same ledger sends everything again."""
    async with service() as (sandbox, zra):
        records = some(sandbox, 300)
        for _ in range(2):
            report = await zra.crm.import_all(**records, ledger=tmp_path / "ledger", polling=SOON)
            assert sum(counts.reused for counts in report.kinds.values()) == 0
        assert sandbox.stats.operations["POST /zra/crm/leads"] == 2


async def test_a_changed_input_is_sent_from_where_it_differs(tmp_path: Path) -> None:
    """After an interruption, chunks with other records are sent, and so are the kinds that refer to them."""
    async with service() as (sandbox, zra):
        records = some(sandbox, 40)
        sandbox.faults.add(Fault(operation="POST /crm/deals", status=400))
        with pytest.raises(errors.BadRequest):
            await zra.crm.import_all(**records, ledger=tmp_path / "ledger", polling=SOON, chunk_records=10)
        sandbox.faults.clear()
        records["accounts"][25]["account_name"] = "Renamed"
        before = Counter(sandbox.stats.operations)
        report = await zra.crm.import_all(**records, ledger=tmp_path / "ledger", polling=SOON, chunk_records=10)
        sent = Counter(sandbox.stats.operations) - before
        assert (sent["POST /zra/crm/accounts"], sent["POST /zra/crm/contacts"], sent["POST /zra/crm/leads"]) == (
            2,
            4,
            0,
        )
        assert (report.kinds["accounts"].reused, report.kinds["leads"].reused, report.partial) == (20, 40, False)
        [renamed] = await zra.crm.accounts.get(["A25"])
        assert renamed.account_name == "Renamed"


@pytest.mark.parametrize("make", [list, iter, "async"])
async def test_failed_records_are_the_callers_own(make: Any) -> None:
    """What comes back is the very object that was given, with its place, from a list, an iterator or an async one."""
    time = crm_data.MODIFIED
    accounts = [
        AccountRecord(crm_account_id="A0", account_name="Zero", modify_time=time),
        {"crm_account_id": "A1", "account_name": "One"},
        AccountRecord.delete("A9"),
    ]
    contacts = [
        ContactRecord(crm_contact_id="C0", contact_name="N", modify_time=time, crm_account_id="A0"),
        ContactRecord(crm_contact_id="C1", contact_name="N", modify_time=time, crm_account_id="A1"),
        None,
    ]

    async def slowly(values: list[Any]) -> AsyncIterator[Any]:
        for value in values:
            await asyncio.sleep(0)
            yield value

    given: Callable[[list[Any]], Any] = slowly if make == "async" else make
    heard: list[Any] = []
    async with service() as (_, zra):
        report = await zra.crm.import_all(
            accounts=given(accounts), contacts=given(contacts), on_failed=heard.append, polling=SOON
        )
    assert report.failures == tuple(heard)
    assert [(f.kind, f.index, f.line, f.sent) for f in heard] == [
        ("accounts", 1, None, False),
        ("contacts", 2, None, False),
        ("contacts", 1, None, True),
    ]
    assert [f.record for f in heard] == [accounts[1], contacts[2], contacts[1]]
    assert heard[2].record is contacts[1]
    assert "crm_account_id 'A1' does not exist" in heard[2].reason
    assert (report.imported, report.failed, report.partial) == (3, 3, True)


async def test_deletions_remove_records(tmp_path: Path) -> None:
    """A record with ``deletion`` takes its namesake away, from a file as well."""
    async with service() as (sandbox, zra):
        await zra.crm.import_all(accounts=[crm_data.account(n) for n in range(3)], polling=SOON)
        (tmp_path / "gone.csv").write_text("crm_account_id,deletion\nA0,true\nA2,TRUE\n")
        report = await zra.crm.import_all(accounts=tmp_path / "gone.csv", polling=SOON)
        assert stored(sandbox, "accounts") == ["A1"]
        assert report.kinds["accounts"].imported == 2


async def test_each_kind_waits_until_the_one_before_has_ended() -> None:
    """No contact is sent while an account is under way, no deal while a contact is; leads go beside them."""
    async with service(task_seconds=0.1) as (sandbox, zra):
        crm, log = sandbox.account.crm, []
        submit = crm.submit

        def submitted(kind: Any, records: Any) -> str:
            log.append((kind, sandbox.clock.time()))
            return submit(kind, records)

        crm.submit = submitted  # type: ignore[method-assign]
        report = await zra.crm.import_all(**some(sandbox, 40), chunk_records=10, polling=SOON)
        assert not report.partial
    times = {kind: [time for name, time in log if name == kind] for kind in KINDS}
    for before, after in (("accounts", "contacts"), ("contacts", "deals")):
        assert min(times[after]) - max(times[before]) >= 0.2  # waiting and running
    assert min(times["leads"]) < min(times["contacts"])


async def test_lost_answers_and_failures_cost_no_record() -> None:
    """Under lost answers, 5xx, resets and forgotten tasks everything is imported, and each failure told once."""
    mix = [
        Fault(operation="POST /crm/*", lose_answer=True, probability=0.3),
        Fault(operation="* /crm/*", status=503, probability=0.1),
        Fault(operation="* /crm/*", reset="after", probability=0.1),
        Fault(operation="GET /crm/tasks/{taskId}", status=404, times=2),  # of the same chunk, three would be the end
    ]
    async with service() as (sandbox, zra):
        records = some(sandbox, 2_000)
        sandbox.faults.add(*mix)
        report = await zra.crm.import_all(**records, chunk_records=200, polling=SOON)
        assert len(sandbox.faults.struck) > 20
        for kind in KINDS:
            assert stored(sandbox, kind) == expected(kind, 2_000)
        assert Counter(failed.kind for failed in report.failures) == dict.fromkeys(KINDS, 20)
        assert {failed.index for failed in report.failures} == {n for n in range(2_000) if crm_data.is_bad(n)}


async def test_a_chunk_that_is_too_large_goes_in_halves() -> None:
    """A 413 halves the chunk as often as needed; failures keep their places; one record alone is reported."""
    async with service() as (sandbox, zra):
        sandbox.faults.add(Fault(operation="POST /crm/leads", status=413, times=3))
        leads = list(crm_data.records("leads", 200))
        leads[0] = {"crm_lead_id": "L0", "lead_name": "N", "modify_time": crm_data.TIME, "lead_email": "a@b"}
        report = await zra.crm.import_all(leads=leads, polling=SOON)
        assert stored(sandbox, "leads") == expected("leads", 200)
        assert [failed.index for failed in report.failures] == [42, 142]
        sandbox.faults.add(Fault(operation="POST /crm/leads", status=413, times=1))
        report = await zra.crm.import_all(leads=leads[:1], polling=SOON)
        assert [(f.index, f.sent) for f in report.failures] == [(0, True)]
        assert "too large" in report.failures[0].reason


@pytest.mark.parametrize("as_file", [True, False])
async def test_unregistered_stages_are_named_before_anything_is_sent(tmp_path: Path, as_file: bool) -> None:
    """A file or list of deals is looked through first: the error lists the stages, and not one record is sent."""
    async with service() as (sandbox, zra):
        records: dict[str, Any] = some(sandbox, 60)
        for number, stage in ((3, "Lunch"), (50, "Lunch"), (59, "Golf")):
            records["deals"][number]["stage"] = stage
        records["deals"].append({"crm_deal_id": "D99", "deletion": True})
        if as_file:
            write_jsonl(tmp_path / "deals.jsonl", records["deals"])
            records["deals"] = tmp_path / "deals.jsonl"
        with pytest.raises(errors.StagesNotRegistered, match=r"'Lunch' \(2 deals\), 'Golf'") as caught:
            await zra.crm.import_all(**records, polling=SOON)
        assert (caught.value.stages, caught.value.registered) == ({"Lunch": 2, "Golf": 1}, ("Lost", "Open", "Won"))
        assert sandbox.account.crm.count("accounts") == 0
        assert "none of these deals was sent" in str(caught.value)


async def test_the_deals_of_an_iterator_are_looked_at_chunk_by_chunk() -> None:
    """What can be read only once is checked before each chunk is sent, and the error says that others were."""
    async with service() as (sandbox, zra):
        records = some(sandbox, 30)
        records["deals"][25]["stage"] = "Lunch"
        with pytest.raises(errors.StagesNotRegistered, match="other chunks of deals were sent"):
            await zra.crm.import_all(
                accounts=records["accounts"],
                contacts=records["contacts"],
                deals=iter(records["deals"]),
                chunk_records=10,
                polling=SOON,
            )
        assert not {"D20", "D25"} & set(stored(sandbox, "deals"))


async def test_without_a_connected_crm_nothing_is_sent() -> None:
    """The registration is asked for first, and its absence comes with what to do about it."""
    async with service(register=False) as (sandbox, zra):
        with pytest.raises(errors.NotFound, match=r"zra\.crm\.register"):
            await zra.crm.import_all(leads=[crm_data.lead(1)])
        assert not [name for name in sandbox.stats.operations if name.startswith("POST")]


async def test_the_end_of_the_days_calls_stops_an_import_in_good_order(tmp_path: Path) -> None:
    """The report says when to go on, what is with the service is waited for, and the next day goes on from there."""
    async with service() as (sandbox, zra):
        few = FAST | {Label.HEAVY: Rate(100, per_day=3), Label.RESOURCE_INTENSIVE: Rate(100, per_day=3)}
        leads = list(crm_data.records("leads", 50))
        async with sandbox.client(limits=few) as limited:
            report = await limited.crm.import_all(
                leads=leads, ledger=tmp_path / "ledger", chunk_records=10, polling=SOON
            )
        assert report.partial
        assert "used up" in report.stopped
        assert report.resets_at is not None
        assert report.kinds["leads"].imported == sandbox.account.crm.count("leads") == 30
        report = await zra.crm.import_all(leads=leads, ledger=tmp_path / "ledger", chunk_records=10, polling=SOON)
        assert (report.kinds["leads"].reused, report.kinds["leads"].imported, report.stopped) == (30, 49, "")
        assert report.resets_at is None


async def test_progress_is_told_and_a_failing_callback_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Absolute numbers after each chunk, with the total where it is known; callbacks may fail."""
    heard: list[JobProgress] = []

    def deaf(_: object) -> None:
        raise RuntimeError("deaf")

    async with service() as (_, zra):
        await zra.crm.import_all(
            leads=list(crm_data.records("leads", 300)), chunk_records=100, on_event=heard.append, polling=SOON
        )
        report = await zra.crm.import_all(
            leads=crm_data.records("leads", 300), on_event=deaf, on_failed=deaf, polling=SOON
        )
    assert heard[-1] == JobProgress("crm import", "leads", 297, 3, 300)
    assert [event.done for event in heard] == sorted(event.done for event in heard)
    assert report.imported == 297
    assert len([r for r in caplog.records if "it is not called again" in r.message]) == 2


async def test_a_task_that_never_ends_is_given_up() -> None:
    """The wait for a task is bounded."""
    async with service(task_seconds=3600.0) as (_, zra):
        with pytest.raises(errors.DeadlineExceeded, match="has not ended"):
            await zra.crm.import_all(leads=[crm_data.lead(1)], polling=Polling(first=0.02, longest=0.05, limit=0.2))


async def test_impossible_arguments_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    """Nothing to import, one text of records, a wrong file, or the ledger of something else."""
    async with service() as (sandbox, zra):
        for wrong in (
            {},
            {"leads": {"crm_lead_id": "L"}},
            {"leads": b"x"},
            {"leads": 5},
            {"leads": tmp_path / "no.csv"},
        ):
            with pytest.raises(errors.InvalidArgument):
                await zra.crm.import_all(**wrong)  # type: ignore[arg-type]
        with pytest.raises(errors.InvalidArgument, match="failed_to"):
            await zra.crm.import_all(leads=[], failed_to=tmp_path / "missing" / "failed.jsonl")
        (tmp_path / "text").write_text("no database")
        with pytest.raises(errors.LedgerError):
            await zra.crm.import_all(leads=[], ledger=tmp_path / "text")
        report = await zra.crm.import_all(leads=[])
        assert (report.imported, report.partial) == (0, False)
        assert not [name for name in sandbox.stats.operations if name == "POST /zra/crm/leads"]
