"""The names of files: what the service takes by its name, and what is safe to create on this machine."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from zra_async.api.arguments import check_file_name
from zra_async.errors import InvalidArgument
from zra_async.osfiles.paths import StrPath, as_path, shown

VIDEO = (".mov", ".mp4", ".avi", ".wmv", ".h264", ".264")
ATTACHMENTS = ("transcript.json", "metadata.json")
CAPTIONS = ".vtt"

_LONGEST = 200  #: bytes of a name; file systems take 255, and a suffix is added while a download lasts
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def check_upload_name(name: str, *, attachment: bool) -> str:
    """Refuse a name that the service refuses: main files are videos, attachments transcripts or metadata."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidArgument("the name of the file is not text: give a file_name") from None
    check_file_name("file_name", name)
    lower = name.casefold()
    if attachment:
        if not lower.endswith((*ATTACHMENTS, CAPTIONS)):
            raise InvalidArgument(
                f"{name!r} cannot be attached to a main file: its name must end with {' or '.join(ATTACHMENTS)}"
                f" (a transcript also with {CAPTIONS}); give a file_name that does"
            )
    elif lower.endswith((*ATTACHMENTS, CAPTIONS)):
        raise InvalidArgument(f"{name!r} is an attachment: give the main_file_id of the recording that it belongs to")
    elif not lower.endswith(VIDEO):
        raise InvalidArgument(f"{name!r} is not a video that the service takes: {', '.join(VIDEO)}")
    return name


def path_argument(path: StrPath) -> Path:
    """Make an absolute path of an argument that names a file. Raises `InvalidArgument` for what names none."""
    try:
        return as_path(path)
    except OSError as problem:
        raise InvalidArgument(f"{shown(path)!r} cannot be used: {problem.strerror}") from None


def safe_name(name: str, fallback: str) -> str:
    """A name of a single file in a single folder on any system, as close to ``name`` as is safe."""
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    name = "".join("_" if c in '<>:"|?*' else c for c in name if unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
    name = name.lstrip(". ").rstrip(". ")
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = name, ""
    if len(extension) > 16:  # not an extension, only the end of a name with a dot
        stem, dot, extension = name, "", ""
    if not stem:
        return fallback
    if stem.casefold().split(".")[0].strip() in _RESERVED:
        stem = f"_{stem}"
    room = _LONGEST - len(f"{dot}{extension}".encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + dot + extension
