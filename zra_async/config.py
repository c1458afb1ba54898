"""The configuration of a client: hosts, plan, bounds, network. It is frozen and checked in one place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypedDict, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import field
from msgspec.structs import force_setattr

from zra_async.core.address import checked_url, is_plain_host
from zra_async.core.auth import TOKEN_URL, ServerToServer
from zra_async.core.callbacks import check_plain
from zra_async.core.clock import utc_now
from zra_async.core.events import Observer, log_event
from zra_async.core.limits import Lane, LocalRateLimiter, Plan, Rate, RateLimiter
from zra_async.core.operation import Label
from zra_async.core.retry import RetryPolicy
from zra_async.core.secret import Secret
from zra_async.core.transport import Network, Transport
from zra_async.errors import ConfigurationError, InvalidArgument


class Hosts(msgspec.Struct, frozen=True, kw_only=True):
    """The hosts of the service. Redirects are followed to https hosts at or below the `trusted` domains only."""

    api: str = "https://api.zoom.us/v2"
    file: str = "https://fileapi.zoom.us/v2"
    token: str = TOKEN_URL
    trusted: tuple[str, ...] = ("zoom.us", "zoomgov.com")

    def __post_init__(self) -> None:
        for name in ("api", "file", "token"):
            url = getattr(self, name)
            if url or name != "file":
                force_setattr(self, name, checked_url(name, url))
        force_setattr(self, "trusted", tuple(_checked_domain(domain) for domain in _several(self.trusted)))


def _several(domains: Iterable[str]) -> Iterable[str]:
    if isinstance(domains, str):
        raise ConfigurationError(f"trusted must be a tuple of domains, not the text {domains!r}")
    return domains


def _checked_domain(domain: str) -> str:
    name = domain.lower().lstrip(".")
    if not is_plain_host(name) or ":" in name or name.endswith("."):
        raise ConfigurationError(f"a trusted domain must look like zoom.us, not {domain!r}")
    return name


#: Zoom for Government. Its file host is not published: give it as ``Hosts(file=…)`` if you know yours.
GOVERNMENT = Hosts(api="https://api.zoomgov.com/v2", file="", token="https://zoomgov.com/oauth/token")  # noqa: S106


def is_government(url: str) -> bool:
    """Return True for a base URL of Zoom for Government."""
    host = urlsplit(url).hostname or ""
    return f".{host}".endswith(".zoomgov.com")


class Transfers(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of uploads and downloads.

    `upload_concurrency` is the number of parts, of all uploads of a client, that are sent at once, and
    `download_concurrency` the number of recordings. A file of at most `single_upload_limit` bytes, below 2 GB, is
    uploaded in one request, a larger one in parts.
    """

    upload_concurrency: int = 4
    download_concurrency: int = 8
    single_upload_limit: int = 100_000_000

    def __post_init__(self) -> None:
        if self.upload_concurrency < 1 or self.download_concurrency < 1:
            raise ConfigurationError("upload_concurrency and download_concurrency must be at least 1")
        if not 0 <= self.single_upload_limit < 2_000_000_000:
            raise ConfigurationError("single_upload_limit must be below 2 GB: larger files must go in parts")


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a client, checked when they are made. Times are in seconds.

    plan: the account's plan, which sets the rate limits; no call tells it, so the default is the lowest, "pro".
    share: the part (0–1] of the account's limits that this client may use; every app of the account shares them.
    limits: other rates for single labels, or a rate limiter of your own.
    limiter: a rate limiter that several processes share, such as a `zra_async.postgres.PostgresRateLimiter`; it has the
        plan and rates of its own, so that `share` and `limits` do not go with it.
    retry: how often and how patiently a call is repeated.
    timeout: bounds one attempt of an API call (None: no bound). File transfers are bounded by silence instead.
    deadline: bounds a whole call with its waiting and retries (None: no bound).
    lane: "interactive" calls are served before "bulk" ones.
    transfers: how many parts and downloads run at once, and which files are uploaded in parts.
    use_account_host: send API calls to the region host that the token answer names.
    transport: another way to send attempts, in place of aiohttp; ``network`` is not used then.
    account: the name by which ledgers know the account (by default the account id, or the app of a `UserOAuth`).
    """

    hosts: Hosts = field(default_factory=Hosts)
    plan: Plan = "pro"
    share: float = 1.0
    limits: Mapping[Label, Rate] | RateLimiter | None = None
    limiter: RateLimiter | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout: float | None = 30.0
    deadline: float | None = None
    lane: Lane = Lane.INTERACTIVE
    network: Network = field(default_factory=Network)
    transport: Transport | None = None
    transfers: Transfers = field(default_factory=Transfers)
    observer: Observer = log_event
    use_account_host: bool = False
    account: str = ""

    def __post_init__(self) -> None:
        check_account(self.account)
        if self.plan not in get_args(Plan):
            raise ConfigurationError(f"plan must be one of {', '.join(get_args(Plan))}, not {self.plan!r}")
        check_share(self.share)
        check_seconds("timeout", self.timeout)
        check_seconds("deadline", self.deadline)
        force_setattr(self, "lane", checked_lane(self.lane))
        check_retry(self.retry)
        if isinstance(self.limits, Mapping):
            _check_rates(self.limits)
        if self.limiter is not None and (self.limits is not None or self.share != 1.0):
            raise ConfigurationError(
                "a limiter has rates of its own: give it the rates, and the client neither limits nor share (ZRA_SHARE)"
            )
        try:
            check_plain("observer", self.observer)
        except InvalidArgument as problem:
            raise ConfigurationError(str(problem)) from None
        at_once = self.transfers.upload_concurrency + self.transfers.download_concurrency
        if at_once > self.network.file.connections:
            raise ConfigurationError(
                f"the file pool has fewer connections ({self.network.file.connections}) than uploads and downloads may "
                f"run at once ({at_once}): give it more with Network(file=Pool(connections=…)), or lower "
                "upload_concurrency or download_concurrency in Transfers"
            )

    def rate_limiter(self, clock: Callable[[], datetime] = utc_now) -> RateLimiter:
        """Return the limiter that these settings describe; ``clock`` is used to find the end of the service's day."""
        if self.limiter is not None:
            return self.limiter
        if self.limits is None or isinstance(self.limits, Mapping):
            return LocalRateLimiter(self.plan, share=self.share, overrides=self.limits, clock=clock)
        return self.limits


