"""Statistics of a sandbox: per label, per operation, and of tokens."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from zra_async.sandbox.service.tokens import Tokens
    from zra_async.sandbox.service.windows import LabelStats


class Stats:
    """Counters that run from the start; ``stats["LIGHT"]`` gives those of one rate-limit label.

    The labels are those of the API and, for the file host, ``FILES`` and ``MULTIPART``. `operations` counts requests by
    name, ``GET /zra/deals`` or ``token``, refused ones too.
    """

    def __init__(self, labels: Mapping[str, LabelStats], operations: Counter[str], tokens: Tokens) -> None:
        self.labels = labels
        self.operations = operations
        self._tokens = tokens

    def __getitem__(self, label: str) -> LabelStats:
        return self.labels[label]

    @property
    def tokens_issued(self) -> int:
        """Count the access tokens that were issued."""
        return self._tokens.issued

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "labels": {label: dataclasses.asdict(stats) for label, stats in self.labels.items()},
            "operations": dict(self.operations),
            "tokens_issued": self.tokens_issued,
        }
