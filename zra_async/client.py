"""The session manager: one client, its pools and limits, and a namespace for each resource."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from zra_async import errors
from zra_async.api.indicators import Indicators
from zra_async.api.registry import OPERATIONS
from zra_async.config import ClientConfig, check_seconds, settings_from_env
from zra_async.core import wire
from zra_async.core.auth import Auth, AuthContext
from zra_async.core.bucket import Lane
from zra_async.core.events import quiet
from zra_async.core.limits import RateLimiter
from zra_async.core.operation import Host, ListOperation, Operation
from zra_async.core.pages import Page, Pages
from zra_async.core.pipeline import CallOptions, Pipeline
from zra_async.core.transport import Transport

R = TypeVar("R")
T = TypeVar("T")
