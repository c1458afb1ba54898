"""Every exception that the library raises, in one tree.

    ZRAError
    ├── InvalidArgument            an argument was refused before anything was sent (also a ValueError)
    ├── ConfigurationError         the client cannot be set up this way (also a ValueError)
    ├── ClientNotOpen              used before ``async with`` or after it (also a RuntimeError)
    │   └── WrongLoop              used in another event loop, thread or process than the one that opened it
    ├── TokenError                 the token endpoint refused or could not be reached
    ├── SourceError                a file that is being uploaded can no longer be read
    │   └── SourceChanged          it is not the file any more that the upload was begun with
    ├── JournalError               the journal of an upload cannot be read or written
    ├── LedgerError                the ledger of an export, ingest or import cannot be read or written
    ├── ExportIncomplete           an export without a folder could not read everything: ``report`` tells what
    ├── StagesNotRegistered        deals name stages that the registration of the CRM does not have
    ├── StrayCancellation          code of a job raised CancelledError, and nobody had cancelled the job
    ├── InUse                      another task or process works with this journal, download, ledger or folder
    ├── TargetExists               a download would replace a file (also a FileExistsError)
    ├── WebhookRefused             a request that claims to be a webhook is not signed as one
    └── CallError                  one call failed: ``operation`` says which
        ├── APIError               the service answered with an error: status, code, message, tracking id
        │   ├── BadRequest         400
        │   │   └── PageTokenExpired
        │   ├── AuthenticationFailed  401, or the codes of a refused token
        │   ├── PermissionDenied   403
        │   ├── MissingScopes      the token lacks scopes: ``scopes`` names them
        │   ├── NotFound           404
        │   ├── Conflict           409
        │   ├── PayloadTooLarge    413
        │   ├── RateLimited        429, or a limit that this client would have crossed
        │   └── ServerError        5xx
        ├── TransportError         no complete answer arrived
        │   ├── ConnectFailed      the request never left this machine
        │   ├── ConnectionLost     the connection broke while the answer was awaited
        │   └── AttemptTimeout     one attempt took longer than ``timeout`` (also a TimeoutError)
        ├── DeadlineExceeded       the whole call took longer than ``deadline`` (also a TimeoutError)
        ├── AmbiguousWrite         an unsafe write may or may not have been done
        │   └── RedirectedWrite    it was redirected in a way that does not tell (also an UnsafeRedirect)
        ├── UnexpectedAnswer       the answer is not what the reference describes
        │   └── AnswerTooLarge
        ├── UnsafeRedirect         a redirect was not followed, such as one that left the trusted hosts
        ├── PageTokenRepeated      the service sent the same page token twice
        ├── UploadInterrupted      an upload in parts stopped: ``state`` is how far it came, ``reason`` why
        │   └── UploadUncertain    its completion was sent, and whether it was done is not known
        ├── NoRecording            a conversation has no recording to download
        ├── LinkRefused            a download link was refused, a fresh one as well
        ├── DownloadInterrupted    a download stopped; ``received`` of ``total`` bytes are kept
        └── PartlyDone             a call that was split stopped half way: ``done`` and ``pending``

``str(error)`` is meant to be enough to act on. No exception carries a token, a header, a request body or a link.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from zra_async.results.exports import ExportReport
    from zra_async.results.uploads import UploadState

LimitKind = Literal["per_second", "per_minute", "daily", "concurrent", "unknown"]


def _printable(text: str) -> str:
    """Return the service's text on one line, without anything that forges log lines or drives a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text)


class ZRAError(Exception):
    """The root of the tree."""

    def __reduce__(self) -> tuple[Any, ...]:
        # by default a copy, or one in another process, would be made from the text alone, which no subclass takes
        return _made_again, (type(self), self.args, vars(self))


def _made_again(kind: type[ZRAError], args: tuple[Any, ...], attributes: Mapping[str, Any]) -> ZRAError:
    error = kind.__new__(kind)
    error.args = args
    vars(error).update(attributes)
    return error


