"""Proxies: which addresses can be used, and which proxy the environment names for a target."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from zra_async.core.address import is_plain_host
from zra_async.core.secret import Secret
from zra_async.errors import ConfigurationError

_FORM = "http://host:port, with a user and a password before the host if the proxy wants them"


def check_proxy(name: str, address: object) -> None:
    """Refuse a proxy that cannot be used as given. The error of ``name`` never shows the address.

    Raises `ConfigurationError`.
    """
    if problem := _problem(address):
        raise ConfigurationError(f"{name} {problem}: give it as {_FORM}")


def environment_proxy(target: URL) -> Secret | None:
    """Return the proxy that the environment names for ``target``, None where it is reached directly.

    Raises `ConfigurationError` if the proxy cannot be used.
    """
    proxy = Secret(getproxies().get(target.scheme, ""))
    if not proxy or _is_bypassed(target):
        return None
    check_proxy(f"the environment's {target.scheme.upper()}_PROXY", proxy)
    return proxy


def _is_bypassed(target: URL) -> bool:
    host = target.raw_host or ""
    if ":" in host:  # urllib takes the end of a bare IPv6 address for a port
        return bool(proxy_bypass(f"[{host}]")) or _names_itself(host)
    return bool(proxy_bypass(f"{host}:{target.port}"))


def _names_itself(host: str) -> bool:
    entries = getproxies().get("no", "").split(",")
    return any(entry.strip().strip("[]").lower() == host.lower() for entry in entries)


def _problem(address: object) -> str:
    """Say what is wrong with the address of a proxy, "" if nothing is."""
    if not isinstance(address, str):
        return f"must be a text, not {type(address).__name__}"
    if not address or not address.isprintable() or any(letter.isspace() for letter in address):
        return "is empty, or holds a space or another character that no address has"
    scheme, separator, _ = address.lower().partition("://")
    if not separator:
        return "has no scheme"
    if scheme not in {"http", "https"}:
        return "is a SOCKS proxy, which is not supported" if scheme.startswith("socks") else "is not an http proxy"
    try:
        return _problem_behind_scheme(address)
    except ValueError:
        return "is no valid address (a character such as @, / or # in a user or password must be percent-encoded)"


def _problem_behind_scheme(address: str) -> str:
    parts = urlsplit(address)
    port = parts.port  # raises ValueError for one that is no number, or too large
    url = URL(address)
    if not is_plain_host(parts.hostname or "") or not url.host:
        return "has no valid host"
    if port == 0 or parts.netloc.endswith(":"):
        return "has no valid port"
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "?" in address or "#" in address:
        return "has something behind its port (a character such as @, / or # in a password must be percent-encoded)"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if ":" in user:
        return "has a user with a colon, which HTTP cannot express"
    try:
        f"{user}:{password}".encode("latin-1")
    except UnicodeEncodeError:
        return "has a user or password with characters outside of Latin-1"
    return ""
