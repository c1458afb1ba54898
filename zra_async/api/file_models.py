"""What the file host answers."""

from __future__ import annotations

from zra_async.api.resource import Model


class UploadedFile(Model, frozen=True, kw_only=True):
    """The id of a file that was uploaded in one piece."""

    file_id: str = ""


class PartNumberEtag(Model, frozen=True, kw_only=True):
    """The receipt of one part; completing the upload takes the receipts of all of them."""

    part_number: int | None = None
    etag: str | None = None


class UploadedPart(Model, frozen=True, kw_only=True):
    """One part that was uploaded."""

    part_number_etag: PartNumberEtag | None = None


class UploadEvent(Model, frozen=True, kw_only=True):
    """A multipart upload that was begun (`upload_context`) or completed (`file_id`)."""

    upload_context: str = ""
    file_id: str = ""