class InvalidArgument(ZRAError, ValueError):
    """An argument breaks a documented limit; nothing was sent."""


class ConfigurationError(ZRAError, ValueError):
    """The client cannot be configured like this; nothing was sent."""


class ClientNotOpen(ZRAError, RuntimeError):
    """The client was used before it was opened or after it was closed."""


class WrongLoop(ClientNotOpen):
    """The client was used in another event loop, thread or process than the one that opened it; nothing was sent."""


class TokenError(ZRAError):
    """No access token could be had: `status` and `reason` of the token endpoint, None without an answer.

    `passing` says that the endpoint could not be reached or is in trouble, and that the credentials may be right.
    """

    def __init__(self, advice: str, *, status: int | None = None, reason: str = "", passing: bool = False) -> None:
        self.status = status
        self.reason = reason
        self.passing = passing
        answer = f" (HTTP {status}{': ' + _printable(reason) if reason else ''})" if status is not None else ""
        super().__init__(f"no access token{answer}: {advice}")


class SourceError(ZRAError):
    """The file that is being uploaded can no longer be read."""


class SourceChanged(SourceError):
    """The file is not the one that the upload was begun with: parts of both would make neither."""


class JournalError(ZRAError):
    """The journal of an upload cannot be read, written or locked."""


class LedgerError(ZRAError):
    """The ledger of an export, ingest or import, or a file that it keeps account of, cannot be read or written."""


class StagesNotRegistered(ZRAError):
    """Deals name stages that the registration of the CRM does not have, so that the service would refuse them.

    `stages` are those, with the number of deals that name each (at most 100 stages), `registered` the ones that there
    are.
    """

    def __init__(self, stages: Mapping[str, int], registered: Iterable[str], *, sent: bool) -> None:
        self.stages: dict[str, int] = dict(stages)
        self.registered: tuple[str, ...] = tuple(sorted(registered))
        shown = ", ".join(f"{stage!r} ({count} deals)" for stage, count in list(self.stages.items())[:20])
        more = f" and {len(self.stages) - 20} more" if len(self.stages) > 20 else ""
        super().__init__(
            f"these deal stages are not registered: {shown}{more}; registered are "
            f"{', '.join(map(repr, self.registered)) or 'none'} — "
            + ("other chunks of deals were sent before" if sent else "none of these deals was sent")
        )


class ExportIncomplete(ZRAError):
    """Every record that could be read was given out, and some are or may be missing. `report` tells which, and why."""

    def __init__(self, report: ExportReport) -> None:
        self.report = report
        texts = [f"{report.failed} units could not be read, such as {failure}" for failure in report.failures[:1]]
        texts += [f"not proven to be complete: {gap}" for gap in report.unproven[:1]]
        texts += [f"refused to this account: {stream}" for stream in report.refused_streams[:1]]
        super().__init__("; ".join(texts))


class StrayCancellation(ZRAError):
    """A `CancelledError` came out of an iterator of items or out of a task of a job, and nobody had cancelled the job.

    A future that somebody else has cancelled raises one to whoever asks for its result. ``__cause__`` is that error.
    """


class InUse(ZRAError):
    """Another task or process works with this journal, ledger or folder, or downloads to this place."""


class TargetExists(ZRAError, FileExistsError):
    """A download would replace a file that is already there."""


class WebhookRefused(ZRAError):
    """A request to your webhook URL is not what it claims to be: answer it with 401."""


class CallError(ZRAError):
    """A call failed. `operation` is its name, such as ``conversations.get``."""

    def __init__(self, operation: str, problem: str) -> None:
        self.operation = operation
        super().__init__(f"{operation}: {_printable(problem)}")


