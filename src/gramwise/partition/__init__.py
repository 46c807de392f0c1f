"""Cutting one network across nodes: exactly, and only when it pays."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "Goals": "build",
    "Menu": "menu",
    "OUTSIDE": "build",
    "PartitionResult": "solver",
    "Profile": "build",
    "menu_of": "menu",
    "problem_of": "build",
    "solve": "solver",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"gramwise.partition.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'gramwise.partition' has no attribute {name!r}")
