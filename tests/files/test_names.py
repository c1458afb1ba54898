"""Names of files that are safe on this machine, whatever somebody calls a recording."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zra_async.files.names import safe_name
from zra_async.files.recording_stream import disposition_name

FALLBACK = "recording-0.mp4"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("call.mp4", "call.mp4"),
        ("../../outside.mp4", "outside.mp4"),
        ("/etc/passwd", "passwd"),
        ("C:\\Windows\\call.mp4", "call.mp4"),
        ('"quoted"; and: more?.mp4', "_quoted_; and_ more_.mp4"),
        ("CON.mp4", "_CON.mp4"),
        ("nul", "_nul"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("..", FALLBACK),
        ("", FALLBACK),
        ("   ", FALLBACK),
        ("...mp4", "mp4"),
        (".hidden", "hidden"),
        ("trailing. . ", "trailing"),
        ("a\r\nb\x00c.mp4", "abc.mp4"),
        ("evil\u202e4pm.exe", "evil4pm.exe"),
        ("Wöchentliche Übersicht – Zürich ✓.mp4", "Wöchentliche Übersicht – Zürich ✓.mp4"),
        ("u\u0308ber.mp4", "über.mp4"),
        ("Mr. Smith and his very long company name", "Mr. Smith and his very long company name"),
    ],
)
def test_names_become_safe_and_stay_readable(name: str, safe: str) -> None:
    """Separators, control characters, reserved names and leading dots go; the rest stays as it was."""
    assert safe_name(name, FALLBACK) == safe


def test_a_long_name_keeps_its_extension() -> None:
    """Names are cut to what file systems take, in bytes and between characters."""
    name = safe_name("ü" * 300 + ".mp4", FALLBACK)
    assert len(name.encode()) <= 200
    assert name.endswith("ü.mp4")


@given(st.text() | st.text(alphabet="./\\ .~$:\x00\n\u202eaCON1é\ud800", max_size=12))
def test_no_name_leads_out_of_its_folder(name: str) -> None:
    """Whatever the name, the result is one plain name that any file system takes."""
    safe = safe_name(name, FALLBACK)
    assert safe
    assert (Path("/folder") / safe).parent == Path("/folder")
    assert os.path.normpath(f"/folder/{safe}") == f"/folder/{safe}"
    assert not set(safe) & set('/\\<>:"|?*\0\r\n')
    assert 0 < len(safe.encode()) <= 255
    assert safe[0] not in ". "
    assert safe[-1] not in ". "


@given(st.text())
def test_a_safe_name_is_its_own_safe_name(name: str) -> None:
    """To make a name safe twice changes nothing."""
    once = safe_name(name, FALLBACK)
    assert safe_name(once, FALLBACK) == once


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="call.mp4"', "call.mp4"),
        ("attachment; filename=call.mp4", "call.mp4"),
        ('attachment; filename="a \\"b\\".mp4"', 'a "b".mp4'),
        ("attachment; filename=\"a?.mp4\"; filename*=UTF-8''a%E2%9C%93.mp4", "a✓.mp4"),
        ("attachment; filename*=iso-8859-1'en'%FCber.mp4", "über.mp4"),
        ("attachment; filename*=UTF-8''..%2F..%2Fx.mp4", "../../x.mp4"),
        ("attachment", ""),
        ("", ""),
        ("nonsense; filename", ""),
    ],
)
def test_the_name_in_a_content_disposition(header: str, name: str) -> None:
    """Quoted, bare and extended names are read as they are meant."""
    assert disposition_name(header) == name
