"""A whole Revenue Accelerator account on loopback: four hosts, one state."""

from __future__ import annotations

import asyncio
import functools
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Self, Unpack

from aiohttp import web

from zra_async.sandbox import snapshots
from zra_async.sandbox.clock import Clock
from zra_async.sandbox.control import control_routes
from zra_async.sandbox.faults.faults import Fault, Faults
from zra_async.sandbox.faults.injector import FaultInjector
from zra_async.sandbox.life import Kind, Life
from zra_async.sandbox.options import OptionFields, Options
from zra_async.sandbox.service.dispatch import Gateway, Service
from zra_async.sandbox.service.hosts import Forwarder, TokenHost, downloads
from zra_async.sandbox.service.stats import Stats
from zra_async.sandbox.service.tokens import Tokens, credentials_of
from zra_async.sandbox.service.windows import LIMITS, Windows
from zra_async.sandbox.truth import Truth
from zra_async.sandbox.world.account import Account
from zra_async.sandbox.world.crm_store import Crm
from zra_async.sandbox.world.file_store import Files
from zra_async.sandbox.world.page_tokens import PageTokens
from zra_async.sandbox.world.team_tree import Teams
from zra_async.sandbox.world.webhooks import Webhooks
from zra_async.sandbox.world.world import World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from zra_async.client import ZRAClient
    from zra_async.config import ClientOptions
    from zra_async.sandbox.snapshots import Snapshot

ADDRESS = "127.0.0.1"
BODY_LIMIT = 64 * 1024**2  #: bytes of a JSON body
LINGER = 30.0  #: seconds in which a body is still read after its answer was sent, so that the sender sees the answer
_HOSTS = 4
SHUTDOWN = 0.25  #: seconds for which requests under way are waited for at the end


