"""The answers of the file host."""

from __future__ import annotations

from typing import ClassVar

from zra_async.api.schema import Model


class StoredFile(Model, frozen=True, kw_only=True):
    """The id of a file that was uploaded in one piece."""

    ESSENTIAL: ClassVar[frozenset[str]] = frozenset({"file_id"})

    file_id: str = ""


class PartNumberEtag(Model, frozen=True, kw_only=True):
    """The receipt of one part; completing the upload takes the receipts of all of them."""

    ESSENTIAL: ClassVar[frozenset[str]] = frozenset({"part_number", "etag"})

    part_number: int | None = None
    etag: str | None = None


class UploadedPart(Model, frozen=True, kw_only=True):
    """One part that was uploaded."""

    ESSENTIAL: ClassVar[frozenset[str]] = frozenset({"part_number_etag"})

    part_number_etag: PartNumberEtag | None = None


class UploadEvent(Model, frozen=True, kw_only=True):
    """A multipart upload that was begun (`upload_context`) or completed (`file_id`)."""

    ESSENTIAL: ClassVar[frozenset[str]] = frozenset({"upload_context", "file_id"})

    upload_context: str = ""
    file_id: str = ""
