"""From an exception to an exit code, one readable line and what to do."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from typing import Any, cast

from zra_async import errors
from zra_async.bulk.reports import report_of
from zra_async.cli.exits import Exit
from zra_async.cli.output.translating import in_options, possible
from zra_async.cli.output.wording import clean


class UsageProblem(Exception):
    """The command line is wrong in a way that only the command itself can see."""


class GivenUp(Exception):
    """The command has to stop, for a reason that is no failure of the library."""

    def __init__(self, message: str, *, exit_code: int = Exit.ERROR, advice: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.advice = advice


@dataclass(frozen=True, slots=True)
class FailureMessage:
    """A failure to report: the exit code, one line, and advice ("" if the line says it itself).

    `passing` says that the same command may succeed later.
    """

    exit_code: int
    message: str
    advice: str = ""
    passing: bool = False


_SETUP = "set the variables of your app's credentials (zra check names them), or try it without an account: --sandbox"
_CHECK = "zra check shows what is wrong with credentials, scopes and network"


_PASSING = (errors.RateLimited, errors.ServerError, errors.TransportError, errors.DeadlineExceeded)


def innermost(error: BaseException) -> BaseException:
    """The first error of a group of errors, or the error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


@contextlib.contextmanager
def report_shown(show: Callable[[Any], None]) -> Generator[None]:
    """Show the report that the error of a job carries, before the error goes on."""
    try:
        yield
    except Exception as error:
        done = report_of(error)
        if done is not None:
            show(done)
        raise


def explain(error: BaseException, options: Collection[str] = ()) -> FailureMessage:
    """Say what ``error`` means to the one who typed a command with these options."""
    error = innermost(error)
    code, advice = _judge(error)
    passing = error.passing if isinstance(error, errors.TokenError) else isinstance(error, _PASSING)
    message = clean(in_options(_one_line(error), options))
    if not advice and "No such file or directory" in message and _is_here_gone():
        advice = "the current folder does not exist any more: change to another one"
    return FailureMessage(code, message, possible(advice, options), passing)


def _judge(error: BaseException) -> tuple[int, str]:
    match error:
        case UsageProblem() | errors.InvalidArgument():
            return Exit.USAGE, "see --help"
        case GivenUp():
            return error.exit_code, error.advice
        case errors.ConfigurationError():
            return Exit.SETUP, _SETUP if str(error).startswith("set ") else ""
        case errors.TokenError(passing=True):
            return Exit.ERROR, _CHECK
        case errors.TokenError() | errors.AuthenticationFailed() | errors.MissingScopes():
            return Exit.SETUP, _CHECK
        case errors.AmbiguousWrite():
            return Exit.ERROR, ""  # its text says what to do
        case errors.ConnectFailed() | errors.UnsafeRedirect():
            return Exit.ERROR, _CHECK
        case errors.PartlyDone():
            return Exit.PARTIAL, "the same command sends the rest" if error.operation.startswith("files.") else ""
        case errors.SourceChanged():
            return Exit.ERROR, "the journal is RECORDING.zra beside the recording, or what --journal names"
        case errors.JournalError():
            return Exit.ERROR, "another place for it: --journal PATH"
        case errors.InUse():
            return Exit.ERROR, "wait until the other run has ended, or stop it"
        case errors.StagesNotRegistered():
            return Exit.ERROR, "register them: zra call crm.register deal_stages:=@stages.json"
        case errors.ZRAError():
            return Exit.ERROR, ""
        case OSError() if error.errno == errno.ENOSPC:
            return Exit.ERROR, "make room on that disk"
        case FileNotFoundError() if "temporary directory" in str(error):
            return Exit.ERROR, "set TMPDIR to a folder that can be written"
        case OSError():
            return Exit.ERROR, ""
        case _:
            return Exit.ERROR, "this should not happen: the same command with --debug shows where"


def _is_here_gone() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 (only whether it is there)
    except FileNotFoundError:
        return True
    return False


def _one_line(error: BaseException) -> str:
    if isinstance(error, errors.ZRAError | UsageProblem | GivenUp):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())
