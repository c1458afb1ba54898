"""Snapshots of a sandbox account: everything that calls and its own life can change, apart from uploaded files."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zra_async.sandbox.world.crm_store import Crm
from zra_async.sandbox.world.team_tree import Teams
from zra_async.sandbox.world.world import World

if TYPE_CHECKING:
    from zra_async.sandbox.world.account import Account


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The conversations, deals, comments, teams and CRM records of an account at one time; it never changes."""

    world: World
    teams: Teams
    crm: Crm


def take(account: Account) -> Snapshot:
    """Copy the state of ``account``."""
    return _copied(account, Snapshot(account.world, account.teams, account.crm))


def put_back(account: Account, snapshot: Snapshot) -> None:
    """Give ``account`` the state that it had, a copy of it, so that the snapshot can be put back again."""
    found = _copied(account, snapshot)
    account.world, account.teams, account.crm = found.world, found.teams, found.crm


def begin_again(account: Account) -> None:
    """Give ``account`` the state with which it opened."""
    options, clock = account.options, account.clock
    world = World(options, clock, opened=account.world.opened)
    account.world, account.teams, account.crm = world, Teams(world, clock), Crm(options, clock)


def _copied(account: Account, snapshot: Snapshot) -> Snapshot:
    shared = (account.clock, account.options)  # time goes on, and others wait for this clock
    world, teams, crm = copy.deepcopy(
        (snapshot.world, snapshot.teams, snapshot.crm), {id(thing): thing for thing in shared}
    )
    return Snapshot(world, teams, crm)
