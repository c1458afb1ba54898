"""How files are cut into parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zra_async.errors import InvalidArgument
from zra_async.files.plan import MIB, SMALLEST_PART, plan_parts
from zra_async.results.uploads import LARGEST_FILE, LARGEST_PART, Part

sizes = st.one_of(
    st.integers(1, LARGEST_FILE),
    st.integers(1, 300 * MIB),
    st.builds(
        lambda parts, size, off: max(1, min(LARGEST_FILE, parts * size + off)),
        st.integers(1, 100),
        st.sampled_from([SMALLEST_PART, 16 * MIB, 64 * MIB, LARGEST_PART]),
        st.integers(-4097, 4097),
    ),
)
budgets = st.none() | st.integers(1, 100_000)


def check(parts: tuple[Part, ...], size: int) -> None:
    """The documented limits, and an exact cover."""
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert len(parts) <= 100
    position = 0
    for part in parts:
        assert part.offset == position
        assert 1 <= part.size <= LARGEST_PART
        position += part.size
    assert position == size
    assert all(part.size >= SMALLEST_PART for part in parts[:-1])
    assert len({part.size for part in parts[:-1]}) <= 1
    assert parts[-1].size <= parts[0].size


@given(sizes, budgets)
def test_default_plans_are_within_the_limits_few_and_equal(size: int, budget: int | None) -> None:
    """Every default plan covers its file exactly in at most 100 equal parts, never more than needed or worth it."""
    parts = plan_parts(size, daily_budget=budget)
    check(parts, size)
    # few: no more than parts of 64 MiB, or four of 16 MiB, or the fewest that are possible
    assert len(parts) <= max(-(-size // (64 * MIB)), min(4, size // (16 * MIB)), -(-size // LARGEST_PART), 1)
    # equal: the last is smaller by less than a page for each part
    assert parts[0].size - parts[-1].size <= 4096 * len(parts)


@given(sizes, st.integers(SMALLEST_PART, LARGEST_PART))
def test_a_fixed_part_size_is_kept_or_refused(size: int, part_size: int) -> None:
    """A given part size is used as it is, or refused because it makes too many parts."""
    if -(-size // part_size) > 100:
        with pytest.raises(InvalidArgument, match="the most"):
            plan_parts(size, part_size=part_size)
        return
    parts = plan_parts(size, part_size=part_size)
    check(parts, size)
    assert all(part.size == part_size for part in parts[:-1])


@given(sizes, st.integers(1, 3_000))
def test_a_daily_budget_is_respected_unless_the_file_needs_more(size: int, budget: int) -> None:
    """One file takes at most a twentieth of the day's requests, or the fewest parts that are possible."""
    parts = plan_parts(size, daily_budget=budget)
    assert len(parts) <= max(budget // 20, -(-size // LARGEST_PART))


@pytest.mark.parametrize(
    ("size", "count"),
    [
        (1, 1),
        (5 * MIB, 1),
        (32 * MIB - 1, 1),
        (32 * MIB, 2),
        (100_000_001, 4),
        (256 * MIB, 4),
        (1024 * MIB, 16),
        (2_000_000_000, 30),
        (9_900_000_000, 100),
        (10_000_000_000, 100),
    ],
)
def test_the_default_counts(size: int, count: int) -> None:
    """The balance between requests and parallelism is the one that the module describes."""
    assert len(plan_parts(size, daily_budget=2_000)) == count


@pytest.mark.parametrize("size", [0, -1, LARGEST_FILE + 1])
def test_sizes_that_the_service_does_not_take_are_refused(size: int) -> None:
    """Nothing is planned for an empty file or one over 100 times 100 MB."""
    with pytest.raises(InvalidArgument, match="bytes"):
        plan_parts(size)


@pytest.mark.parametrize("part_size", [0, SMALLEST_PART - 1, LARGEST_PART + 1, True])
def test_part_sizes_outside_the_limits_are_refused(part_size: int) -> None:
    """A part size below 5 MiB or above 100 MB is refused, whatever the file."""
    with pytest.raises(InvalidArgument, match="part_size"):
        plan_parts(10**9, part_size=part_size)
