"""The account's conversations, deals and people: a base generated as it is asked for, and what was changed on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zra_async.sandbox.people import User, make_users, user_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zra_async.sandbox.account import Options
    from zra_async.sandbox.clock import Clock


class World:
    """Everything the account holds besides teams, CRM records and files."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self.options = options
        self.clock = clock
        self.users: Sequence[User] = make_users(options.seed, user_count(options.conversations))
        self._users_by_key = {key: user for user in self.users for key in (user.user_id, user.email)}

    def user(self, user_id_or_email: str) -> User | None:
        """Find a user by id or by e-mail address, whose case does not matter."""
        by_key = self._users_by_key
        return by_key.get(user_id_or_email) or by_key.get(user_id_or_email.lower())
