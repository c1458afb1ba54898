"""One item on its way: main file, transcript, metadata, conversation, each step noted before and after."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from zra_async import errors
from zra_async.bulk.ingest.add import Adder, NotReached
from zra_async.bulk.ingest.budget import in_parts, requests_of
from zra_async.bulk.ingest.item import Checked, FileStep
from zra_async.bulk.ingest.ledger import Entry, IngestLedger, Step
from zra_async.bulk.ingest.report import ItemOutcome
from zra_async.bulk.polling import Polling, passing
from zra_async.files.journal import JournalFile
from zra_async.files.uploads import Files
from zra_async.osfiles.threads import to_thread
from zra_async.results.uploads import UploadState

_MOST_BEGINNINGS = 4
_MOST_ROUNDS = 6


class _BeginAnew(Exception):
    """The signal that the uploads of an item cannot be continued."""


@dataclass(frozen=True, slots=True)
class ItemUploader:
    """Carries items, one `carry` for each.

    `sent` is told of the bytes that were uploaded, and `warned` of what is wrong with the attachments of an item.
    """

    files: Files
    adder: Adder
    ledger: IngestLedger
    patience: Polling
    single_limit: int
    sent: Callable[[int], None]
    warned: Callable[[str, Sequence[str]], None]

    async def carry(self, item: Checked, entry: Entry) -> ItemOutcome:
        """Bring an item from where it is to its end.

        A file whose answer was lost is sent again, since a main file without a conversation does no harm. What two
        transcripts of one main file would be is not documented, so where one of those is in doubt, all begins anew
        with a new main file.

        Raises `NotReached`, and the error of a refusal.
        """
        if item.cloud is not None:
            return await self.adder.add_recording(item.cloud, entry)
        entry, outcome = await self._taken_up(item, entry)
        if outcome is not None:
            return outcome
        own = False  # whether the main file is of this run
        for asked in range(_MOST_BEGINNINGS):
            try:
                while entry.step != "add":
                    own = own or entry.step == "main"
                    entry = await self._upload(item, entry)
                return await self.adder.add(item, entry)
            except _BeginAnew:
                entry = await self._anew(item, entry)
                await asyncio.sleep(self.patience.delay(asked))
            except errors.NotFound as unknown:
                # the service has forgotten a file of long ago; one of this run it must know
                if own or not entry.main_file_id or "file" not in unknown.message.casefold():
                    raise
                entry = await self._anew(item, entry)
        raise NotReached(f"its files were begun {_MOST_BEGINNINGS} times, and an answer was lost each time")

    async def requests(self, item: Checked, entry: Entry, per_day: int | None) -> dict[str, int]:
        """Return the number of requests that the remaining files need, by label."""
        needs: dict[str, int] = {}
        for file in item.files[_place(item, entry.step) :]:
            journal = None
            if in_parts(file, self.single_limit) and file.step == entry.step:
                journal = await to_thread(_peek, self._journal(entry))
            for label, count in requests_of(file, self.single_limit, per_day, journal).items():
                needs[label] = needs.get(label, 0) + count
        return needs

    async def _taken_up(self, item: Checked, entry: Entry) -> tuple[Entry, ItemOutcome | None]:
        """Settle what an earlier run left: an addition in doubt, an attachment in doubt, or changed files."""
        entry, outcome = await self.adder.resolve(entry)
        if outcome is not None:
            return entry, outcome
        attached = entry.step in ("transcript", "metadata")
        if entry.fingerprint != item.fingerprint or (attached and entry.begun):
            entry = await self._anew(item, entry)
        return entry, None

    async def _anew(self, item: Checked, entry: Entry) -> Entry:
        await to_thread(self._forget, entry)
        return await self.ledger.save(
            replace(
                entry,
                fingerprint=item.fingerprint,
                state="open",
                step=first_step(item),
                begun=False,
                generation=entry.generation + 1,
                main_file_id="",
                since=0.0,
            )
        )

    async def _upload(self, item: Checked, entry: Entry) -> Entry:
        """Upload the file of the present step, which the ledger knows as begun, and give the entry of the next.

        The end of one step and the beginning of the next are one commit; that of the last is left to the addition.
        """
        place = _place(item, entry.step)
        file = item.files[place]
        if not entry.begun:
            entry = await self.ledger.save(replace(entry, state="open", begun=True))
        journal = self._journal(entry) if in_parts(file, self.single_limit) else None
        if journal is not None:
            await to_thread(_make_folder, journal.parent)
        file_id = await self._until_stored(file, entry, journal)
        last = place + 1 == len(item.files)
        following = "add" if last else item.files[place + 1].step
        main = file_id if file.step == "main" else entry.main_file_id
        after = replace(entry, step=cast(Step, following), begun=not last, main_file_id=main)
        if journal is not None or not last:
            await self.ledger.save(after)
        if journal is not None:
            await to_thread(self._forget, entry)
        return after

    async def _until_stored(self, file: FileStep, entry: Entry, journal: Path | None) -> str:
        problem: errors.ZRAError | None = None
        for asked in range(_MOST_ROUNDS):
            try:
                stored = await self.files.upload(
                    file.source,
                    file_name=file.name,
                    main_file_id=entry.main_file_id or None,
                    source_system=file.source_system,
                    journal=journal,
                )
            except (errors.AmbiguousWrite, errors.UploadUncertain, errors.UnexpectedAnswer) as lost:
                if file.step != "main" or isinstance(lost, errors.UploadUncertain):
                    raise _BeginAnew from lost
                problem = lost
            except errors.ZRAError as failure:
                problem = failure.reason if isinstance(failure, errors.UploadInterrupted) else failure  # type: ignore[assignment]
                assert problem is not None
                if not passing(problem):
                    await self.ledger.save(replace(entry, begun=False))
                    raise problem from failure
                await asyncio.sleep(self.patience.delay(asked))
            else:
                self.sent(stored.size)
                self.warned(entry.key, stored.warnings)
                return stored.file_id
        if file.step != "main":  # none of these attempts was lost: the next run may try again
            await self.ledger.save(replace(entry, begun=False))
        raise NotReached(f"{file.step}: {problem}")

    # ------------------------------------------------------------------- journals of uploads in parts

    def _journal(self, entry: Entry) -> Path:
        """Each beginning of an item has its own, for one file at a time."""
        name = hashlib.blake2b(entry.key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return self._journals / f"{name}.{entry.generation}.{entry.step}"

    @property
    def _journals(self) -> Path:
        return self.ledger.path.with_name(self.ledger.path.name + ".uploads")

    def _forget(self, entry: Entry) -> None:
        with contextlib.suppress(OSError):
            self._journal(entry).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove the folder of the journals if none is left; during a run somebody may be about to use it."""
        with contextlib.suppress(OSError):
            self._journals.rmdir()


def first_step(item: Checked) -> Step:
    """With what an item begins."""
    return "main" if item.files else "add"


def _place(item: Checked, step: str) -> int:
    """Return the position of a step among the files of an item; behind them if it is none of them."""
    return next((number for number, file in enumerate(item.files) if file.step == step), len(item.files))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as problem:
        raise errors.LedgerError(f"{folder} cannot be made: {problem.strerror}") from problem


def _peek(path: Path) -> UploadState | None:
    """Return the state in a journal; None if nothing in it can be resumed."""
    if not path.exists():
        return None
    journal = JournalFile(path)
    try:
        return journal.load()
    finally:
        journal.close()
