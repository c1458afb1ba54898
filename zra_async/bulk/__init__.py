"""Many calls at the account's rate limit, out and in: exports, ingests and imports that survive a crash."""

from zra_async.bulk.crm_report import FailedRecord, ImportReport, KindReport
from zra_async.bulk.ingest_item import CloudRecording, ConversationFields, IngestItem
from zra_async.bulk.ingest_report import IngestReport, ItemOutcome
from zra_async.bulk.ingest_status import IngestStatus, KnownItem, ingest_status
from zra_async.bulk.job_report import report_of
from zra_async.bulk.manifest import Manifest, check_manifest
from zra_async.bulk.parquet import to_parquet
from zra_async.bulk.polling import Polling
from zra_async.bulk.reading import read_stream
from zra_async.bulk.records import RecordStream
from zra_async.bulk.report import ExportReport, Failure, UnitCounts
from zra_async.bulk.streams import ALL_STREAMS, DEFAULT_STREAMS, STREAMS, StreamSpec, calls_per_unit, select

__all__ = [
    "ALL_STREAMS",
    "DEFAULT_STREAMS",
    "STREAMS",
    "CloudRecording",
    "ConversationFields",
    "ExportReport",
    "FailedRecord",
    "Failure",
    "ImportReport",
    "IngestItem",
    "IngestReport",
    "IngestStatus",
    "ItemOutcome",
    "KindReport",
    "KnownItem",
    "Manifest",
    "Polling",
    "RecordStream",
    "StreamSpec",
    "UnitCounts",
    "calls_per_unit",
    "check_manifest",
    "ingest_status",
    "read_stream",
    "report_of",
    "select",
    "to_parquet",
]
