"""The permit of a shared limit."""

from __future__ import annotations

from typing import Protocol


class SlotIssuer(Protocol):
    """The label that a slot belongs to."""

    def left(self, permit: SharedPermit) -> float:
        """Note that the attempt is sent now, and return the loop time."""
        ...

    def ended(self, permit: SharedPermit) -> None:
        """Note that the attempt has ended."""
        ...


class SharedPermit:
    """The right to send one attempt at a slot that is booked in the database.

    `slot` is the booked time on the clock of the event loop, and `booked` the same on the clock of the database.
    `logged` is the time at which the call counts there now.
    """

    __slots__ = (
        "_issuer",
        "_open",
        "booked",
        "granted_at",
        "logged",
        "probe",
        "review_at",
        "sent_at",
        "settled",
        "slot",
        "waited",
    )

    def __init__(self, issuer: SlotIssuer, slot: float, booked: float, granted_at: float, *, probe: bool) -> None:
        self._issuer = issuer
        self._open = True
        self.slot: float = slot
        self.booked: float = booked
        self.logged: float = booked
        self.review_at: float = 0.0  #: when it is looked at, unless it is settled
        self.granted_at: float = granted_at
        self.probe: bool = probe
        self.settled: bool = False  #: the time at which it counts does not change any more
        self.waited: float = 0.0
        self.sent_at: float | None = None

    def sent(self) -> None:
        """Count the attempt from this moment on."""
        if self._open and self.sent_at is None:
            self.sent_at = self._issuer.left(self)

    def release(self) -> None:
        """End the attempt; one that was never sent costs nothing."""
        if self._open:
            self._open = False
            self._issuer.ended(self)
