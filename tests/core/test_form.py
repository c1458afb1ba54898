"""Bodies that are sent in pieces: they can be sent again, and are as long as they say."""

from __future__ import annotations

from email import policy
from email.parser import BytesParser

from hypothesis import given
from hypothesis import strategies as st

from zra_async.core.form import BytesBody, FileForm, quoted
from zra_async.core.wire import Body

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)


async def sent(body: Body) -> list[bytes]:
    """The pieces of one sending."""
    pieces: list[bytes] = []

    async def send(piece: bytes | memoryview) -> None:
        pieces.append(bytes(piece))

    await body.write(send)
    return pieces


async def test_bytes_go_out_in_pieces_as_often_as_needed() -> None:
    """Large bytes are sent piece by piece, the same each time, from any kind of buffer."""
    data = bytes(range(256)) * 3000
    for source in (data, bytearray(data), memoryview(data), memoryview(data).cast("I")):
        body = BytesBody(source)
        assert body.size == len(data)
        first, second = await sent(body), await sent(body)
        assert b"".join(first) == b"".join(second) == data
        assert max(map(len, first)) <= 256 * 1024
    assert await sent(BytesBody(b"")) == []


@given(st.binary(max_size=300), TEXT, st.dictionaries(st.sampled_from(["source", "main_file_id", 'od"d']), TEXT))
def test_a_form_is_what_it_says(content: bytes, name: str, fields: dict[str, str]) -> None:
    """Every field and the file can be read back by any parser, names are quoted, and the size is right."""
    form = FileForm(BytesBody(content), file_name=name, fields=fields)
    whole = b"".join(_run(form))
    assert len(whole) == form.size
    message = BytesParser(policy=policy.HTTP).parsebytes(f"Content-Type: {form.content_type}\r\n\r\n".encode() + whole)
    parts = list(message.iter_parts())
    assert len(parts) == len(fields) + 1
    for (field, value), part in zip(fields.items(), parts, strict=False):
        assert f'form-data; name="{quoted(field)}"'.encode() in whole
        assert part.get_payload(decode=True) == value.encode()
    assert f'form-data; name="file"; filename="{quoted(name)}"'.encode() in whole
    assert parts[-1].get_payload(decode=True) == content


def _run(body: Body) -> list[bytes]:
    pieces: list[bytes] = []

    async def send(piece: bytes | memoryview) -> None:
        pieces.append(bytes(piece))

    coroutine = body.write(send)
    try:
        coroutine.send(None)
    except StopIteration:
        return pieces
    raise AssertionError("a form of bytes waits for nothing")


def test_quoting() -> None:
    """Quotes and line breaks in a name cannot end it, or begin another header."""
    assert quoted('a"b\r\nX: 1') == "a%22b%0D%0AX: 1"
    assert quoted("Ünïcode 漢字.mp4") == "Ünïcode 漢字.mp4"
