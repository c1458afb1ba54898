"""Files that move: uploads in parts that survive a crash, and downloads that go on where they stopped."""

from zra_async.files.download import DownloadedRecording
from zra_async.files.plan import plan_parts
from zra_async.files.progress import Progress
from zra_async.files.recording_stream import RecordingStream
from zra_async.files.recordings import Conversations
from zra_async.files.upload import UploadedFile, UploadedRecording
from zra_async.files.uploads import Files
from zra_async.results.uploads import Part, UploadState

__all__ = [
    "Conversations",
    "DownloadedRecording",
    "Files",
    "Part",
    "Progress",
    "RecordingStream",
    "UploadState",
    "UploadedFile",
    "UploadedRecording",
    "plan_parts",
]
