"""Every operation by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zra_async.api import indicators, meetings, playlists
from zra_async.api.conversations import comments
from zra_async.api.conversations import operations as conversations
from zra_async.api.crm import operations as crm
from zra_async.api.deals import operations as deals
from zra_async.api.files import operations as files
from zra_async.api.teams import operations as teams
from zra_async.core.operation import Operation, deprecated_twin

_ROWS: tuple[Operation[Any], ...] = (
    *conversations.OPERATIONS,
    *comments.OPERATIONS,
    *playlists.OPERATIONS,
    *indicators.OPERATIONS,
    *meetings.OPERATIONS,
    *deals.OPERATIONS,
    *crm.OPERATIONS,
    *teams.OPERATIONS,
    *files.OPERATIONS,
)

#: all operations, the deprecated ones under ``legacy.…``
OPERATIONS: Mapping[str, Operation[Any]] = {
    row.name: row for row in (*_ROWS, *(deprecated_twin(row) for row in _ROWS if row.twin))
}
