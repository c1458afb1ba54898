"""The plan of an upload in parts: a pure decision.

Two wishes pull against each other. The file host may count 2 000 requests a day, which asks for few, large parts; and
a file travels faster, and loses less when a connection breaks, in several parts at once. The default: parts of about
64 MiB; for a file that would give fewer than four of those, up to four parts of at least 16 MiB; and for a file of
more than 6.4 GiB the hundred parts that are allowed. So 100 MB take 4 parts, 1 GiB takes 16, the largest file 100.
"""

from __future__ import annotations

from zra_async.errors import InvalidArgument
from zra_async.results.uploads import LARGEST_FILE, LARGEST_PART, MOST_PARTS, Part, cut

MIB = 1024**2
#: the documents say 5 MB: this is right whether a MB is 10**6 or 2**20 bytes
SMALLEST_PART = 5 * MIB

_TARGET = 64 * MIB
_ABREAST = 4  #: as many parts as travel at once by default
_WORTH_IT = 16 * MIB  #: a part below this gains nothing from company
_ALIGNMENT = 4096  #: a page: parts that begin on one are read in place
_DAILY_FRACTION = 20  #: one file takes at most a twentieth of the day's requests, unless it cannot do with fewer


def plan_parts(size: int, *, part_size: int | None = None, daily_budget: int | None = None) -> tuple[Part, ...]:
    """Cut ``size`` bytes into parts that cover them exactly: as few as is sensible, and equal but for the last.

    ``part_size`` fixes the size of every part but the last, 5 MiB to 100 MB. ``daily_budget`` is how many requests the
    file host takes in a day: the plan keeps to a twentieth of them, unless the file needs more parts than that.
    Raises `InvalidArgument` for a size or part size that the service does not take.
    """
    if not 0 < size <= LARGEST_FILE:
        raise InvalidArgument(f"a file must have 1 to {LARGEST_FILE} bytes, not {size}")
    step = _default_part_size(size, daily_budget) if part_size is None else _checked_part_size(size, part_size)
    return cut(size, step)


def _default_part_size(size: int, daily_budget: int | None) -> int:
    fewest = _ceil(size, LARGEST_PART)
    count = max(_ceil(size, _TARGET), min(_ABREAST, size // _WORTH_IT), 1)
    if daily_budget is not None:
        count = min(count, daily_budget // _DAILY_FRACTION)
    count = min(max(count, fewest), MOST_PARTS)
    aligned = _ceil(_ceil(size, count), _ALIGNMENT) * _ALIGNMENT
    return min(aligned, LARGEST_PART)


def _checked_part_size(size: int, part_size: int) -> int:
    if isinstance(part_size, bool) or not SMALLEST_PART <= part_size <= LARGEST_PART:
        raise InvalidArgument(f"part_size must be {SMALLEST_PART} to {LARGEST_PART} bytes, not {part_size!r}")
    if _ceil(size, part_size) > MOST_PARTS:
        least = _ceil(size, MOST_PARTS)
        raise InvalidArgument(
            f"part_size={part_size} would make {_ceil(size, part_size)} parts of {size} bytes, and {MOST_PARTS} are "
            f"the most: give at least {least}, or leave it out"
        )
    return part_size


def _ceil(whole: int, piece: int) -> int:
    return -(-whole // piece)
