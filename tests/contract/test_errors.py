"""Errors against the reference: every documented one becomes its exception."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.reference import DOCUMENTED, Documented, DocumentedError
from zra_async import errors
from zra_async.core import wire


def documented_errors() -> Iterator[Any]:
    """Every error of every operation."""
    for operation in DOCUMENTED:
        for number, error in enumerate(operation.errors):
            yield pytest.param(operation, error, id=f"{operation}-{error.status}-{error.code}-{number}")


def expected_error(error: DocumentedError) -> type[errors.APIError]:
    """The exception that a documented error is to become."""
    if error.status == 401 or (error.status, error.code) == (400, 124):
        return errors.AuthenticationFailed
    if (error.status, error.code) == (400, 300) and "page token" in error.message:
        return errors.PageTokenExpired
    return {
        400: errors.BadRequest,
        403: errors.PermissionDenied,
        404: errors.NotFound,
        409: errors.Conflict,
        413: errors.PayloadTooLarge,
        429: errors.RateLimited,
    }[error.status]


@pytest.mark.parametrize(("operation", "error"), list(documented_errors()))
def test_documented_error(operation: Documented, error: DocumentedError) -> None:
    """A documented error becomes its exception, which knows operation, status, code, message and tracking id."""
    body = {"message": error.message} if error.code is None else {"code": error.code, "message": error.message}
    reply = wire.Reply(error.status, {"x-zm-trackingid": "WEB_1"}, json.dumps(body).encode())
    raised = wire.failure(operation.row, reply)
    assert type(raised) is expected_error(error)
    assert (raised.operation, raised.status, raised.code) == (operation.row.name, error.status, error.code)
    assert (raised.message, raised.tracking_id) == (error.message, "WEB_1")
    for part in (operation.row.name, str(error.status), error.message, "WEB_1"):
        assert part in str(raised)
