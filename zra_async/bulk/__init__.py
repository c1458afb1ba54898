"""Many calls: complete exports that survive a crash, at the account's rate limit."""

from zra_async.bulk.parquet import to_parquet
from zra_async.bulk.reading import read_stream
from zra_async.bulk.records import RecordStream
from zra_async.bulk.report import ExportReport, Failure, UnitCounts
from zra_async.bulk.streams import ALL_STREAMS, DEFAULT_STREAMS, STREAMS, StreamSpec, calls_per_unit, select

__all__ = [
    "ALL_STREAMS",
    "DEFAULT_STREAMS",
    "STREAMS",
    "ExportReport",
    "Failure",
    "RecordStream",
    "StreamSpec",
    "UnitCounts",
    "calls_per_unit",
    "read_stream",
    "select",
    "to_parquet",
]
