"""A program that ``zra`` runs: it gets the signals that ``zra`` gets, and its exit code is that of ``zra``.

The program stays in the process group of ``zra``, so that job control and pipelines of a shell work as without it.
What a terminal sends to the whole group, such as Ctrl-C, reaches the program directly and is not passed on.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

import anyio
import anyio.to_thread

from zra_async.cli.failures import GivenUp

CANNOT_RUN, NO_PROGRAM = 126, 127  #: the exit codes of a shell
#: what is passed on; Ctrl-Z and its like are left to job control, and SIGKILL cannot be caught
_NAMES = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGWINCH")


def find_program(name: str) -> None:
    """Raise `GivenUp` with the exit code of a shell where there is no such program, or one that cannot be run."""
    if shutil.which(name) is not None:
        return
    if os.path.lexists(name) and os.path.dirname(name):  # noqa: PTH120 (whether a folder was named at all)
        raise _cannot_run(name, "it is a folder" if os.path.isdir(name) else "Permission denied")  # noqa: PTH112
    raise GivenUp(f"there is no program {name}", exit_code=NO_PROGRAM)


def _cannot_run(name: str, reason: str) -> GivenUp:
    return GivenUp(f"{name} cannot be executed: {reason}", exit_code=CANNOT_RUN)


def _refused(name: str, problem: OSError) -> GivenUp:
    reason = problem.strerror or str(problem)
    if problem.errno == errno.ENOENT:
        reason = "its interpreter is not there"  # the file itself has been found
    elif problem.errno == errno.ENOEXEC:
        reason = f"{reason}; a script needs a first line such as #!/bin/sh"
    return _cannot_run(name, reason)


def exit_code(status: int) -> int:
    """The exit code of a program as a shell tells it: its own, or 128 and the signal that ended it."""
    return status if status >= 0 else 128 - status


if sys.platform == "win32":

    @contextmanager
    def signals_held() -> Generator[None]:
        """Do nothing: Windows has no signals to pass on."""
        yield

    async def run_program(command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a program to its end and return its exit code. Raises `GivenUp` if it cannot be started."""
        try:
            process = await anyio.open_process(command, stdin=None, stdout=None, stderr=None, env=environment)
        except OSError as problem:
            raise _refused(command[0], problem) from None
        return await process.wait()

else:
    _PASSED_ON = tuple(signal.Signals[name] for name in _NAMES)
    #: the kernel sends these to all of a terminal's foreground process group
    _OF_THE_KEYBOARD = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH})

    @contextmanager
    def signals_held() -> Generator[None]:
        """Hold signals back until the program can take them; enter this before there are other threads."""
        # a signal that nobody handles may be dropped instead of held back, and with it the end of the program
        handlers = {signum: signal.signal(signum, _heard) for signum in (signal.SIGCHLD, signal.SIGWINCH)}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_wanted(), signal.SIGCHLD})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            for signum, handler in handlers.items():
                signal.signal(signum, handler)

    def _heard(signum: int, frame: FrameType | None) -> None:
        """Handle a signal that arrives while it is not waited for."""

    def _wanted() -> list[signal.Signals]:
        """The signals to pass on: those that were not ignored from the start, as under ``nohup``."""
        return [signum for signum in _PASSED_ON if signal.getsignal(signum) is not signal.SIG_IGN]

    async def run_program(command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a program to its end, inside `signals_held`, and return its exit code.

        Raises `GivenUp` if it cannot be started.
        """
        held = {*_wanted(), signal.SIGCHLD}
        pid = _started(list(command), environment, held)
        return exit_code(await anyio.to_thread.run_sync(_accompany, pid, held))

    def _started(command: list[str], environment: Mapping[str, str], held: set[signal.Signals]) -> int:
        inherited = signal.pthread_sigmask(signal.SIG_BLOCK, []) - held
        restored = [signal.SIGPIPE, signal.SIGXFSZ]  # Python ignores both
        try:
            return os.posix_spawnp(command[0], command, environment, setsigmask=inherited, setsigdef=restored)
        except OSError as problem:
            raise _refused(command[0], problem) from None

    def _accompany(pid: int, held: set[signal.Signals]) -> int:
        """Pass signals on until the program has ended; this thread alone waits for it, so ``pid`` stays its own."""
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            signum, passed_already = _next_signal(held)
            if signum is not signal.SIGCHLD and not passed_already:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signum)

    if sys.platform == "darwin":

        def _next_signal(held: set[signal.Signals]) -> tuple[signal.Signals, bool]:
            """Wait for a signal. Who sent it is not known here, so the terminal's foreground group is asked for."""
            signum = signal.Signals(signal.sigwait(held))
            return signum, signum in _OF_THE_KEYBOARD and _in_the_foreground()

        def _in_the_foreground() -> bool:
            try:
                terminal = os.open("/dev/tty", os.O_RDONLY)
            except OSError:
                return False
            try:
                return os.tcgetpgrp(terminal) == os.getpgrp()
            except OSError:
                return False
            finally:
                os.close(terminal)

    else:

        def _next_signal(held: set[signal.Signals]) -> tuple[signal.Signals, bool]:
            """Wait for a signal, and tell whether the kernel has sent it to the whole process group."""
            found = signal.sigwaitinfo(held)
            signum = signal.Signals(found.si_signo)
            if found.si_code <= 0:  # a process has sent it, to zra
                return signum, False
            leading = signum is signal.SIGHUP and os.getsid(0) == os.getpid()  # then the terminal tells zra alone
            return signum, not leading
