"""Paths: every documented operation is found, ids come out as they went in, and everything else is refused."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.service.paths import Paths
from zra_async.sandbox.service.table import ROWS

OPERATIONS = json.loads((Path(__file__).parents[2] / "contract" / "operations.json").read_text())
PATHS = Paths(ROWS)
#: where the document of the deprecated twin names other scopes than that of its heir
OTHER_GRANULAR = {"POST /iq/conversations/{conversationId}/comments", "GET /iq/teams"}
#: where both documents' names are accepted
MORE_GRANULAR = "POST /zra/conversations/{conversationId}/comments"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o['method']} {o['path']}")
def test_every_documented_operation_has_its_row(operation: dict[str, object]) -> None:
    """Method, path, label, host and scopes of all 75 operations are those of the contract."""
    method, path = str(operation["method"]), str(operation["path"])
    match = PATHS.match(method, "/v2" + path.replace("{", "").replace("}", ""))
    assert match.legacy is path.startswith("/iq/")
    assert match.row.template == path.removeprefix("/zra").removeprefix("/iq")
    expected_label = operation["rate_limit_label"] or ("FILES" if path.endswith("/files") else "MULTIPART")
    assert match.row.label == expected_label
    assert match.row.host == {"api": "api", "fileapi": "files"}[str(operation["host"])]
    assert set(match.row.scopes) == set(operation["scopes"])  # type: ignore[call-overload]
    key = f"{method} {path}"
    documented = set(operation["granular_scopes"])  # type: ignore[call-overload]
    if key in OTHER_GRANULAR or key == MORE_GRANULAR:
        assert documented <= set(match.row.granular)
    else:
        assert documented == set(match.row.granular)


def test_there_are_no_other_rows() -> None:
    """The table has a row for each of the 52 current operations and a twin for each of the 23 deprecated ones."""
    assert len(ROWS) == 52
    assert {(row.method, "/iq" + row.template) for row in ROWS if row.twin} == {
        (operation["method"], operation["path"]) for operation in OPERATIONS if operation["deprecated"]
    }


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("egLSRuj2SlWet%2BwLi87LNA%3D%3D%2C1667893163000", "egLSRuj2SlWet+wLi87LNA==,1667893163000"),
        ("egLSRuj2SlWet+wLi87LNA==,1667893163000", "egLSRuj2SlWet+wLi87LNA==,1667893163000"),
        ("%252Fstarts%252Fwith", "/starts/with"),
        ("%252F%252Ftwice%253D%253D", "//twice=="),
        ("unassigned_team_users2", "unassigned_team_users2"),
    ],
)
def test_ids_are_decoded_once_or_twice(raw: str, value: str) -> None:
    """A value is decoded, and decoded again where an escape is left."""
    assert PATHS.match("GET", f"/v2/zra/team/{raw}").values == {"teamId": value}


@given(st.text(min_size=1).filter(lambda text: "%" not in text))
def test_an_id_encoded_twice_always_arrives(value: str) -> None:
    """Whatever an id contains (bar a percent sign), encoding it twice brings it through whole."""
    encoded = quote(quote(value, safe="", errors="replace"), safe="")
    expected = quote(value, safe="", errors="replace")
    match = PATHS.match("GET", f"/v2/zra/deals/{encoded}/activities")
    assert quote(match.values["dealId"], safe="") == expected


def test_fixed_words_win_over_values() -> None:
    """``unassigned_team_users`` is an operation and not a team, whatever the method."""
    assert PATHS.match("GET", "/v2/zra/team/unassigned_team_users").row.template == "/team/unassigned_team_users"
    with pytest.raises(ApiError) as caught:
        PATHS.match("DELETE", "/v2/zra/team/unassigned_team_users")
    assert (caught.value.status, caught.value.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    "path",
    [
        "/zra/deals",
        "/v2/deals",
        "/v2/zra",
        "/v2/zra/",
        "/v2/zra/deals/",
        "/v2/zra/nothing",
        "/v2/zra/team//team_members",
        "/v2/zra/conversations/a%2Fb",
        "/v2/zra/conversations/%2Fab",
        "/v2/zra/conversations//ab",
        "/v2/iq/crm/accounts",
        "/v2/iq/team/t",
        "/v2/iq/scheduled",
    ],
)
def test_what_is_no_operation_is_not_found(path: str) -> None:
    """Unknown words, empty values, a slash encoded once and twins that never were are 404/0."""
    with pytest.raises(ApiError) as caught:
        PATHS.match("GET", path)
    assert (caught.value.status, caught.value.code, caught.value.message) == (404, 0, "404 Route Not Found")


def test_another_method_is_not_allowed() -> None:
    """A path that exists names the methods that it has, of this prefix only."""
    with pytest.raises(ApiError) as caught:
        PATHS.match("PUT", "/v2/zra/team/t")
    assert (caught.value.status, caught.value.headers["Allow"]) == (405, "DELETE, GET, PATCH")