class ClientOptions(TypedDict, total=False):
    """The fields of `ClientConfig` as keyword arguments."""

    hosts: Hosts
    plan: Plan
    share: float
    limits: Mapping[Label, Rate] | RateLimiter | None
    limiter: RateLimiter | None
    retry: RetryPolicy
    timeout: float | None
    deadline: float | None
    lane: Lane
    network: Network
    transport: Transport | None
    transfers: Transfers
    observer: Observer
    use_account_host: bool
    account: str


def check_account(account: str) -> None:
    """Refuse a name of an account that cannot be shown on one line."""
    if not isinstance(account, str) or not account.isprintable() or len(account) > 200:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError("account must be a text of at most 200 characters on one line")


def check_share(share: float) -> None:
    """Refuse a share outside (0, 1]."""
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"share must be a number above 0 and at most 1, not {share!r}")


def checked_lane(lane: Lane | str) -> Lane:
    """Return a lane that is given as one or by its name."""
    try:
        return Lane(lane)
    except ValueError:
        raise ConfigurationError(f"lane must be one of {', '.join(Lane)}, not {lane!r}") from None


def check_retry(retry: RetryPolicy) -> None:
    """Refuse anything but a retry policy."""
    if not isinstance(retry, RetryPolicy):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"retry must be a RetryPolicy, not {retry!r}")


def _check_rates(rates: Mapping[Label, Rate]) -> None:
    for label, rate in rates.items():
        if label not in set(Label) or not isinstance(rate, Rate):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"limits must give a Rate for labels such as LIGHT, not {label!r}: {rate!r}")


