"""The report of a job that ends with an error: the error carries it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zra_async.bulk.crm.report import ImportReport
    from zra_async.bulk.ingest.report import IngestReport
    from zra_async.results.exports import ExportReport

_KEY = "_zra_report"


def attach(error: BaseException, report: ExportReport | ImportReport | IngestReport) -> None:
    """Let ``error`` carry ``report``, for `report_of`, as its attribute ``report``, and in words in its traceback."""
    attributes: dict[str, Any] = vars(error)
    attributes[_KEY] = report
    attributes.setdefault("report", report)
    with contextlib.suppress(Exception):  # an exception of somebody else may refuse to be changed
        error.add_note(f"what the job had done when it ended: {report!r}")


def report_of(error: BaseException) -> Any:
    """Return the report that a job's error carries, None for any other error.

    `ZRAClient.ingest`, `ZRAClient.export` and ``zra.crm.import_all`` raise what ended them early as it is, such as an
    error of the iterator of items, and what was done until then is in the report.

        try:
            report = await zra.ingest(items, ledger="ledger.sqlite")
        except Exception as error:
            report = report_of(error)
    """
    return vars(error).get(_KEY)
