"""The requests of the file host: a file in one request, or a multipart upload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from zra_async.api.arguments import (
    Checks,
    build_body,
    build_records,
    check_between,
    check_file_name,
    check_literal,
    check_text,
    check_whole,
)
from zra_async.api.files.models import PartNumberEtag, StoredFile, UploadedPart, UploadEvent
from zra_async.api.resource import Resource
from zra_async.core.form import BytesBody, FileForm
from zra_async.core.operation import Host, Label, Operation
from zra_async.core.wire import Body, is_body
from zra_async.errors import InvalidArgument

UploadMethod = Literal["CreateMultipartUpload", "CompleteMultipartUpload"]
Source = Literal[1, 2]
Content = bytes | bytearray | memoryview | Body

MAX_PARTS = 100
#: the reference gives 2 GB and 100 MB: the smaller readings are safe by every one
MAX_SINGLE_BYTES = 2 * 10**9
MAX_PART_BYTES = 100 * 10**6

_SCOPES = ("iq_conversation:write:admin", "iq_conversation:write")
_GRANULAR_SCOPES = ("zra:write:file", "zra:write:file:admin")

UPLOAD_SINGLE = Operation(
    name="files.upload_single",
    method="POST",
    path="/files",
    host=Host.FILE,
    label=Label.FILES,
    result=StoredFile,
    retry_safe=False,
    twin=True,
    scopes=_SCOPES,
    granular_scopes=_GRANULAR_SCOPES,
)
UPLOAD_PART = Operation(
    name="files.upload_part",
    method="POST",
    path="/files/multipart",
    host=Host.FILE,
    label=Label.MULTIPART,
    result=UploadedPart,
    retry_safe=True,  # a part is identified by its number, and only the etag that completes the upload makes it count
    twin=True,
    scopes=_SCOPES,
    granular_scopes=_GRANULAR_SCOPES,
)
UPLOAD_EVENTS = Operation(
    name="files.upload_events",
    method="POST",
    path="/files/multipart/upload_events",
    host=Host.FILE,
    label=Label.MULTIPART,
    result=UploadEvent,
    retry_safe=False,  # what a second completion answers is not documented
    twin=True,
    scopes=_SCOPES,
    granular_scopes=_GRANULAR_SCOPES,
)
_FIELDS: Checks = {
    "file_name": check_file_name,
    "main_file_id": check_text,
    "source": check_between(1, 2),
    "upload_context": check_text,
    "part_number": check_between(1, MAX_PARTS),
}
_check_method = check_literal(UploadMethod)
# An upload that was begun twice and never completed costs nothing: the service deletes it after 7 days.
_CREATE = msgspec.structs.replace(UPLOAD_EVENTS, retry_safe=True)


class FileOperations(Resource):
    """``zra.files``: upload recordings, transcripts and metadata.

    Upload the main file first, then its transcript (``…transcript.json``), then its metadata (``…metadata.json``),
    the last two with the ``main_file_id`` that the first gave. These methods make one request each.
    """

    async def upload_single(
        self,
        content: Content,
        *,
        file_name: str,
        main_file_id: str | UnsetType = UNSET,
        source: Source | UnsetType = UNSET,
    ) -> StoredFile:
        """Upload a file of at most 2 GB (2 000 000 000 bytes) in one request.

        ``content`` is bytes or a `Body`, which is read anew for each attempt. ``main_file_id`` makes it an attachment
        of that file; ``source`` says whose transcript or metadata it is: 1 Gong (the default), 2 Chorus. Raises
        `BadRequest`: 200 without a licence, 300 for a wrong type or size; `AuthenticationFailed` (124), `NotFound`
        (1005) for an unknown main file. Not repeated when its answer is lost. Counted as FILES, 20/s,
        ``POST /zra/files``.

        The user needs a Zoom Revenue Accelerator licence and, in an account-level OAuth app, a role with the Edit
        permission for All Conversations.
        """
        fields = build_body(_FIELDS, main_file_id=main_file_id, source=source)
        return await self._call(UPLOAD_SINGLE, body=_form(content, file_name, fields, MAX_SINGLE_BYTES))

    async def upload_part(self, content: Content, *, upload_context: str, part_number: int) -> UploadedPart:
        """Upload part 1–100 of a multipart upload; its receipt is in ``part_number_etag``.

        A part has 5–100 MB (at most 100 000 000 bytes), only the last may be smaller. ``content`` is bytes or a
        `Body`. Raises `BadRequest`: 200 without a licence, 300 for a wrong type, number or size;
        `AuthenticationFailed` (124), `NotFound` (1005) for an unknown context. Counted as MULTIPART, 20/s,
        ``POST /zra/files/multipart``.

        The user needs a Zoom Revenue Accelerator licence and, in an account-level OAuth app, a role with the Edit
        permission for All Conversations.
        """
        fields = build_body(_FIELDS, upload_context=upload_context, part_number=part_number)
        form = _form(content, f"part-{fields['part_number']}", fields, MAX_PART_BYTES)
        return await self._call(UPLOAD_PART, body=form)

    async def create_multipart_upload(self, file_name: str, main_file_id: str | UnsetType = UNSET) -> UploadEvent:
        """Begin an upload in parts; its ``upload_context`` goes with every part and is good for 7 days.

        ``main_file_id`` makes the file an attachment of that one. Raises `BadRequest` (200) without a licence and
        `NotFound` (1005) for an unknown main file. Counted as MULTIPART, ``POST /zra/files/multipart/upload_events``.
        """
        return await self._call(_CREATE, body=_creation(file_name, main_file_id))

    async def complete_multipart_upload(
        self, upload_context: str, parts: Iterable[PartNumberEtag | Mapping[str, object]]
    ) -> UploadEvent:
        """Put the uploaded parts together, given the receipt of each; the answer has the ``file_id``.

        ``parts`` are 1–100 receipts with different part numbers, in any order. Raises `BadRequest` (300) for wrong
        receipts and `NotFound` (1005) for an unknown context. Not repeated when its answer is lost. Counted as
        MULTIPART, ``POST /zra/files/multipart/upload_events``.
        """
        return await self._call(UPLOAD_EVENTS, body=_completion(upload_context, parts))

    async def upload_events(
        self,
        method: UploadMethod,
        *,
        file_name: str | UnsetType = UNSET,
        main_file_id: str | UnsetType = UNSET,
        upload_context: str | UnsetType = UNSET,
        part_number_etags: Iterable[PartNumberEtag | Mapping[str, object]] | UnsetType = UNSET,
    ) -> UploadEvent:
        """Begin or complete an upload in parts, with the names of the wire.

        ``CreateMultipartUpload`` takes ``file_name`` and ``main_file_id``, ``CompleteMultipartUpload`` takes
        ``upload_context`` and ``part_number_etags``: see ``create_multipart_upload`` and
        ``complete_multipart_upload``. Raises `BadRequest`: 200 without a licence, 300 for wrong receipts;
        `AuthenticationFailed` (124), `NotFound` (1005) for an unknown context or main file. Counted as MULTIPART,
        ``POST /zra/files/multipart/upload_events``.

        The user needs a Zoom Revenue Accelerator licence and, in an account-level OAuth app, a role with the Edit
        permission for All Conversations.
        """
        _check_method("method", method)
        if method == "CreateMultipartUpload":
            _only(method, upload_context=upload_context, part_number_etags=part_number_etags)
            return await self._call(_CREATE, body=_creation(file_name, main_file_id))
        _only(method, file_name=file_name, main_file_id=main_file_id)
        return await self._call(UPLOAD_EVENTS, body=_completion(upload_context, part_number_etags))


def _creation(file_name: str | UnsetType, main_file_id: str | UnsetType) -> dict[str, object]:
    params = build_body(_FIELDS, file_name=_required("file_name", file_name), main_file_id=main_file_id)
    return {"method": "CreateMultipartUpload", "params": params}


def _completion(
    upload_context: str | UnsetType, parts: Iterable[PartNumberEtag | Mapping[str, object]] | UnsetType
) -> dict[str, object]:
    context = check_text("upload_context", _required("upload_context", upload_context))
    _required("part_number_etags", parts)
    receipts = build_records("part_number_etags", PartNumberEtag, parts, MAX_PARTS)
    numbers: set[int] = set()
    for index, receipt in enumerate(receipts):
        name = f"part_number_etags[{index}]"
        number = check_whole(f"{name}.part_number", receipt.part_number, 1, MAX_PARTS)
        check_text(f"{name}.etag", receipt.etag)
        if number in numbers:
            raise InvalidArgument(f"{name}: part {number} is there twice")
        numbers.add(number)
    receipts.sort(key=lambda receipt: receipt.part_number or 0)
    params = {"upload_context": context, "part_number_etags": receipts}
    return {"method": "CompleteMultipartUpload", "params": params}


def _required(name: str, value: Any) -> Any:
    if value is UNSET:
        raise InvalidArgument(f"{name} is required")
    return value


def _only(method: str, **foreign: object) -> None:
    given = [name for name, value in foreign.items() if value is not UNSET]
    if given:
        raise InvalidArgument(f"{method} does not take {' or '.join(given)}")


def _form(content: Content, file_name: str, fields: Mapping[str, object], most: int) -> FileForm:
    body = _body(content)
    if not 0 < body.size <= most:
        raise InvalidArgument(f"content must have 1 to {most} bytes, not {body.size}")
    try:
        check_file_name("file_name", file_name).encode()
        return FileForm(body, file_name=file_name, fields={name: str(value) for name, value in fields.items()})
    except UnicodeEncodeError:
        raise InvalidArgument("file_name, main_file_id or upload_context holds a lone surrogate, not text") from None


def _body(content: Content) -> Body:
    if isinstance(content, (bytes, bytearray, memoryview)):
        return BytesBody(content)
    if not is_body(content):
        raise InvalidArgument(f"content must be bytes or a Body, not {type(content).__name__}")
    return content


OPERATIONS = (UPLOAD_SINGLE, UPLOAD_PART, UPLOAD_EVENTS)
