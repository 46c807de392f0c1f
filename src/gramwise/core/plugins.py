"""Finding an implementation by name: one file that ends in ``PLUGIN = ThatClass``, loaded when first asked for.

Built-in kinds live in one package each. A name is a module name with ``-`` for ``_``; where no module has the whole
name, the longest leading part that is a module wins and the rest is handed to the class as its mode, so that
``carbonedge-green-corrected`` is ``carbonedge.PLUGIN("green-corrected")``. Outside packages register an entry point
in the group ``gramwise.<kind>``.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from .errors import ConfigError, did_you_mean

HOMES = {
    "policy": "gramwise.schedule.policies",
    "meter": "gramwise.power.meters",
    "intensity": "gramwise.grid.sources",
    "partitioner": "gramwise.partition.methods",
    "forecaster": "gramwise.grid.forecasts",
    "solver": "gramwise.optimize.solvers",
}
"""Where the built-in implementations of each kind live."""


def create(kind: str, name: str, *args: Any, **kwargs: Any) -> Any:
    """An instance of the plug-in ``name`` of ``kind``; arguments go to the class.

    Raises:
        ConfigError: no such kind or name; names the nearest one.
    """
    cls, mode = _find(kind, name)
    return cls(mode, *args, **kwargs) if mode else cls(*args, **kwargs)


def names(kind: str) -> list[str]:
    """Every name of ``kind``, built in and registered, sorted. A class with ``MODES`` contributes one per mode."""
    home = importlib.import_module(_home(kind))
    found = [entry.name for entry in entry_points(group=f"gramwise.{kind}")]
    for module in pkgutil.iter_modules(home.__path__):
        plugin = getattr(importlib.import_module(f"{HOMES[kind]}.{module.name}"), "PLUGIN", None)
        if plugin is not None:
            stem = module.name.replace("_", "-")
            found += [f"{stem}-{mode}" for mode in getattr(plugin, "MODES", ())] or [stem]
    return sorted(found)


def _home(kind: str) -> str:
    if kind not in HOMES:
        raise ConfigError(f"there is no kind of plug-in called {kind!r}.", fix=did_you_mean(kind, HOMES))
    return HOMES[kind]


def _find(kind: str, name: str) -> tuple[Any, str]:
    home = _home(kind)
    for entry in entry_points(group=f"gramwise.{kind}"):
        if entry.name == name:
            return entry.load(), ""
    parts = name.split("-")
    for cut in range(len(parts), 0, -1):
        module = f"{home}.{'_'.join(parts[:cut])}"
        mode = "-".join(parts[cut:])
        if all(part.isidentifier() for part in parts[:cut]) and find_spec(module) is not None:
            plugin = getattr(importlib.import_module(module), "PLUGIN", None)
            if plugin is None:
                continue
            if mode in getattr(plugin, "MODES", ()) or (not mode and not getattr(plugin, "MODES", ())):
                return plugin, mode
    raise ConfigError(f"there is no {kind} called {name!r}.", fix=did_you_mean(name, names(kind), limit=20))
