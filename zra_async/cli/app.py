"""``zra`` itself: the list of commands, each loaded when it is called, and the end of the process."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click

from zra_async.cli.exits import MEANINGS, Exit
from zra_async.cli.output.streams import StdoutLost, ended_without_stdout, say
from zra_async.cli.stopping import Stopped, code_of


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command that is not loaded yet: the module of that holds it, and what ``zra --help`` says of it."""

    module: str
    help: str


COMMANDS = {
    "demo": CommandEntry("demo", "See it work: uploads and an export on an embedded account, in seconds."),
    "sandbox": CommandEntry("sandbox", "Serve an account on this machine, for programs and tests."),
    "check": CommandEntry("check", "Find out what is wrong with credentials, scopes, clock or network."),
    "list": CommandEntry("listing", "Print the items of a list, such as conversations."),
    "get": CommandEntry("getting", "Print single things, by their ids."),
    "export": CommandEntry("export", "Export the account into a folder, or bring that folder up to date."),
    "cat": CommandEntry("cat", "Print the present records of an exported stream, as JSON lines or CSV."),
    "upload": CommandEntry("upload", "Upload a recording, and make a conversation of it."),
    "download": CommandEntry("download", "Download the recordings of conversations."),
    "ingest": CommandEntry("ingest", "Turn recordings into conversations by the thousand, from a manifest."),
    "crm": CommandEntry("crm", "Import accounts, contacts, deals and leads from files."),
    "database": CommandEntry("database", "Prepare a Postgres for shared limits and tokens."),
    "call": CommandEntry("calling", "Call any operation of the API by its name."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run, so that ``zra --help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """The names of all commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        found: click.Command = importlib.import_module(f"zra_async.cli.commands.{entry.module}").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing them, and the exit codes below it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), meaning) for code, meaning in MEANINGS.items()])
        with formatter.section("Environment"):
            formatter.write_dl(list(ENVIRONMENT.items()))
        with formatter.section("Completion"):
            formatter.write_text('eval "$(_ZRA_COMPLETE=bash_source zra)" (or zsh_source, fish_source)')


ENVIRONMENT = {
    "ZOOM_ACCOUNT_ID, ZOOM_CLIENT_ID": "the server-to-server OAuth app",
    "ZOOM_CLIENT_SECRET": "its secret, or ZOOM_CLIENT_SECRET_FILE, the path of a file that holds it",
    "ZRA_PLAN, ZRA_SHARE": "the account's plan, by default pro, and the part of its limits to use, by default 1",
    "ZRA_DATABASE_URL": "a Postgres through which all processes share the account's limits",
    "ZRA_API_URL, ZRA_FILE_URL, ZRA_TOKEN_URL": "other hosts, such as those of a sandbox",
    "HTTPS_PROXY, NO_PROXY": "the proxy, and the hosts to reach without it; those on this machine never need it",
}


def _version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:  # noqa: ARG001 (click's signature)
    if wanted:
        from zra_async import __version__

        click.echo(f"zra {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
def group() -> None:
    """Zoom Revenue Accelerator from the shell: data on stdout, progress and messages on stderr.

    Every command takes --sandbox, which runs it against an account that it serves itself: nothing is needed to try it.

    If stdout cannot be written after something was changed, stderr says what was done, journals and ledgers are kept,
    and the exit code is 1. What stderr cannot show is not shown, and nothing else changes.
    """


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = group.main(arguments, prog_name="zra", obj=arguments, standalone_mode=False)
        return int(code or 0)
    except StdoutLost as lost:
        return ended_without_stdout(lost)
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.ctx.get_help() if error.ctx else "")
        return Exit.USAGE
    except click.UsageError as error:
        error.show()
        return Exit.USAGE
    except click.ClickException as error:
        error.show()
        return Exit.ERROR
    except (click.Abort, KeyboardInterrupt) as error:
        cause = error.__cause__ or error
        return code_of(cause.signum) if isinstance(cause, Stopped) else Exit.INTERRUPTED