class APIError(CallError):
    """The service answered with an error.

    `status` is the HTTP status, `code` the service's own code (None when the body had none), `message` its text,
    `tracking_id` what Zoom's support asks for, `errors` the refused fields, if it named any. `resets_at` is when to
    come back, as an aware datetime, if the service said so.
    """

    advice = ""
    resets_at: datetime | None = None

    def __init__(
        self,
        operation: str,
        *,
        status: int,
        code: int | None = None,
        message: str = "",
        tracking_id: str = "",
        errors: Sequence[Mapping[str, Any]] = (),
        advice: str = "",
    ) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.tracking_id = tracking_id
        self.errors: tuple[Mapping[str, Any], ...] = tuple(errors)
        parts = [f"HTTP {status}" + (f", code {code}" if code is not None else "")]
        parts.append(message[:500] or "no message")
        parts += [f"{e.get('field', '?')}: {e.get('message', '')}"[:200] for e in self.errors[:5]]
        text = "; ".join(parts)
        if advice or self.advice:
            text += f" — {advice or self.advice}"
        if tracking_id:
            text += f" [tracking id {tracking_id}]"
        super().__init__(operation, text)


class BadRequest(APIError):
    """400: the service refuses the request as it is."""


class PageTokenExpired(BadRequest):
    """The page token is older than 15 minutes or belongs to another query than `query`; `cursor` is the token."""

    advice = "page tokens live 15 minutes and belong to one query: start the list again"
    query: Mapping[str, str] = {}
    cursor: str = ""


class AuthenticationFailed(APIError):
    """The token was refused, and a new one as well."""

    advice = "check that the app is activated and that the credentials belong to this account"


class PermissionDenied(APIError):
    """403: the user or app may not do this."""


class MissingScopes(APIError):
    """The token lacks a scope; any one of `scopes` is enough."""

    def __init__(self, operation: str, *, scopes: Sequence[str], **details: Any) -> None:
        self.scopes: tuple[str, ...] = tuple(scopes)
        advice = f"add one of these scopes to the app and fetch a new token: {', '.join(self.scopes) or 'not named'}"
        super().__init__(operation, advice=advice, **details)


class NotFound(APIError):
    """404: there is no such thing, or not for this account."""


class Conflict(APIError):
    """409: the state of the account does not allow this."""


class PayloadTooLarge(APIError):
    """413: the request body is larger than the service takes."""


class RateLimited(APIError):
    """A rate limit stands in the way, and waiting for it was not allowed.

    `kind` says which: ``per_second``, ``per_minute``, ``daily``, ``concurrent`` (a lock on one resource) or
    ``unknown``. `resets_at` is when to come back, as an aware datetime, if it is known. `local` is True when
    this client stopped the call itself, before the service had to.
    """

    def __init__(
        self,
        operation: str,
        *,
        kind: LimitKind,
        resets_at: datetime | None = None,
        local: bool = False,
        **details: Any,
    ) -> None:
        self.kind: LimitKind = kind
        self.resets_at: datetime | None = resets_at
        self.local = local
        when = f"come back at {resets_at.isoformat()}" if resets_at else "come back later"
        details.setdefault("status", 429)
        details.setdefault("advice", f"{kind.replace('_', '-')} limit: {when}")
        super().__init__(operation, **details)


class ServerError(APIError):
    """5xx: the service failed, after as many repeats as the retry policy allows."""

    advice = "the service has trouble: try again later"


class TransportError(CallError):
    """No complete answer arrived; `problem` says why. `sent` is False if the service cannot have acted on it."""

    def __init__(self, operation: str, problem: str, *, sent: bool) -> None:
        self.problem = problem
        self.sent = sent
        super().__init__(operation, problem)


class ConnectFailed(TransportError):
    """No connection could be made: nothing was sent."""


class ConnectionLost(TransportError):
    """The connection broke after the request had been sent, or while it was being sent."""


class AttemptTimeout(TransportError, TimeoutError):
    """One attempt took longer than ``timeout`` allows, or stood still for too long."""


class DeadlineExceeded(CallError, TimeoutError):
    """The call with all its waiting took longer than ``deadline``."""


class AmbiguousWrite(CallError):
    """A write that must not be repeated was sent, and its answer is lost: look at the account before you repeat it.

    `outcome` is what happened instead of an answer.
    """

    reason = "the request was sent but its answer is lost"

    def __init__(self, operation: str, outcome: CallError) -> None:
        self.outcome = outcome
        super().__init__(
            operation,
            f"{self.reason}, so it may or may not have been done — check the account before you repeat it ({outcome})",
        )


