"""The pause after a refusal of the service: nobody, then one probe, then everybody."""

from __future__ import annotations

from zra_async.core.limits.window import TICK


class Freeze:
    """The state of one pause. Times are those of the event loop, in seconds."""

    __slots__ = ("probing", "thawing", "until")

    def __init__(self) -> None:
        self.until: float = 0.0
        self.thawing: bool = False  #: nothing has succeeded since the last refusal
        self.probing: bool = False  #: the one call that tries is on its way

    def begin(self, until: float) -> None:
        """Pause until then at least."""
        self.until = max(self.until, until)
        self.thawing = True

    def blocks(self, now: float) -> bool:
        """Tell whether nobody may go now."""
        return self.until > now + TICK or (self.thawing and self.probing)

    def end(self, now: float) -> bool:
        """End a pause whose time is over, since a call has succeeded; True when there was one."""
        if self.thawing and self.until <= now + TICK:
            self.thawing = False
            return True
        return False
