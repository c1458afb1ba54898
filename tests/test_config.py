"""The configuration is checked when it is made, whether it comes from arguments or from the environment."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.core.clients import TOKEN
from tests.leaks import Leaks
from zra_async import (
    GOVERNMENT,
    ClientConfig,
    Hosts,
    Label,
    Lane,
    LocalRateLimiter,
    Network,
    Pool,
    Rate,
    RetryPolicy,
    StaticToken,
    ZRAClient,
    errors,
)
from zra_async.config import Transfers, settings_from_env

SECRET = "client-secret-7c41e9"
ENV = {"ZOOM_ACCOUNT_ID": "account-1", "ZOOM_CLIENT_ID": "client-1", "ZOOM_CLIENT_SECRET": SECRET}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"plan": "enterprise"}, "plan must be one of free, pro, business"),
        ({"plan": None}, "plan must be one of"),
        ({"share": 0}, "share must be a number above 0"),
        ({"share": 1.01}, "share must be a number above 0 and at most 1, not 1.01"),
        ({"share": -0.5}, "share"),
        ({"share": math.nan}, "share"),
        ({"share": True}, "share"),
        ({"share": "0.5"}, "share"),
        ({"timeout": 0}, "timeout must be a positive number of seconds or None"),
        ({"timeout": -1}, "timeout"),
        ({"deadline": math.nan}, "deadline"),
        ({"deadline": "5"}, "deadline"),
        ({"lane": "express"}, "lane must be one of interactive, bulk"),
        ({"limits": {"LITE": Rate(1)}}, "limits.*LITE"),
        ({"limits": {Label.LIGHT: 5}}, "limits.*LIGHT"),
        ({"network": Network(file=Pool(connections=11))}, "fewer connections"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], problem: str) -> None:
    """What makes no sense is refused before anything is opened, in words that name the option."""
    with pytest.raises(errors.ConfigurationError, match=problem):
        ZRAClient(StaticToken(TOKEN), **options)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Rate(0),
        lambda: Rate(1, 0.0),
        lambda: Rate(1, per_day=0),
        lambda: Transfers(upload_concurrency=0),
        lambda: Transfers(download_concurrency=0),
        lambda: Transfers(single_upload_limit=2_000_000_000),
        lambda: RetryPolicy(rate=-1),
        lambda: RetryPolicy(base=-0.1),
        lambda: RetryPolicy(longest=math.nan),
    ],
)
def test_bad_parts_are_refused(make: Any) -> None:
    """The parts of a configuration check themselves."""
    with pytest.raises(errors.ConfigurationError):
        make()


def test_a_lane_may_be_given_by_name() -> None:
    """The text of a lane is that lane."""
    assert ClientConfig(lane="bulk").lane is Lane.BULK  # type: ignore[arg-type]
    assert ClientConfig(lane="interactive").lane is Lane.INTERACTIVE  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.zoom.us/v2",
        "ftp://api.zoom.us",
        "https://",
        "https:///v2",
        "https://api.zoom.us:99999/v2",
        "https://api.zoom.us:0/v2",
        "https://[::1/v2",
        "https://api.zoom.us/v2?x=1",
        "https://api.zoom.us/v2#x",
        "https://api .zoom.us/v2",
        "https://api.zoom.us/v2\n",
        "https://api.zoom.us/v2\r\nX-Evil: 1",
        "https://äpi.zoom.us/v2",
        "https://api.zoom.us\\@evil.test/v2",
        "http://api.zoom.us/v2",
        "http://127.evil.test/v2",
        "http://localhost.evil.test/v2",
        None,
    ],
)
def test_bad_addresses_are_refused(url: Any) -> None:
    """An address must be https, or http on this machine, and mean the same to every program."""
    for field in ("api", "token"):
        with pytest.raises(errors.ConfigurationError, match=f"the {field} URL must"):
            Hosts(**{field: url})


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    """Credentials do not belong into a base URL, nor into an error."""
    with pytest.raises(errors.ConfigurationError, match="must not hold a user or a password") as caught:
        Hosts(api="https://me:hunter2-hunter2@api.zoom.us/v2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://api.zoom.us/v2/", "https://api.zoom.us/v2"),
        ("https://API.zoom.us", "https://API.zoom.us"),
        ("http://127.0.0.1:8080/v2", "http://127.0.0.1:8080/v2"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_good_addresses_are_kept(given: str, kept: str) -> None:
    """A slash at the end is left out, nothing else changes."""
    assert Hosts(api=given).api == kept


@pytest.mark.parametrize("trusted", ["zoom.us", ("",), (".",), ("https://zoom.us",), ("zoom.us.",), ("*.zoom.us",)])
def test_bad_trusted_domains_are_refused(trusted: Any) -> None:
    """A domain that would trust nothing, or everything, is an error."""
    with pytest.raises(errors.ConfigurationError, match="trusted"):
        Hosts(trusted=trusted)


def test_trusted_domains_are_written_in_one_way() -> None:
    """Upper case and a leading dot mean the same domain."""
    assert Hosts(trusted=(".Zoom.US", "corp.test")).trusted == ("zoom.us", "corp.test")


def test_the_government_preset() -> None:
    """Its hosts are under zoomgov.com, and its file host is left open."""
    assert GOVERNMENT.api == "https://api.zoomgov.com/v2"
    assert GOVERNMENT.token == "https://zoomgov.com/oauth/token"
    assert GOVERNMENT.file == ""
    assert (
        msgspec.structs.replace(GOVERNMENT, file="https://files.zoomgov.com/v2/").file == "https://files.zoomgov.com/v2"
    )


async def test_a_cloud_without_a_file_host() -> None:
    """A file operation says that the host must be given."""
    async with ZRAClient(StaticToken(TOKEN), hosts=GOVERNMENT) as zra:
        with pytest.raises(errors.ConfigurationError, match=r"Hosts\(file="):
            await zra.files.create_multipart_upload("call.mp4")


async def test_limits_of_ones_own() -> None:
    """Rates replace single labels of the plan before the share is taken; a limiter replaces them all."""
    made = ClientConfig(plan="business", share=0.5, limits={Label.HEAVY: Rate(4)}).rate_limiter()
    states = made.snapshot()
    assert (states[Label.LIGHT].limit, states[Label.HEAVY].limit) == (40, 2)
    own = LocalRateLimiter("free")
    assert ClientConfig(limits=own).rate_limiter() is own


# --------------------------------------------------------------------------- the environment


def test_the_environment_gives_everything() -> None:
    """Credentials, plan, share and all three addresses."""
    env = {
        **ENV,
        "ZRA_PLAN": " Business ",
        "ZRA_SHARE": "0.25",
        "ZRA_TOKEN_URL": "https://token.test/t",
        "ZRA_API_URL": "https://api.test/v2/",
        "ZRA_FILE_URL": "https://file.test/v2",
    }
    auth, hosts, plan, share = settings_from_env(env)
    assert (plan, share) == ("business", 0.25)
    assert (hosts.token, hosts.api, hosts.file) == (
        "https://token.test/t",
        "https://api.test/v2",
        "https://file.test/v2",
    )
    assert repr(auth) == "ServerToServer(client_id='client-1')"


def test_the_environment_may_leave_out_what_has_a_default() -> None:
    """The credentials are enough; empty variables count as missing."""
    _, hosts, plan, share = settings_from_env({**ENV, "ZRA_PLAN": "", "ZRA_SHARE": " ", "ZRA_API_URL": ""})
    assert (hosts, plan, share) == (Hosts(), "pro", 1.0)


@pytest.mark.parametrize("missing", [(), *((name,) for name in ENV), tuple(ENV)])
def test_missing_variables_are_named_all_at_once(missing: tuple[str, ...]) -> None:
    """Every variable that is missing or blank stands in the error, and no other."""
    env = {name: "  " if name in missing else value for name, value in ENV.items()}
    if not missing:
        settings_from_env(env)
        return
    with pytest.raises(errors.ConfigurationError) as caught:
        settings_from_env(env)
    assert all((name in str(caught.value)) == (name in missing) for name in ENV)


def test_the_secret_may_come_from_a_file(tmp_path: Path, leaks: Leaks) -> None:
    """ZOOM_CLIENT_SECRET_FILE names a file; a line end is not part of the secret; the variable itself comes first."""
    leaks.guard(SECRET)
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    without = {name: value for name, value in ENV.items() if name != "ZOOM_CLIENT_SECRET"}
    by_file, *_ = settings_from_env({**without, "ZOOM_CLIENT_SECRET_FILE": str(file)})
    by_value, *_ = settings_from_env({**ENV, "ZOOM_CLIENT_SECRET_FILE": str(tmp_path / "nowhere")})
    assert by_file._endpoint._basic == by_value._endpoint._basic


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read"), (b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "text file")],
)
def test_a_secret_file_that_holds_no_secret(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """Missing, empty, blank and binary files are told apart, with their path."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    env = {"ZOOM_ACCOUNT_ID": "a", "ZOOM_CLIENT_ID": "b", "ZOOM_CLIENT_SECRET_FILE": str(file)}
    with pytest.raises(errors.ConfigurationError, match=f"{file}.*{problem}"):
        settings_from_env(env)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ZRA_PLAN", "gold", "ZRA_PLAN must be one of free, pro, business, not 'gold'"),
        ("ZRA_SHARE", "half", "ZRA_SHARE must be a number above 0 and at most 1, not 'half'"),
        ("ZRA_SHARE", "0", "ZRA_SHARE"),
        ("ZRA_SHARE", "nan", "ZRA_SHARE"),
        ("ZRA_SHARE", "1.5", "ZRA_SHARE"),
        ("ZRA_API_URL", "api.zoom.us", "the api URL"),
        ("ZRA_FILE_URL", "http://files.zoom.us", "the file URL must be https"),
        ("ZRA_TOKEN_URL", "nonsense", "the token URL"),
        ("ZOOM_CLIENT_SECRET", "sécrèt", "client_secret holds characters"),
        ("ZOOM_CLIENT_ID", "a\x00b", "client_id holds characters"),
    ],
)
def test_wrong_variables_are_named(name: str, value: str, problem: str) -> None:
    """A value that makes no sense is an error that says which one."""
    with pytest.raises(errors.ConfigurationError, match=problem):
        settings_from_env({**ENV, name: value})


