"""People in one cell of a table: names and mail addresses in the notations of mail programs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from email.utils import unquote as unquoted
from urllib.parse import unquote

import msgspec

from zra_async.errors import InvalidArgument

_SHOWN = 60  #: characters of a text that cannot be read
_ADDRESS = re.compile(r"[^@\s<>()\[\],;:\"]+@[^@\s<>()\[\],;:\"]+")
_IN_BRACKETS = re.compile(r"(?P<name>.*?)\s*(?:<(?P<angle>[^<>]*)>|\[(?P<square>[^\[\]]*@[^\[\]]*)\])", re.DOTALL)
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»"}
_CLOSERS = {"<": ">", "(": ")", "[": "]"}
_WIDE = str.maketrans({"；": ";", "，": ",", "\r": "\n", "\v": "\n", "\u2028": "\n", "\u2029": "\n", "\ufeff": " "})
_SEVERAL = "put ';' between people, or quote a name that holds a comma"


class Person(msgspec.Struct, frozen=True):
    """A name, a mail address, or both; "" for the one that is not there."""

    name: str = ""
    address: str = ""

    @property
    def shown(self) -> str:
        """The name, or the address where there is none."""
        return self.name or self.address


def people(text: str) -> list[Person]:
    """Read a cell that holds one or several people.

    People are separated by ``;``, line breaks or ``,``. Each is ``Name <address>``, an address, ``address (Name)``,
    ``mailto:address``, or a name alone. A comma belongs to a name that is quoted, and to one as Outlook writes it:
    ``Doe, Jane <jane@x.com>``. Names without an address need ``;`` between them. Raises `InvalidArgument` for what
    cannot be read, or could be read in two ways.
    """
    entries = [entry for entry in _split(text.translate(_WIDE), ";\n") if entry.strip()]
    return [person for entry in entries for person in _entry(entry, alone=len(entries) == 1 and ";" not in text)]


def mail_or_id(name: str, text: str) -> str:
    """Read a cell that holds a user id, or a mail address in any notation. Raises `InvalidArgument`."""
    if "@" in text or "<" in text:
        found = people(text)
        if len(found) != 1 or not found[0].address:
            raise InvalidArgument(f"{name} must be one user id or mail address, not {_short(text)}")
        return found[0].address
    if len(text.split()) != 1:
        raise InvalidArgument(f"{name} must be a user id or a mail address, not {_short(text)}")
    return text


def _entry(text: str, *, alone: bool) -> Iterator[Person]:
    """The people between two semicolons; ``alone`` says that there are no semicolons at all."""
    names: list[str] = []  # pieces without an address, which may be the beginning of a name with a comma
    found = False
    for piece in filter(None, map(str.strip, _split(text, ","))):
        several = piece.split()
        if len(several) > 1 and all(map(_ADDRESS.fullmatch, several)):
            yield from _plain(names, several, text)
            names, found = [], True
            continue
        person = _person(piece)
        if not person.address:
            names.append(piece)
            continue
        if names:
            yield _outlook(names, person, text)
        else:
            yield person
        names, found = [], True
    if not names:
        return
    if len(names) > 1 and (alone or found):
        raise InvalidArgument(f"{_short(text)} may be one person or several: {_SEVERAL}")
    yield Person(name=", ".join(_person(name).name for name in names))


def _plain(names: list[str], addresses: list[str], text: str) -> Iterator[Person]:
    if names:
        raise InvalidArgument(f"{_short(text)} may be one person or several: {_SEVERAL}")
    yield from (Person(address=address) for address in addresses)


def _outlook(names: list[str], person: Person, text: str) -> Person:
    """``Doe, Jane <…>``: the comma belongs to the name, where there is a first name and just one piece before it."""
    if len(names) > 1 or not person.name or names[0].startswith(tuple(_QUOTES)):
        raise InvalidArgument(f"{_short(text)} may be one person or several: {_SEVERAL}")
    return Person(f"{_person(names[0]).name}, {person.name}", person.address)


def _person(piece: str) -> Person:
    text, comments = _without_comments(piece)
    bracketed = _IN_BRACKETS.fullmatch(text)
    if bracketed is not None:
        inside = bracketed["angle"] or bracketed["square"] or ""
        address = _address(inside)
        if address is None:
            raise InvalidArgument(f"{_short(piece)}: {_short(inside)} is not a mail address")
        if _address(bracketed["name"].strip("\"' ")) == address:
            return Person(address=address)  # jane@x.com <jane@x.com>
        return Person(_name(bracketed["name"], piece) or _name(comments, piece), address)
    address = _address(text.strip("'")) if text else None
    if address is not None:
        return Person(_name(comments, piece), address)
    if text and (inner := _address(comments)) is not None:
        return Person(_name(text, piece), inner)  # Jane Doe (jane@x.com)
    name = _name(text, piece)
    if not name:
        raise InvalidArgument(f"{_short(piece)} names nobody")
    return Person(f"{name} ({comments})" if comments else name)


def _address(text: str) -> str | None:
    """The mail address in ``text``, None where it is none."""
    text = text.strip()
    if text[:7].casefold() == "mailto:":
        text = unquote(text[7:].partition("?")[0]).strip()
    return text if _ADDRESS.fullmatch(text) else None


def _name(text: str, piece: str) -> str:
    """A name without its quotes; `InvalidArgument` where it looks like an address or a notation that is not known."""
    text = _decoded(" ".join(text.split()))
    quoted = len(text) > 1 and _QUOTES.get(text[0]) == text[-1]
    if quoted:
        text = unquoted(f'"{text[1:-1]}"') if text[0] == '"' else text[1:-1]
    elif len(text) > 1 and text[0] == text[-1] == "'":
        text = text[1:-1]
    if not quoted and ("@" in text or set(text) & set('<>"')):
        raise InvalidArgument(f"{_short(piece)} cannot be read: write Name <name@example.com>")
    return " ".join(text.split())


def _decoded(text: str) -> str:
    """A name as it was before a mail program encoded it: ``=?utf-8?q?J=C3=BCrgen?=``."""
    if "=?" not in text:
        return text
    try:
        parts = [part if isinstance(part, str) else part.decode(code or "ascii") for part, code in decode_header(text)]
    except (HeaderParseError, LookupError, UnicodeDecodeError, ValueError):
        return text
    return "".join(parts)


def _without_comments(piece: str) -> tuple[str, str]:
    """A piece without what stands in parentheses outside of quotes, and that."""
    kept, comments = "", ""
    for part in _pieces(piece):
        if part.startswith("(") and part.endswith(")") and len(part) > 1:
            comments = f"{comments} {part[1:-1].strip()}".strip()
        else:
            kept += part
    return kept.strip(), comments


def _split(text: str, separators: str) -> Iterator[str]:
    """Split at separators that stand outside of quotes, parentheses and angle brackets."""
    gathered = ""
    for part in _pieces(text):
        if part in separators:
            yield gathered
            gathered = ""
        else:
            gathered += part
    yield gathered


def _pieces(text: str) -> Iterator[str]:
    """The quoted texts, parentheses and angle brackets of ``text`` as wholes, the rest character by character."""
    position = 0
    while position < len(text):
        end = _end_of_whole(text, position)
        yield text[position:end]
        position = end


def _end_of_whole(text: str, start: int) -> int:
    opener = text[start]
    # inside a word a quotation mark is one of inches or feet, and no beginning
    begins = opener in _QUOTES and (start == 0 or not text[start - 1].isalnum())
    closer = _QUOTES[opener] if begins else _CLOSERS.get(opener)
    if closer is None:
        return start + 1
    depth, position = 1, start + 1
    while position < len(text):
        if text[position] == "\\" and opener == '"':
            position += 1
        elif text[position] == closer:
            depth -= 1
            if not depth:
                return position + 1
        elif text[position] == opener:
            depth += 1
        position += 1
    raise InvalidArgument(f"{_short(text[start:])} has no closing {closer}")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