def check_seconds(name: str, value: float | None) -> None:
    """Refuse a bound in time that is not a positive number."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"{name} must be a positive number of seconds or None, not {value!r}")


_VARIABLES = frozenset(
    {"ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET", "ZOOM_CLIENT_SECRET_FILE"}
    | {"ZRA_PLAN", "ZRA_SHARE", "ZRA_TOKEN_URL", "ZRA_API_URL", "ZRA_FILE_URL"}
)


def settings_from_env(env: Mapping[str, str] | None = None) -> tuple[ServerToServer, Hosts, Plan, float]:
    """Read credentials, hosts, plan and share from the environment.

    ``ZOOM_ACCOUNT_ID``, ``ZOOM_CLIENT_ID`` and ``ZOOM_CLIENT_SECRET`` (or ``ZOOM_CLIENT_SECRET_FILE``, the path of a
    file that holds it) are required; ``ZRA_PLAN``, ``ZRA_SHARE``, ``ZRA_TOKEN_URL``, ``ZRA_API_URL`` and
    ``ZRA_FILE_URL`` are optional. Raises `ConfigurationError`, which names every variable that is missing.
    """
    # only our variables: a traceback that shows values must not show the whole environment
    values = {name: _bare(text) for name, text in (os.environ if env is None else env).items() if name in _VARIABLES}
    secret = Secret(values.pop("ZOOM_CLIENT_SECRET", "")) or _secret_file(values.get("ZOOM_CLIENT_SECRET_FILE", ""))
    missing = [name for name in ("ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID") if not values.get(name)]
    if not secret:
        missing.append("ZOOM_CLIENT_SECRET (or ZOOM_CLIENT_SECRET_FILE)")
    if missing:
        raise ConfigurationError(f"set {', '.join(missing)} in the environment")
    default = Hosts()
    hosts = Hosts(
        api=values.get("ZRA_API_URL") or default.api,
        file=values.get("ZRA_FILE_URL") or default.file,
        token=values.get("ZRA_TOKEN_URL") or default.token,
    )
    plan = values.get("ZRA_PLAN", "").lower() or "pro"
    if plan not in get_args(Plan):
        raise ConfigurationError(f"ZRA_PLAN must be one of {', '.join(get_args(Plan))}, not {plan!r}")
    try:
        share = float(values.get("ZRA_SHARE") or 1.0)
        check_share(share)
    except ValueError:
        raise ConfigurationError(
            f"ZRA_SHARE must be a number above 0 and at most 1, not {values['ZRA_SHARE']!r}"
        ) from None
    auth = ServerToServer(values["ZOOM_ACCOUNT_ID"], values["ZOOM_CLIENT_ID"], secret)
    return auth, hosts, plan, share  # type: ignore[return-value]


def database_from_env(env: Mapping[str, str] | None = None) -> Secret:
    """Return ZRA_DATABASE_URL, the connection string of the Postgres that processes of an account share, or ""."""
    return Secret(_bare((os.environ if env is None else env).get("ZRA_DATABASE_URL", "")))


def _bare(text: str) -> str:
    """Return a value without surrounding blanks and quotes, which remain if an env file is not read by a shell."""
    text = text.strip()
    quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1].strip() if quoted else text


def _secret_file(path: str) -> Secret:
    if not path:
        return Secret()
    try:
        # `replace`, because a decoding error would carry the whole content
        secret = Secret(_bare(Path(path).read_text("utf-8-sig", "replace")))
    except OSError as problem:
        raise ConfigurationError(f"ZOOM_CLIENT_SECRET_FILE: {path} cannot be read ({problem.strerror})") from None
    if "\ufffd" in secret:
        raise ConfigurationError(f"ZOOM_CLIENT_SECRET_FILE: {path} is not a text file")
    if not secret:
        raise ConfigurationError(f"ZOOM_CLIENT_SECRET_FILE: {path} is empty")
    return secret
