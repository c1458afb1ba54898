"""Errors of aiohttp as errors of the library: their cause in words, and nothing of the request in them."""

from __future__ import annotations

import os
import ssl

import aiohttp

from zra_async import errors


def failure(problem: Exception, name: str, host: str, *, sent: bool, connecting: bool = False) -> errors.TransportError:
    """Return the error of the operation ``name`` for ``problem`` on the way to ``host``.

    ``connecting`` says that the attempt never had a connection. The cause is what the system or the TLS library
    reported: the errors of aiohttp repeat URLs, headers and the credentials of a proxy.
    """
    error: errors.TransportError
    if not sent and (connecting or isinstance(problem, _CONNECTING)):
        error = errors.ConnectFailed(name, _unconnected(problem, host), sent=False)
    elif isinstance(problem, TimeoutError):
        error = errors.AttemptTimeout(name, f"{host} stood still for too long", sent=sent)
    else:
        error = errors.ConnectionLost(name, f"the connection to {host} broke ({_lost(problem)})", sent=sent)
    error.__cause__ = _cause(problem)
    return error


def closed(problem: RuntimeError, name: str, host: str, *, sent: bool) -> errors.TransportError:
    """Return the error for a connection that this side has closed, which aiohttp reports as a plain RuntimeError."""
    if type(problem) is not RuntimeError:
        raise problem
    return errors.ConnectionLost(name, f"the connection to {host} was closed", sent=sent)


_CONNECTING = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ServerFingerprintMismatch,
)


def _unconnected(problem: Exception, host: str) -> str:
    """Say in words why there is no connection."""
    if isinstance(problem, aiohttp.ClientHttpProxyError):
        advice = ": check its user and password" if problem.status == 407 else ""
        return f"the proxy refused the way to {host} with HTTP {problem.status}{advice}"
    if isinstance(problem, aiohttp.ClientProxyConnectionError):
        return f"cannot connect to the proxy {problem.host}:{problem.port}: {_reason(problem.os_error)}"
    if isinstance(problem, aiohttp.ClientConnectorError):
        place = host if problem.host == host else f"{host} through {problem.host}"
        reason = _system_error(problem)
        if isinstance(problem, aiohttp.ClientConnectorDNSError):
            return f"cannot connect to {place}: its name cannot be resolved by DNS ({_told(reason)})"
        return f"cannot connect to {place}: {_reason(reason)}"
    if isinstance(problem, TimeoutError):
        return f"cannot connect to {host}: timeout, no connection was made in time"
    if isinstance(problem, aiohttp.ServerFingerprintMismatch):
        return f"cannot connect to {host}: its TLS certificate does not have the expected fingerprint"
    return f"cannot connect to {host}: the connection broke before the request was sent ({_lost(problem)})"


def _reason(problem: BaseException) -> str:
    """Say in words what a system call or the TLS library reported."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        told = getattr(problem, "verify_message", "no reason given")
        return f"its TLS certificate is not trusted, certificate verify failed ({told})"
    if isinstance(problem, ssl.CertificateError):
        return "its TLS certificate is not trusted"
    if isinstance(problem, ssl.SSLError):
        reason = (getattr(problem, "reason", "") or "no reason given").replace("_", " ").lower()
        return f"the TLS handshake failed ({reason})"
    if isinstance(problem, ConnectionRefusedError):
        return "the connection was refused, nothing listens there"
    if isinstance(problem, TimeoutError):
        return "timeout, no answer to the attempt to connect"
    if isinstance(problem, ConnectionResetError):
        return "the connection was reset while it was made"
    return _told(problem)


def _told(problem: BaseException) -> str:
    text = getattr(problem, "strerror", None) or str(problem)
    return text[:200] or type(problem).__name__


def _system_error(problem: aiohttp.ClientConnectorError) -> BaseException:
    certificate = getattr(problem, "certificate_error", None)
    return certificate if isinstance(certificate, Exception) else problem.os_error


def _lost(problem: Exception) -> str:
    """Say in words how a connection broke; the texts of aiohttp repeat the URL with its query, or what was received."""
    if isinstance(problem, aiohttp.ServerDisconnectedError):
        return "the other side closed it without an answer"
    if isinstance(problem, aiohttp.ClientPayloadError):
        return "the answer was cut short or cannot be unpacked"
    if isinstance(problem, OSError) and problem.errno:
        return os.strerror(problem.errno)
    return type(problem).__name__


def _cause(problem: Exception) -> BaseException | None:
    """Return what the system reported, without the frames and links that lead to the request."""
    if isinstance(problem, aiohttp.ClientConnectorError):
        found = _system_error(problem).with_traceback(None)
        found.__cause__ = found.__context__ = None
        return found
    if isinstance(problem, aiohttp.ClientHttpProxyError):
        return ConnectionError(f"the proxy answered with HTTP {problem.status}")
    if isinstance(problem, OSError) and problem.errno:
        return OSError(problem.errno, os.strerror(problem.errno))
    if isinstance(problem, TimeoutError):
        return TimeoutError("timeout")
    if isinstance(problem, aiohttp.ServerDisconnectedError):
        return ConnectionResetError("the other side closed the connection")
    return None
