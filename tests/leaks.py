"""Looks for secrets in everything that the suite writes."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

import zra_async
from zra_async.core.secret import Secret
from zra_async.errors import ZRAError

#: shorter texts, and monotonous ones, turn up by chance
_SHORTEST, _FEWEST_LETTERS = 12, 6
_CODE = Path(zra_async.__file__).parent
#: more output than this goes to a file
_IN_MEMORY = 64 * 1024 * 1024


class Leaks:
    """Takes notes of secrets and of output, in any order, and tells in the end which secrets were shown."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self._output = tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", errors="replace")  # noqa: SIM115

    def guard(self, secret: str) -> None:
        """Note a secret: a token, a whole Authorization header, or a link with its permission in the query."""
        value = secret.removeprefix("Bearer ").removeprefix("Basic ")
        if "://" in value and "?" not in value:
            return  # the place that a redirect leads to, which others may name as well
        signed = [text for _, text in parse_qsl(value.partition("?")[2])]  # of any text, be it an address or not
        for text in (value, *signed):
            if len(text) >= _SHORTEST and len(set(text)) >= _FEWEST_LETTERS and "." not in text[-5:]:
                self.secrets.add(text)

    def saw(self, text: str) -> None:
        """Note a piece of output."""
        if not self._output.closed:
            self._output.write(text + "\n")

    def found(self) -> list[str]:
        """The lines of output that show a secret, with the secret masked."""
        self._output.seek(0)
        text = self._output.read()
        shown = {secret: at for secret in self.secrets if (at := text.find(secret)) >= 0}
        # a fuzzer tries the words that it finds in the code, as tokens as well
        words = "\n".join(path.read_text("utf-8") for path in _CODE.rglob("*.py")) if shown else ""
        return [
            text[text.rfind("\n", 0, at) + 1 : at] + "<SECRET>" + text[at + len(secret) : text.find("\n", at)]
            for secret, at in shown.items()
            if secret not in words
        ]

    def close(self) -> None:
        """Forget the output."""
        self._output.close()


class _Listener(logging.Handler):
    def __init__(self, leaks: Leaks) -> None:
        super().__init__(logging.NOTSET)
        self._leaks = leaks
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._leaks.saw(self.format(record))


@contextmanager
def listening(leaks: Leaks) -> Iterator[None]:
    """Hear every log record of every level and the text of every error, and note every `Secret` that is made."""
    handler = _Listener(leaks)
    root = logging.getLogger()
    level = root.level

    def noted(cls: type[Secret], value: Any = "") -> Secret:
        leaks.guard(str(value))
        return str.__new__(cls, value)

    def raised(self: ZRAError, *args: Any) -> None:
        super(ZRAError, self).__init__(*args)
        leaks.saw(f"{type(self).__name__}: {self}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Secret, "__new__", noted)
        patch.setattr(ZRAError, "__init__", raised)
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.setLevel(level)
            root.removeHandler(handler)


def output_of(report: pytest.TestReport) -> str:
    """What a test printed and logged; not how it failed, which shows the lines of the test with its own secrets."""
    return "\n".join((report.capstdout, report.capstderr, report.caplog))
