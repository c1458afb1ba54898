"""The custom CRM of the account: its registration, its records, and the import tasks that bring them."""

from __future__ import annotations

import base64
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.world.crm_schema import SCHEMAS, Kind, Registration, record_problem

if TYPE_CHECKING:
    from zra_async.sandbox.clock import Clock
    from zra_async.sandbox.options import Options

TASK_LIFETIME = 86_400

Status = Literal["PENDING", "RUNNING", "SUCCESS", "FAILED"]


@dataclass(slots=True)
class Task:
    """One import. Times are seconds of the clock; the records are let go once they are applied."""

    task_id: str
    kind: Kind
    created: float
    starts: float
    ends: float
    total: int
    records: Sequence[Any] = ()
    errors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def status(self, now: float) -> Status:
        """Tell where the task stands."""
        if now < self.starts:
            return "PENDING"
        if now < self.ends:
            return "RUNNING"
        return "FAILED" if self.total and len(self.errors) == self.total else "SUCCESS"

    def answer(self, now: float) -> dict[str, Any]:
        """Write it as the service answers it."""
        status = self.status(now)
        body: dict[str, Any] = {
            "task_id": self.task_id,
            "task_type": f"IMPORT_{self.kind.upper()}",
            "task_status": status,
            "total_count": self.total,
            "success_count": 0,
            "failed_count": 0,
            "create_time": timestamp(self.created),
            "modify_time": timestamp(max(time for time in (self.created, self.starts, self.ends) if time <= now)),
        }
        if status != "PENDING":
            body["start_time"] = timestamp(self.starts)
        if status in ("SUCCESS", "FAILED"):
            failed = len(self.errors)
            body |= {"success_count": self.total - failed, "failed_count": failed, "errors": self.errors}
            body["end_time"] = timestamp(self.ends)
        return body


