"""What the jobs of a soak were promised, to be compared with what the account holds in the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field


def _sets() -> defaultdict[str, set[str]]:
    return defaultdict(set)


@dataclass(slots=True)
class Books:
    """The claims of all jobs.

    `topics` were added once each; `crm` holds the ids that were imported, `refused` those that must not be there;
    `comments` are by conversation: those that stay, those of which it is not known, and those that are deleted.
    """

    topics: set[str] = field(default_factory=set[str])
    crm: defaultdict[str, set[str]] = field(default_factory=_sets)
    refused: defaultdict[str, set[str]] = field(default_factory=_sets)
    comments: defaultdict[str, set[str]] = field(default_factory=_sets)
    uncertain: set[str] = field(default_factory=set[str])
    deleted: set[str] = field(default_factory=set[str])
    done: Counter[str] = field(default_factory=Counter[str])  #: pieces of work, by job
    gave_up: Counter[str] = field(default_factory=Counter[str])  #: documented errors that reached the caller, by job
    seconds: list[float] = field(default_factory=list[float])  #: how long each call of the web app took
    wrong: list[str] = field(default_factory=list[str])  #: what the library told was not so
