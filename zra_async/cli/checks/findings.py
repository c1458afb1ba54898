"""The findings of ``zra check``: pure judgements of scopes, plan and clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from zra_async.api.registry import OPERATIONS
from zra_async.bulk.crm.kinds import CHAIN, LEADS
from zra_async.bulk.export.streams import STREAMS
from zra_async.cli.checks.probe import Probe
from zra_async.cli.commands.resources import LISTS, SINGLES
from zra_async.cli.exits import Exit
from zra_async.cli.output.wording import count, duration
from zra_async.core.limits import PLANS, Plan, Rate
from zra_async.core.operation import Label, Operation

State = Literal["ok", "note", "problem"]
TOLERANCE = timedelta(seconds=30)
_CRM = (*CHAIN, LEADS)
_UPLOADS = ("files.upload_single", "files.upload_part", "files.upload_events")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFinding:
    """One thing that was looked at, what is the matter with it, and what to do."""

    subject: str
    state: State
    text: str
    advice: str = ""
    exit_code: int = Exit.OK


def network(probes: Iterable[Probe]) -> list[CheckFinding]:
    """Judge which hosts can be reached."""
    return [
        CheckFinding(
            subject="network", state="problem", text=f"{p.host}: {p.problem}", advice=p.advice, exit_code=Exit.ERROR
        )
        if p.problem
        else CheckFinding(subject="network", state="ok", text=_reached(p))
        for p in probes
    ]


def _reached(probe: Probe) -> str:
    way = " through the proxy" if probe.through_proxy else ""
    return f"{probe.host} answers in {probe.seconds * 1000:.0f} ms{way}"


def clock(probes: Iterable[Probe]) -> CheckFinding | None:
    """Compare this machine's clock with those of the hosts; None if no host told its time."""
    told = [probe.ahead for probe in probes if probe.ahead is not None]
    if not told:
        return None
    ahead = sorted(told)[len(told) // 2]
    if abs(ahead) <= TOLERANCE:
        return CheckFinding(subject="clock", state="ok", text="agrees with the service")
    side = "behind" if ahead > timedelta(0) else "ahead of"
    return CheckFinding(
        subject="clock",
        state="problem",
        text=f"this machine is {duration(abs(ahead.total_seconds()))} {side} the service",
        advice="set it (NTP): signatures of webhooks, daily limits and incremental exports go by it",
        exit_code=Exit.ERROR,
    )


# --------------------------------------------------------------------------- scopes


def needs() -> dict[str, tuple[str, ...]]:
    """The operations that each command calls."""
    single = {f"get {name}": (row.operation,) for name, row in SINGLES.items()}
    listed = {f"list {name}": (row.operation,) for name, row in LISTS.items()}
    return {
        **listed,
        **single,
        "upload": _UPLOADS,
        "upload with a conversation": ("conversations.add",),
        "download": ("conversations.get",),
        "ingest": (*_UPLOADS, "conversations.add", "conversations.list"),
        "ingest of cloud recordings": ("conversations.add_recording",),
        **{f"export of {name}": _names(*spec.lists, *spec.reads) for name, spec in STREAMS.items()},
        **{f"crm import of {kind.name}": ("crm.registration", kind.operation.name, "crm.task") for kind in _CRM},
    }


def _names(*operations: Operation[Any]) -> tuple[str, ...]:
    # a download is no operation of the API: what it needs is the link, which another one gives
    return tuple(dict.fromkeys(operation.name for operation in operations if operation.name in OPERATIONS))


def permitted(operation: Operation[Any], scopes: Collection[str]) -> bool:
    """Return True if ``scopes`` hold one that is enough for an operation."""
    enough = (*operation.scopes, *operation.granular_scopes)
    return not enough or any(scope in scopes for scope in enough)


def missing(scopes: Collection[str]) -> dict[str, list[str]]:
    """Return the commands that lack a scope, by the scope that would be enough."""
    lacking: dict[str, list[str]] = {}
    for command, names in needs().items():
        for operation in (OPERATIONS[name] for name in names):
            if not permitted(operation, scopes):
                commands = lacking.setdefault(advised(operation, scopes), [])
                commands += [] if command in commands else [command]
    return lacking


def advised(operation: Operation[Any], scopes: Collection[str]) -> str:
    """The scope to add: of the kind that the app has already, account-wide, and to read where that is enough."""
    granular = any(scope.startswith("zra:") for scope in scopes)
    names: Sequence[str] = (operation.granular_scopes if granular else operation.scopes) or operation.scopes
    ranked = sorted(names, key=lambda name: (not name.endswith(":admin"), "read" not in name))
    return ranked[0] if ranked else ""


def scope_findings(scopes: Collection[str] | None) -> list[CheckFinding]:
    """Judge the scopes of a token; None if the token endpoint did not tell them."""
    if scopes is None:
        return [CheckFinding(subject="scopes", state="note", text="the token endpoint does not tell them")]
    current = [row for row in OPERATIONS.values() if row.prefix == "zra"]
    allowed = sum(permitted(row, scopes) for row in current)
    if not allowed:
        return [
            CheckFinding(
                subject="scopes",
                state="problem",
                text="the app has none of the Revenue Accelerator's scopes",
                advice="add scopes to the app in the Zoom App Marketplace, then fetch a new token",
                exit_code=Exit.SETUP,
            )
        ]
    if allowed == len(current):
        return [CheckFinding(subject="scopes", state="ok", text=f"all {count(allowed, 'operation')} are permitted")]
    found = [CheckFinding(subject="scopes", state="note", text=f"{allowed} of {len(current)} operations are permitted")]
    found += [
        CheckFinding(subject="scopes", state="note", text=f"without {scope}: no {_listed(commands)}")
        for scope, commands in missing(scopes).items()
    ]
    advice = "add the scopes that you need to the app in the Zoom App Marketplace"
    return [*found, CheckFinding(subject="scopes", state="note", text=advice)]


def _listed(commands: Sequence[str]) -> str:
    """Commands in few words: those that share their beginning are named once."""
    grouped: dict[str, list[str]] = {}
    for command in commands:
        verb, _, rest = command.rpartition(" ")
        grouped.setdefault(verb, []).append(rest)
    return "; ".join(f"{verb} {', '.join(rest)}".strip() for verb, rest in grouped.items())


# --------------------------------------------------------------------------- plan


def plans_in(headers: Mapping[str, str]) -> tuple[Plan, ...]:
    """The plans whose limits agree with the X-RateLimit headers of an answer; none where they do not tell."""
    label = headers.get("X-RateLimit-Category", "").upper()
    limit = headers.get("X-RateLimit-Limit", "").strip()
    kind = headers.get("X-RateLimit-Type", "").casefold()
    if label not in Label.__members__.values() or not limit.isdigit():
        return ()
    rates: dict[Plan, Rate] = {plan: rates[Label(label)] for plan, rates in PLANS.items()}
    if "daily" in kind:
        return tuple(plan for plan, rate in rates.items() if rate.per_day == int(limit))
    return tuple(plan for plan, rate in rates.items() if rate.count == int(limit))


def plan_finding(headers: Mapping[str, str], configured: Plan) -> CheckFinding:
    """Judge whether the plan that sets this client's limits is the account's."""
    plans = plans_in(headers)
    if not plans:
        text = f"the service does not tell it; the limits of {configured!r} are kept"
        return CheckFinding(subject="plan", state="note", text=text, advice="set ZRA_PLAN or --plan if it is another")
    if configured in plans:
        return CheckFinding(subject="plan", state="ok", text=f"{configured!r}, as the service's headers say")
    return CheckFinding(
        subject="plan",
        state="problem",
        text=f"the service keeps the limits of {' or '.join(plans)}, but {configured!r} is configured",
        advice=f"set ZRA_PLAN={plans[0]}",
        exit_code=Exit.SETUP,
    )
