"""``zra check``: what is wrong with credentials, scopes, plan, clock and network, and what to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import anyio
import msgspec

from zra_async import errors
from zra_async.api.registry import OPERATIONS
from zra_async.cli.checks import findings
from zra_async.cli.checks.findings import CheckFinding
from zra_async.cli.checks.probe import Endpoint, Probe, probe
from zra_async.cli.connection import Settings, settings_of
from zra_async.cli.exits import Exit
from zra_async.cli.failures import explain
from zra_async.cli.frame import Frame, subcommand
from zra_async.cli.output.wording import clean
from zra_async.client import ZRAClient
from zra_async.core.auth import Auth, AuthContext
from zra_async.core.secret import Secret
from zra_async.core.wire import Reply

#: what is asked for first to see whether calls work: short answers that need no id
_TRIED = ("conversations.list", "deals.list", "teams.list", "indicators.list", "meetings.list", "crm.registration")
_MARKS = {"ok": "ok", "note": "note", "problem": "WRONG"}


@subcommand("check", reports=True)
async def command(frame: Frame) -> int:
    """Find out what is wrong with credentials, scopes, plan, clock or network, and what to do.

    Fetches a token, makes one call that reads, and changes nothing. Exits with 0 when commands will work, with 4 for
    a problem of configuration, credentials or scopes, with 1 for one of network or clock.
    """
    scopes: Sequence[str] | None = None
    found: list[CheckFinding] = []
    try:
        async with settings_of(frame.connection) as settings:
            probes = await _probes(settings)
            found += findings.network(probes)
            skew = findings.clock(probes)
            found += [skew] if skew else []
            examined, scopes = await _account(settings, frame)
            found += examined
    except errors.ConfigurationError as error:
        found.append(_configuration(error))
    code = _exit(found)
    frame.output.report(
        {"ok": code == Exit.OK, "findings": [dataclasses.asdict(f) for f in found], "scopes": scopes},
        lambda: "".join(map(_lines, found)),
    )
    return code


class WatchedAuth:
    """Another authentication with an ear at the token endpoint: `scopes` is what the latest token may do."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self.api_url: str = ""
        self.scopes: tuple[str, ...] | None = None

    def bind(self, context: AuthContext) -> None:
        """Take the means of the client, and listen to its posts."""

        async def post(url: str, form: Mapping[str, str], header: str, timeout: float) -> tuple[int, bytes]:
            status, body = await context.post_form(url, form, header, timeout)
            if status == 200:
                self.scopes = _scopes_in(body)
            return status, body

        self._auth.bind(msgspec.structs.replace(context, post_form=post))

    async def header(self) -> Secret:
        """The header of a good token."""
        header = await self._auth.header()
        self.api_url = self._auth.api_url
        return header

    def invalidate(self, header: str) -> bool:
        """Drop a refused token."""
        return self._auth.invalidate(header)


class _Granted(msgspec.Struct):
    scope: str | None = None


def _scopes_in(body: bytes) -> tuple[str, ...] | None:
    try:
        told = msgspec.json.decode(body, type=_Granted).scope
    except msgspec.MsgspecError:
        return None
    return None if told is None else tuple(told.split())


async def _probes(settings: Settings) -> list[Probe]:
    hosts = settings.hosts
    addresses = list(dict.fromkeys(Endpoint.of(url) for url in (hosts.token, hosts.api, hosts.file) if url))
    done: dict[Endpoint, Probe] = {}

    async def one(address: Endpoint) -> None:
        done[address] = await probe(address)

    async with anyio.create_task_group() as group:
        for address in addresses:
            group.start_soon(one, address)
    return [done[address] for address in addresses]


async def _account(settings: Settings, frame: Frame) -> tuple[list[CheckFinding], Sequence[str] | None]:
    """Fetch a token, look at its scopes, and make one call."""
    auth = WatchedAuth(settings.auth)
    async with settings.client(frame.observer, auth=auth) as zra:
        try:
            await auth.header()
        except errors.ZRAError as error:
            return [_failed("credentials", error)], None
        found = [CheckFinding(subject="credentials", state="ok", text="the app gets tokens")]
        found += findings.scope_findings(auth.scopes)
        called, reply = await _one_call(zra, auth.scopes)
        found += called
        if reply is not None:
            found.append(findings.plan_finding(reply.headers, settings.plan))
        return found, auth.scopes


async def _one_call(zra: ZRAClient, scopes: Sequence[str] | None) -> tuple[list[CheckFinding], Reply | None]:
    names = [name for name in _TRIED if scopes is None or findings.permitted(OPERATIONS[name], scopes)]
    if not names:
        return [], None
    name = names[0]
    query = {"page_size": 1} if name.endswith(".list") else None
    try:
        reply = await zra.raw(name, query=query)
    except errors.NotFound:
        return [CheckFinding(subject="api", state="ok", text=f"{name} answers")], None
    except errors.CallError as error:
        return [_failed("api", error)], None
    return [CheckFinding(subject="api", state="ok", text=f"{name} answers")], reply


def _failed(subject: str, error: Exception) -> CheckFinding:
    failure = explain(error)
    advice = "" if failure.passing else _ADVICE.get(type(error), "")
    return CheckFinding(
        subject=subject, state="problem", text=failure.message, advice=advice, exit_code=failure.exit_code
    )


def _configuration(error: errors.ConfigurationError) -> CheckFinding:
    """Judge the environment: missing credentials, or a value that is not valid."""
    missing = str(error).startswith("set ")
    found = _failed("credentials" if missing else "environment", error)
    return found if missing else dataclasses.replace(found, advice="")


_ADVICE: dict[type[Exception], str] = {
    errors.ConfigurationError: "take them from your server-to-server OAuth app in the Zoom App Marketplace; "
    "to try it without an account: --sandbox",
    errors.TokenError: "compare the variables with the app's page in the Zoom App Marketplace, and activate the app",
    errors.PermissionDenied: "the account needs a Revenue Accelerator licence, and the app's owner a role that may",
}


def _exit(found: Sequence[CheckFinding]) -> int:
    codes = [finding.exit_code for finding in found]
    return max(codes, default=Exit.OK)


def _lines(finding: CheckFinding) -> str:
    text = f"{_MARKS[finding.state]:<6}{finding.subject:<13}{clean(finding.text)}\n"
    return text + (f"{'':<19}→ {finding.advice}\n" if finding.advice else "")
