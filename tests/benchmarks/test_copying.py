"""The comparison of the benchmark ``truth`` notices every way in which a copy can be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.copying.audit import UNITS, Verdict, audit, differing
from zra_async.sandbox import Sandbox

TRUTH: dict[str, Any] = {"a": [{"deal_id": "a", "n": 1}], "b": [{"deal_id": "b", "n": 2}]}


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        (TRUTH, ""),
        ({"a": TRUTH["a"]}, "lost"),
        ({**TRUTH, "b": TRUTH["b"] * 2}, "doubled"),
        ({**TRUTH, "c": [{"deal_id": "c", "n": 3}]}, "stale"),
        ({**TRUTH, "b": [{"deal_id": "b", "n": 5}]}, "different"),
    ],
)
def test_every_wrong_row_is_counted_once(found: dict[str, Any], wrong: str) -> None:
    """A missing, second, outdated or changed row counts as exactly that, and a true copy as nothing."""
    verdict = Verdict()
    verdict.compare("deals", TRUTH, found)
    counts = {kind: getattr(verdict, kind).total() for kind in ("lost", "doubled", "stale", "different")}
    assert counts == {kind: int(kind == wrong) for kind in counts}
    assert verdict.clean is not bool(wrong)


def test_values_are_compared_as_both_sides_write_them() -> None:
    """An empty text is nothing and 5 is 5.0, but another text, or nothing at all in common, is a difference."""
    assert differing({"x": "", "n": 5}, {"x": None, "n": 5.0}) == ""
    assert differing({"x": "one"}, {"x": "two"}) == "x"
    with pytest.raises(ValueError, match="nothing of its record"):
        differing({"x": 1}, {"y": 1})


async def test_a_copy_of_a_still_account_is_clean_and_then_is_not(tmp_path: Path) -> None:
    """The first export of an account is its truth in every stream; what changes afterwards is found by the audit."""
    async with Sandbox(conversations=6, awkward=0.0, limits=False) as sandbox:
        async with sandbox.client() as zra:
            await zra.export(tmp_path / "copy", streams=",".join(UNITS))
        verdict = audit(sandbox.truth, tmp_path / "copy")
        assert verdict.clean, verdict.examples
        assert set(verdict.compared) == set(UNITS)
        life = sandbox.live(0)
        life.step("comment")
        life.step("deletion")
        verdict = audit(sandbox.truth, tmp_path / "copy")
        assert verdict.stale["conversations"] == 1
        assert not verdict.clean
