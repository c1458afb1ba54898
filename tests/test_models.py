"""`zra_async.models` holds every structure of the API."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from zra_async import api, models
from zra_async.api.schema import Model, OpenEnum, Record


def test_models_names_every_structure() -> None:
    """No answer, record or enum is reachable through a private path only."""
    bases = (Model, Record, OpenEnum)
    found: set[str] = set()
    for module in pkgutil.walk_packages(api.__path__, "zra_async.api."):
        for name, thing in vars(importlib.import_module(module.name)).items():
            if inspect.isclass(thing) and issubclass(thing, bases) and thing not in bases and not name.startswith("_"):
                found.add(name)
    assert found == set(models.__all__)