class Crm:
    """The state of the custom CRM; every reading first applies the imports whose time has come, in their order."""

    def __init__(self, options: Options, clock: Clock) -> None:
        #: tells whether the owner of a deal is a licensed user; None: any address will do
        self.is_licensed: Callable[[str], bool] | None = None
        self._clock = clock
        self._task_seconds = options.task_seconds
        self._random = random.Random(f"{options.seed} crm")
        self._zra_prefix = f"OPENAPI{self._token()}"
        self._registration: Registration | None = None
        self._registered_at = ""
        # Encoded records take a quarter of the memory of decoded ones.
        self._records: dict[Kind, dict[str, bytes]] = {kind: {} for kind in SCHEMAS}
        self._tasks: dict[str, Task] = {}
        self._waiting: deque[Task] = deque()

    # Registration

    def register(self, registration: Registration) -> dict[str, Any]:
        """Connect a CRM: 409 where one is connected already."""
        if self._registration:
            raise ApiError(409, 409, "Already connected to a CRM or CRM API.")
        self._registration = registration
        self._registered_at = timestamp(self._clock.time())
        return self.registration()

    def registration(self) -> dict[str, Any]:
        """Write the registration as the service answers it: 404 where there is none."""
        if self._registration is None:
            raise ApiError(404, 404, "Not connected to a CRM API.")
        return self._registration.answer(self._registered_at)

    def unregister(self, *, remove_all: bool) -> None:
        """Disconnect the CRM; its records stay unless ``remove_all``."""
        self.registration()
        self._settle()
        self._registration = None
        if remove_all:
            for records in self._records.values():
                records.clear()

    # Imports

    def submit(self, kind: Kind, records: Sequence[Any]) -> str:
        """Queue an import and give its task id: 409 where no CRM is connected."""
        self._require_connection()
        self._settle()
        now = self._clock.time()
        starts = now + self._task_seconds
        ends = starts + self._task_seconds
        task = Task(self._token(), kind, now, starts, ends, total=len(records), records=records)
        self._tasks[task.task_id] = task
        self._waiting.append(task)
        return task.task_id

    def task(self, task_id: str) -> dict[str, Any]:
        """Write a task as the service answers it: 404 where it is unknown or older than a day."""
        # one reading of the clock for both: a task that ends in between would show no errors yet
        now = self._settle()
        task = self._tasks.get(task_id)
        if task is None:
            raise ApiError(404, 404, "Task does not exist or has expired.")
        return task.answer(now)

    # Records

    def find(self, kind: Kind, crm_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Give the records of these ids, each with its id in Zoom; unknown ids are left out. 409 without a CRM."""
        self._require_connection()
        self._settle()
        held = self._records[kind]
        return [self._decode(kind, crm_id, held[crm_id]) for crm_id in dict.fromkeys(crm_ids) if crm_id in held]

    def records(self, kind: Kind) -> list[dict[str, Any]]:
        """Give every record of a kind, whether a CRM is connected or not."""
        self._settle()
        return [self._decode(kind, crm_id, encoded) for crm_id, encoded in self._records[kind].items()]

    def count(self, kind: Kind) -> int:
        """Count the records of a kind."""
        self._settle()
        return len(self._records[kind])

    def _decode(self, kind: Kind, crm_id: str, encoded: bytes) -> dict[str, Any]:
        return {f"zra_{SCHEMAS[kind].noun}_id": f"{self._zra_prefix}{crm_id}", **msgspec.json.decode(encoded)}

    def _require_connection(self) -> None:
        if self._registration is None:
            raise ApiError(409, 409, "Not connected to CRM API.")

    def _settle(self) -> float:
        now = self._clock.time()
        while self._waiting and self._waiting[0].ends <= now:
            self._apply(self._waiting.popleft())
        while self._tasks and (oldest := next(iter(self._tasks.values()))).created + TASK_LIFETIME < now:
            del self._tasks[oldest.task_id]
        return now

    def _apply(self, task: Task) -> None:
        records, task.records = task.records, ()
        id_field = SCHEMAS[task.kind].id_field
        for index, record in enumerate(records):
            fields = cast("dict[str, Any]", record) if isinstance(record, dict) else {}
            problem = self._problem(task.kind, fields)
            if problem:
                crm_id = fields.get(id_field)
                record_id = crm_id if isinstance(crm_id, str) else ""
                task.errors.append({"record_index": index, "record_id": record_id, "detail": problem})
            elif fields.get("deletion"):
                self._records[task.kind].pop(fields[id_field], None)
            else:
                self._upsert(task.kind, fields)

    def _problem(self, kind: Kind, record: Mapping[str, Any]) -> str | None:
        if self._registration is None:
            return "not connected to CRM API"
        problem = record_problem(SCHEMAS[kind], record)
        if problem or record.get("deletion"):
            return problem
        if kind == "deals" and record["stage"] not in self._registration.stage_names():
            return f"deal stage '{record['stage']}' is not registered"
        if kind == "deals" and self.is_licensed and not self.is_licensed(record["owner_email"]):
            return f"owner_email '{record['owner_email']}' is not a licensed user"
        account = record.get("crm_account_id")
        if kind in ("contacts", "deals") and account is not None and account not in self._records["accounts"]:
            return f"crm_account_id '{account}' does not exist"
        for contact in record.get("contacts") or ():
            if contact["crm_contact_id"] not in self._records["contacts"]:
                return f"crm_contact_id '{contact['crm_contact_id']}' does not exist"
        return None

    def _upsert(self, kind: Kind, record: Mapping[str, Any]) -> None:
        schema = SCHEMAS[kind]
        crm_id = record[schema.id_field]
        held = self._records[kind].get(crm_id)
        if held and _modified(record) < _modified(msgspec.json.decode(held)):
            return  # a late, older version of the record succeeds without a trace
        kept = {name: record[name] for name in schema.fields if record.get(name) is not None and name != "deletion"}
        self._records[kind][crm_id] = msgspec.json.encode(kept)

    def _token(self) -> str:
        return base64.urlsafe_b64encode(self._random.randbytes(16)).decode().rstrip("=")


def timestamp(seconds: float) -> str:
    """Write seconds since the epoch as ``yyyy-MM-ddTHH:mm:ssZ``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _modified(record: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(record["modify_time"])