class Sandbox:
    """Serve an account on free ports of 127.0.0.1 for as long as the ``async with`` block lasts.

    The keyword arguments are those of `Options`; besides, ``clock`` replaces the wall clock, ``port`` fixes the port of
    the API host, ``control`` opens the control endpoint to other processes, ``webhook_url`` (loopback only) receives
    signed events, and ``faults`` are armed from the start. ``ports`` fixes the ports of all four hosts, in the order
    API, uploads, files, tokens. The addresses are known once the block is entered.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        port: int = 0,
        ports: Sequence[int] | None = None,
        control: bool = False,
        webhook_url: str | None = None,
        webhook_secret: str | None = None,
        faults: Iterable[Fault] = (),
        **options: Unpack[OptionFields],
    ) -> None:
        self.options: Options = Options(**options)
        self.clock: Clock = clock or Clock()
        self.faults: Faults = Faults(faults, seed=self.options.seed)
        self._credentials = credentials_of(self.options.seed)
        self.webhook_secret: str = webhook_secret or self._credentials.client_secret[::-1]
        self._webhook_url = webhook_url
        self.account: Account = self._new_account(webhook_url)
        self._tokens = Tokens(self.options, self.clock, self._credentials, owner_id=self.world.users[0].user_id)
        windows = Windows(LIMITS[self.options.plan], enforced=self.options.limits)
        self._service = Service(
            account=self.account,
            tokens=self._tokens,
            windows=windows,
            faults=self.faults,
            injector=FaultInjector(self.clock),
        )
        self.stats: Stats = Stats(windows.stats, self._service.operations, self._tokens)
        self._ports = (port, 0, 0, 0) if ports is None else tuple(ports)
        if len(self._ports) != _HOSTS or (ports is not None and port not in (0, self._ports[0])):
            raise ValueError("ports are those of the API, uploads, files and tokens: give four, and no other port")
        self._control = control
        self._runners: list[web.AppRunner] = []
        self._lives: list[Life] = []
        self.api_url: str = ""
        self.file_url: str = ""
        self.upload_url: str = ""
        self.token_url: str = ""

    def _new_account(self, webhook_url: str | None) -> Account:
        options, clock = self.options, self.clock
        world = World(options, clock)
        return Account(
            options=options,
            clock=clock,
            world=world,
            teams=Teams(world, clock),
            crm=Crm(options, clock),
            files=Files(options, clock),
            pages=PageTokens(clock, f"page tokens of {options.seed}".encode(), options.largest_page),
            webhooks=Webhooks(webhook_url, self.webhook_secret, clock, account_id=self.account_id),
        )

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def truth(self) -> Truth:
        """Everything that the API would show of the account now, to compare a copy with."""
        return Truth(self.world)

    @property
    def world(self) -> World:
        """The account's conversations, deals and people."""
        return self.account.world

    @property
    def account_id(self) -> str:
        """The account to ask tokens for."""
        return self._credentials.account_id

    @property
    def client_id(self) -> str:
        """The id of the app that may ask for tokens."""
        return self._credentials.client_id

    @property
    def client_secret(self) -> str:
        """The secret of that app."""
        return self._credentials.client_secret

    def environment(self) -> dict[str, str]:
        """The environment variables from which a client finds this sandbox, and a receiver its webhooks' secret."""
        webhooks = {"ZOOM_WEBHOOK_SECRET_TOKEN": self.webhook_secret} if self._webhook_url else {}
        return {
            "ZOOM_ACCOUNT_ID": self.account_id,
            "ZOOM_CLIENT_ID": self.client_id,
            "ZOOM_CLIENT_SECRET": self.client_secret,
            "ZRA_PLAN": self.options.plan,
            "ZRA_TOKEN_URL": self.token_url,
            "ZRA_API_URL": self.api_url,
            "ZRA_FILE_URL": self.file_url,
            **webhooks,
        }

    def client(self, **options: Unpack[ClientOptions]) -> ZRAClient:
        """Make a client of this sandbox, to be opened with ``async with``; ``options`` are those of `ZRAClient`."""
        from zra_async import Hosts, ServerToServer, ZRAClient  # only here: the server knows nothing of the client

        if not self.api_url:
            raise RuntimeError("enter the sandbox with `async with` before you make a client of it")
        settings: ClientOptions = {
            "plan": self.options.plan,
            "hosts": Hosts(api=self.api_url, file=self.file_url, token=self.token_url),
        }
        settings.update(options)
        return ZRAClient(ServerToServer(self.account_id, self.client_id, self.client_secret), **settings)

    def authorize(self, code_challenge: str, redirect_uri: str, *, user_id: str | None = None) -> str:
        """Consent in the name of a user, by default the owner, and return the authorization code (PKCE, S256)."""
        return self._tokens.authorize(code_challenge, redirect_uri, user_id=user_id)

    def revoke_tokens(self) -> None:
        """Kill every access token now."""
        self._tokens.revoke()

    def live(self, rate: float = 1.0, *, seed: int | None = None, kinds: Iterable[Kind] | None = None) -> Life:
        """Let the account change by itself, ``rate`` times a second of its clock on average.

        The changes follow from ``seed``, by default that of the account: new conversations, analyses that are
        repeated, other hosts, deals and stages, comments, scorecards, deletions, and for a while refused features and
        "too many concurrent requests". ``kinds`` names those that are wanted. With a ``rate`` of 0 only `Life.step`
        changes something.
        """
        life = Life(
            self.account,
            self.faults,
            rate=rate,
            seed=self.options.seed if seed is None else seed,
            kinds=kinds,
        )
        self._lives.append(life)
        if self.api_url:
            life.start()
        return life

    def snapshot(self) -> Snapshot:
        """Copy the account's conversations, deals, comments, teams and CRM records, for `restore`.

        Uploaded files, tokens, faults, counters and the clock are not part of it.
        """
        return snapshots.take(self.account)

    def restore(self, snapshot: Snapshot) -> None:
        """Give the account the state of ``snapshot`` again; the clock does not go back."""
        snapshots.put_back(self.account, snapshot)

    def reset(self) -> None:
        """Give the account the state with which it opened, and disarm every fault; the clock does not go back."""
        snapshots.begin_again(self.account)
        self.faults.clear()

    async def close(self) -> None:
        """Stop serving, hang up on everybody and remove what was stored; safe to call twice."""
        await asyncio.gather(*(life.stop() for life in self._lives))
        self._service.injector.close()
        runners, self._runners = self._runners, []
        await asyncio.gather(*(runner.cleanup() for runner in runners))
        await self.account.webhooks.close()
        await self.account.files.close()

    async def _start(self) -> None:
        service = self._service
        gateway, uploads, forwarder = Gateway(service, "api"), Gateway(service, "files"), Forwarder(service)
        control = control_routes(self) if self._control else []
        api = await self._serve(gateway.handle, port=self._ports[0], routes=control)
        upload = await self._serve(
            uploads.handle, port=self._ports[1], routes=downloads(service), on_prepare=service.injector.on_prepare
        )
        public_handler = forwarder.handle if self.options.redirect_status else uploads.handle
        public = await self._serve(public_handler, port=self._ports[2])
        token = await self._serve(TokenHost(service).handle, port=self._ports[3])
        self.api_url, self.upload_url, self.file_url = f"{api}/v2", f"{upload}/v2", f"{public}/v2"
        self.token_url = f"{token}/oauth/token"
        self._tokens.api_url = api
        forwarder.target = upload
        self.account.files.base_url = upload
        for life in self._lives:
            life.start()

    async def _date(self, request: web.Request, response: web.StreamResponse) -> None:  # noqa: ARG002
        # the web server has put its own time there, and a fault may have put another one, which stays
        second = int(time.time())
        if response.headers.get("Date") in (_http_date(second), _http_date(second - 1)):
            response.headers["Date"] = _http_date(int(self.clock.time()))

    async def _serve(
        self,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
        *,
        port: int = 0,
        routes: Iterable[web.RouteDef] = (),
        on_prepare: Callable[[web.Request, web.StreamResponse], Awaitable[None]] | None = None,
    ) -> str:
        app = web.Application(client_max_size=BODY_LIMIT)
        app.add_routes(routes)
        app.router.add_route("*", "/{path:.*}", handler)
        app.on_response_prepare.append(self._date)
        if on_prepare is not None:
            app.on_response_prepare.append(on_prepare)
        runner = web.AppRunner(app, access_log=None, lingering_time=LINGER, shutdown_timeout=SHUTDOWN)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, ADDRESS, port).start()
        host, bound = runner.addresses[0][:2]
        return f"http://{host}:{bound}"


@functools.lru_cache(maxsize=16)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)