def test_arguments_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``from_env`` reads the process's environment, and its keyword arguments win."""
    for name, value in {**ENV, "ZRA_PLAN": "free"}.items():
        monkeypatch.setenv(name, value)
    assert "plan='free'" in repr(ZRAClient.from_env())
    assert "plan='business'" in repr(ZRAClient.from_env(plan="business"))


@pytest.mark.parametrize("around", ["'{}'", '"{}"', ' "{}" ', "{}\r\n"])
def test_quotes_around_a_value_are_not_part_of_it(around: str, tmp_path: Path) -> None:
    """Variables and a secret's file may be quoted, as in an env file that no shell has read, and begin with a mark."""
    values = {"ZOOM_ACCOUNT_ID": "account", "ZOOM_CLIENT_ID": "client", "ZRA_PLAN": "free", "ZRA_SHARE": "0.5"}
    (tmp_path / "secret").write_text("\ufeff" + around.format("the-secret"), "utf-8")
    given = {name: around.format(value) for name, value in values.items()}
    direct = settings_from_env({**given, "ZOOM_CLIENT_SECRET": around.format("the-secret")})
    in_a_file = settings_from_env({**given, "ZOOM_CLIENT_SECRET_FILE": str(tmp_path / "secret")})
    expected = settings_from_env({**values, "ZOOM_CLIENT_SECRET": "the-secret"})
    for found in (direct, in_a_file):
        assert found[1:] == expected[1:]
        assert vars_of(found[0]) == vars_of(expected[0])


def vars_of(auth: object) -> dict[str, object]:
    """The texts that an authentication holds."""
    return {name: value for name, value in vars(auth).items() if isinstance(value, str)}
