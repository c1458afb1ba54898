"""Many calls at the account's rate limit, out and in: exports, ingests and imports that survive a crash."""

from zra_async.bulk.crm.report import FailedRecord, ImportReport, KindReport
from zra_async.bulk.export.destination import Destination, ExportLedger, ExportRun, RunSummary
from zra_async.bulk.export.folder.parquet import to_parquet
from zra_async.bulk.export.folder.place import Folder
from zra_async.bulk.export.folder.present import read_stream
from zra_async.bulk.export.record_stream import RecordStream
from zra_async.bulk.export.streams import ALL_STREAMS, DEFAULT_STREAMS, STREAMS, StreamSpec, calls_per_unit, select
from zra_async.bulk.export.unit_stream import Unit, UnitStream
from zra_async.bulk.export.units import Listed, Outcome, StreamPart, Waiting
from zra_async.bulk.ingest.item import CloudRecording, ConversationFields, IngestItem
from zra_async.bulk.ingest.manifest import Manifest, check_manifest
from zra_async.bulk.ingest.report import IngestReport, ItemOutcome
from zra_async.bulk.ingest.status import IngestStatus, KnownItem, ingest_status
from zra_async.bulk.polling import Polling
from zra_async.bulk.reports import report_of
from zra_async.results.exports import ExportReport, Failure, RefusedStream, UnitCounts, UnitKind, UnprovenPeriod

__all__ = [
    "ALL_STREAMS",
    "DEFAULT_STREAMS",
    "STREAMS",
    "CloudRecording",
    "ConversationFields",
    "Destination",
    "ExportLedger",
    "ExportReport",
    "ExportRun",
    "FailedRecord",
    "Failure",
    "Folder",
    "ImportReport",
    "IngestItem",
    "IngestReport",
    "IngestStatus",
    "ItemOutcome",
    "KindReport",
    "KnownItem",
    "Listed",
    "Manifest",
    "Outcome",
    "Polling",
    "RecordStream",
    "RefusedStream",
    "RunSummary",
    "StreamPart",
    "StreamSpec",
    "Unit",
    "UnitCounts",
    "UnitKind",
    "UnitStream",
    "UnprovenPeriod",
    "Waiting",
    "calls_per_unit",
    "check_manifest",
    "ingest_status",
    "read_stream",
    "report_of",
    "select",
    "to_parquet",
]
