"""The fields of answers that could not be read: counted by operation, and logged once for each field."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from zra_async.core.events import FieldsDropped, Observer, logger

_INDEX = re.compile(r"\[\d+\]")
#: an event names at most so many fields
_MOST_NAMED = 20


class DroppedFields:
    """Counts of fields by operation. What is counted here is counted in ``above`` as well."""

    def __init__(self, above: DroppedFields | None = None) -> None:
        self._above = above
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of fields of answers that could not be read, by operation."""
        return MappingProxyType(dict(self._counts))

    def add(self, operation: str, count: int) -> None:
        """Count the dropped fields of one answer."""
        self._counts[operation] += count
        if self._above is not None:
            self._above.add(operation, count)


class DropReport:
    """Tells an observer of dropped fields, and the log once for each field of an operation."""

    def __init__(self, observe: Observer) -> None:
        self._observe = observe
        self._logged: set[tuple[str, str]] = set()

    def tell(self, operation: str, fields: Sequence[str], tracking_id: str) -> None:
        """Report the dropped fields of one answer by their paths, such as ``deals[3].deal_amount``."""
        self._observe(FieldsDropped(operation, len(fields), tuple(fields[:_MOST_NAMED]), tracking_id))
        fresh = {(operation, _INDEX.sub("[]", field)) for field in fields} - self._logged
        if fresh:
            self._logged |= fresh
            logger.warning(
                "%s: these fields of an answer could not be read, and have their default: %s [tracking id %s]",
                operation,
                ", ".join(sorted(field for _, field in fresh)[:_MOST_NAMED]),
                tracking_id or "none",
            )
