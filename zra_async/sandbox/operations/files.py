"""The three operations of the file host: single upload, upload of a part, creation and completion of a multipart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import msgspec

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.operations.multipart import Form
from zra_async.sandbox.operations.route import Answer, Call, route
from zra_async.sandbox.world.intake import Received, take_in
from zra_async.sandbox.world.stored import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_PARTS = 100


class _PartEtag(msgspec.Struct):
    part_number: int
    etag: str


@dataclass(slots=True)
class _Upload:
    """The fields of a form, and what became of its file."""

    texts: dict[str, str] = field(default_factory=dict[str, str])
    filename: str = ""
    received: Received | None = None

    def discard(self) -> None:
        """Remove what was taken in."""
        if self.received and self.received.path:
            self.received.path.unlink(missing_ok=True)


@route("POST", "/files")
async def upload_file(call: Call) -> Answer:
    """Take a whole file in one request."""
    _demand_license(call, product="zoom iq")
    files = call.account.files

    def before_file(upload: _Upload) -> None:
        kind_of(upload.filename, multipart=False)

    upload = await _read_form(call, files.max_single, before_file)
    try:
        if upload.received is None:
            raise ApiError(400, 300, "Missing field: file")
        source = upload.texts.get("source", "1")
        if source not in ("1", "2"):
            raise ApiError(400, 300, "Invalid source.")
        main_file_id = upload.texts.get("main_file_id") or None
        stored = files.store(upload.filename, upload.received, main_file_id=main_file_id, source=int(source))
    except ApiError:
        upload.discard()
        raise
    return Answer({"file_id": stored.file_id}, status=201)


@route("POST", "/files/multipart")
async def upload_part(call: Call) -> Answer:
    """Take one part of a multipart upload."""
    _demand_license(call, product="Zoom IQ")
    files = call.account.files

    def before_file(upload: _Upload) -> None:
        # Refuse before 100 MB are read, where the fields were sent in the helpful order.
        if "upload_context" in upload.texts:
            files.require(upload.texts["upload_context"])
        if "part_number" in upload.texts:
            _part_number(upload.texts)

    upload = await _read_form(call, files.max_part, before_file)
    try:
        if upload.received is None:
            raise ApiError(400, 300, "Missing field: file")
        number = _part_number(upload.texts)
        part = await files.add_part(upload.texts.get("upload_context", ""), number, upload.received)
    except BaseException:
        upload.discard()
        raise
    return Answer({"part_number_etag": {"part_number": part.number, "etag": part.etag}}, status=201)


@route("POST", "/files/multipart/upload_events")
async def upload_event(call: Call) -> Answer:
    """Create or complete a multipart upload."""
    _demand_license(call, product="Zoom IQ")
    body = _object(call.body, "body")
    params = _object(body.get("params"), "params")
    if body.get("method") == "CreateMultipartUpload":
        main_file_id = _text(params, "main_file_id", required=False)
        upload = call.account.files.create(_text(params, "file_name"), main_file_id or None)
        return Answer({"upload_context": upload.context}, status=201)
    if body.get("method") == "CompleteMultipartUpload":
        stored = await call.account.files.complete(_text(params, "upload_context"), _etags(params))
        return Answer({"file_id": stored.file_id}, status=201)
    raise ApiError(400, 300, "Invalid field: method")


async def _read_form(call: Call, limit: int, before_file: Callable[[_Upload], None]) -> _Upload:
    upload = _Upload()
    form = Form.of(call.request)
    try:
        while (head := await form.field()) is not None:
            if head.name != "file":
                upload.texts[head.name] = await form.text()
            elif upload.received:
                raise ApiError(400, 300, "More than one file.")
            else:
                upload.filename = head.filename or ""
                before_file(upload)
                path = call.account.files.fresh_path()
                upload.received = await take_in(form.pieces(), limit=limit, path=path)
    except BaseException:
        upload.discard()
        raise
    return upload


def _part_number(texts: Mapping[str, str]) -> int:
    text = texts.get("part_number", "")
    if not text:
        raise ApiError(400, 300, "Missing field: part_number")
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= MAX_PARTS:
        raise ApiError(400, 300, f"Part number exceeded: {MAX_PARTS}.")
    return int(text)


def _etags(params: Mapping[str, Any]) -> list[tuple[int, str]]:
    try:
        etags = msgspec.convert(params.get("part_number_etags"), list[_PartEtag])
    except msgspec.ValidationError:
        raise ApiError(400, 300, "Invalid part number etags.") from None
    return [(item.part_number, item.etag) for item in etags]


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ApiError(400, 300, f"Missing field: {name}")
    return cast("dict[str, Any]", value)


def _text(params: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    value = params.get(name, "")
    if not isinstance(value, str):
        raise ApiError(400, 300, f"Invalid field: {name}")
    if required and not value:
        raise ApiError(400, 300, f"Missing field: {name}")
    return value


def _demand_license(call: Call, *, product: str) -> None:
    user = call.account.world.user(call.user_id)
    if user and not user.licensed:
        plan = f"You must subscribe to the {product} plan and enable {product} for this user"
        raise ApiError(400, 200, f"Zoom IQ plan is missing. {plan} in order to perform this action.")
