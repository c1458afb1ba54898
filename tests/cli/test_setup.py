"""``zra`` itself: help, version, what is missing, credentials, and ``zra check``."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import click
import pytest

from tests.cli.conftest import Invoke
from tests.cli.shell import ZRA, zra
from zra_async import __version__
from zra_async.cli import main
from zra_async.cli.app import COMMANDS, group
from zra_async.cli.exits import MEANINGS, Exit


def test_help_tells_commands_exit_codes_and_environment(invoke: Invoke) -> None:
    """Whoever asks for help sees every command, every exit code and every variable."""
    ended = invoke("--help")
    assert ended.code == 0
    for words in (*COMMANDS, *MEANINGS.values(), "ZOOM_CLIENT_SECRET_FILE", "ZRA_SHARE"):
        assert words in " ".join(ended.out.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads_and_explains_itself(invoke: Invoke, name: str) -> None:
    """Each command of the list is one, and its help ends well."""
    ended = invoke(name, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: zra {name}")


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name not in {"sandbox", "demo", "crm", "database", "cat"}]
)
def test_every_command_takes_the_embedded_account(name: str) -> None:
    """``--sandbox`` is an option of every command that talks to an account."""
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert {"sandbox", "plan", "share", "database", "debug"} <= {parameter.name for parameter in command.params}


def test_the_version_is_the_librarys(invoke: Invoke) -> None:
    """``--version`` names it."""
    assert invoke("--version").out == f"zra {__version__}\n"


def test_nothing_typed_is_a_question(invoke: Invoke) -> None:
    """``zra`` alone shows its help on stderr and ends as a usage error."""
    ended = invoke()
    assert (ended.code, ended.out) == (2, "")
    assert "Commands:" in ended.err


def test_unknown_commands_and_options_end_with_2(invoke: Invoke) -> None:
    """A usage error of any kind ends with 2."""
    assert invoke("exprot").code == 2
    assert invoke("list", "deals", "--sandbx").code == 2
    assert invoke("list", "deals", "--share", "2").code == 2


def test_without_the_extra_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where click or rich is missing, nothing is imported, one line helps, and the code is 2."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "rich" else find(name))
    assert main([]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.count("\n") == 1
    assert 'pip install "zra-async[cli]"' in written.err


def test_missing_credentials_are_a_matter_of_set_up(invoke: Invoke) -> None:
    """Without credentials a command names the variables, how to go on without them, and ends with 4."""
    ended = invoke("list", "deals")
    assert (ended.code, ended.out) == (4, "")
    assert "ZOOM_ACCOUNT_ID, ZOOM_CLIENT_ID, ZOOM_CLIENT_SECRET" in ended.err
    assert "--sandbox" in ended.err


def test_wrong_credentials_are_a_matter_of_set_up(served: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused secret ends with 4, and neither the message nor the debug log repeats it."""
    monkeypatch.setenv("ZOOM_CLIENT_SECRET", "not-the-secret-at-all")
    for debug in ([], ["--debug"]):
        ended = served("list", "deals", *debug)
        assert ended.code == 4
        assert "Invalid client_id or client_secret" in ended.err
        assert "not-the-secret-at-all" not in ended.err
        assert ("Traceback" in ended.err) == bool(debug)


def test_a_service_out_of_reach_is_an_error(served: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """No token host: that is the network's fault and not one of the credentials, and the line names the host."""
    monkeypatch.setenv("ZRA_TOKEN_URL", "http://127.0.0.1:9/oauth/token")
    monkeypatch.setattr("zra_async.core.auth.endpoint._FETCH_ATTEMPTS", 1)
    ended = served("check")
    assert ended.code == 1
    assert "WRONG network      127.0.0.1:9: port 9: the connection is refused or blocked" in ended.out
    assert "no access token" in ended.out
    assert "activate the app" not in ended.out
    listed = served("list", "deals")
    assert (listed.code, "zra check" in listed.err) == (1, True)


def findings(ended: Any) -> dict[str, tuple[str, str]]:
    """State and text of each subject of a check."""
    return {finding["subject"]: (finding["state"], finding["text"]) for finding in ended.rows[0]["findings"]}


def test_check_finds_nothing_wrong_where_nothing_is(served: Invoke) -> None:
    """A good set-up ends with 0; the plan cannot be told from an answer without limits in it."""
    ended = served("check", "--json")
    assert ended.code == 0
    found = findings(ended)
    assert {subject: state for subject, (state, _) in found.items()} == {
        "network": "ok",
        "clock": "ok",
        "credentials": "ok",
        "scopes": "ok",
        "api": "ok",
        "plan": "note",
    }
    assert ended.rows[0]["ok"] is True


def test_check_names_missing_credentials(invoke: Invoke) -> None:
    """The first thing to find is that there are none."""
    ended = invoke("check", "--json")
    assert ended.code == 4
    assert findings(ended)["credentials"][0] == "problem"


def test_check_does_not_take_a_wrong_setting_for_wrong_credentials(
    served: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan that does not exist is told as one, without the way to the credentials."""
    monkeypatch.setenv("ZRA_PLAN", "gold")
    ended = served("check")
    assert ended.code == 4
    assert ended.out == "WRONG environment  ZRA_PLAN must be one of free, pro, business, not 'gold'\n"


def test_check_finds_a_wrong_plan_from_the_limits(tmp_path: Path) -> None:
    """Headers of an answer that tell another plan than the configured one are a problem of set-up."""
    faults = tmp_path / "faults.toml"
    faults.write_text(
        '[[fault]]\noperation = "GET /conversations"\nstatus = 200\nbody = {conversations = []}\n'
        'headers = {X-RateLimit-Category = "Medium", X-RateLimit-Type = "QPS", X-RateLimit-Limit = "20"}\n'
    )
    with_faults = ["sandbox", "--conversations", "1", "--faults", str(faults), "--", *ZRA, "check", "--json"]
    ended = zra(*with_faults)
    assert ended.code == 4
    text = findings(ended)["plan"][1]
    assert text == "the service keeps the limits of pro, but 'business' is configured"


def test_what_is_sent_to_programs_is_json_everywhere(served: Invoke) -> None:
    """Every line of a machine-readable answer is a JSON object."""
    for arguments in (["check"], ["list", "teams"], ["list", "operations"]):
        for line in served(*arguments, "--json").out.splitlines():
            assert isinstance(json.loads(line), dict)


def test_exit_codes_are_distinct() -> None:
    """Each way to end has a number and a meaning of its own."""
    assert set(MEANINGS) == set(Exit)
    assert len(set(MEANINGS.values())) == len(Exit)