class UnexpectedAnswer(CallError):
    """The answer cannot be understood. `status` is its HTTP status."""

    def __init__(self, operation: str, problem: str, *, status: int, tracking_id: str = "") -> None:
        self.status = status
        self.tracking_id = tracking_id
        super().__init__(operation, f"{problem} (HTTP {status}{f', tracking id {tracking_id}' if tracking_id else ''})")


class AnswerTooLarge(UnexpectedAnswer):
    """The answer is longer than ``max_answer_bytes``, and was not read to its end."""


class UnsafeRedirect(CallError):
    """A redirect to a host outside the trusted ones, to plain http or in a circle was not followed; no token left."""


class RedirectedWrite(AmbiguousWrite, UnsafeRedirect):
    """The redirect of a write that must not be repeated was not followed; `outcome` says where it led."""

    reason = "the answer was a redirect, which was not followed"


class PageTokenRepeated(CallError):
    """The service sent a page token that it had sent before; following it would never end."""


class PartlyDone(CallError):
    """A call over the documented maximum was split, and one of its pieces failed.

    `done` holds the values whose pieces were carried out, `failed` those of the piece that failed, `pending` those
    that were not tried. The cause (``__cause__``) is the error of the failed piece.
    """

    def __init__(
        self,
        operation: str,
        *,
        done: Sequence[Any],
        failed: Sequence[Any],
        pending: Sequence[Any],
        cause: BaseException,
    ) -> None:
        self.done: tuple[Any, ...] = tuple(done)
        self.failed: tuple[Any, ...] = tuple(failed)
        self.pending: tuple[Any, ...] = tuple(pending)
        super().__init__(
            operation,
            f"{len(self.done)} values done, {len(self.failed)} failed, {len(self.pending)} not tried; "
            f"the failure: {cause}",
        )


class UploadInterrupted(CallError):
    """An upload in parts stopped before its end; its journal, if it has one, is intact.

    `state` is how far it came, `reason` what stopped it, `journal` where its journal is. Go on with
    ``zra.files.resume(error.journal or error.state)``, or with the same call to ``upload`` and the same journal.
    """

    advice = "go on with zra.files.resume({place}) within 7 days of its beginning"

    def __init__(self, operation: str, *, state: UploadState, reason: BaseException, journal: Path | None) -> None:
        self.state = state
        self.reason = reason
        self.journal = journal
        done = f"{len(state.parts)} of {state.parts_total} parts of {state.file_name!r} are stored"
        place = repr(str(journal)) if journal else "error.state"
        what = f"{type(reason).__name__}: {reason}"[:1000]
        super().__init__(operation, f"{done}; stopped by {what} — {self.advice.format(place=place)}")


class UploadUncertain(UploadInterrupted):
    """All parts are stored and the completion was sent, but whether the file exists is not known.

    The answer was lost, and the service did not answer the second completion with the file's id either.
    """

    advice = (
        "the file may be complete under an id that is not known: upload it anew, without this journal, "
        "and the other one will not be used"
    )


class NoRecording(CallError):
    """The conversation has no recording to download: it was not recorded, or is not ready yet."""


class LinkRefused(CallError):
    """The download link was refused, and a fresh one as well."""


class DownloadInterrupted(CallError):
    """A download stopped after its repeats. `received` of `total` bytes are kept at `part`, from which it goes on.

    `total` is None when the service did not tell the size, `part` when the bytes went to you.
    """

    def __init__(
        self, operation: str, *, received: int, total: int | None, part: Path | None, reason: BaseException
    ) -> None:
        self.received = received
        self.total = total
        self.part = part
        self.reason = reason
        size = "an unknown size" if total is None else f"{total} bytes"
        advice = "; the same call goes on from there" if part else ""
        super().__init__(operation, f"stopped after {received} of {size} by {reason}{advice}")
