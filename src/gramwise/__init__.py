"""gramwise: serve deep-learning models over unlike machines with the fewest grams of CO2e, and account for every gram.

The names below are loaded when first used, so that importing gramwise costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "AsyncFleet": "runtime.embed",
    "Answer": "runtime.embed",
    "ConfigError": "core.errors",
    "Cost": "core.decision",
    "Decision": "core.decision",
    "EmbeddedFleet": "runtime.embed",
    "GramwiseError": "core.errors",
    "Infeasible": "core.errors",
    "Outcome": "core.decision",
    "Plan": "core.decision",
    "Policy": "core.protocols",
    "Quantity": "core.quantity",
    "Request": "core.decision",
    "Series": "core.series",
    "Snapshot": "core.decision",
    "aopen": "runtime.embed",
    "load_graph": "graph.load",
    "load_policy": "schedule",
    "load_scenario": "runtime.assembly",
    "measure": "runtime.measure",
    "open": "runtime.embed",
}

__version__ = "0.1.0"
__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        home = importlib.import_module(f"gramwise.{_HOMES[name]}")
        return getattr(home, "read_scenario" if name == "load_scenario" else name)
    raise AttributeError(f"module 'gramwise' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
