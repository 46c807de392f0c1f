"""An Impact Framework manifest (Green Software Foundation, ``if-run`` 1.1): a child and one observation a component.

Energy is in kWh with PUE, and ``carbon-embodied`` is a number of ours: the builtin ``SciEmbodied`` passes over the
inputs that would describe a device. Only ``carbon`` is aggregated: summed over components, ``sci`` means nothing.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any

from gramwise.core.errors import DataError
from gramwise.report.exports.block import yaml
from gramwise.report.exports.parts import Part, Row, parts, start

_CARBON = {
    "unit": "gCO2eq",
    "description": "total",
    "aggregation-method": {"time": "sum", "component": "sum"},
}


def _sum(*terms: str) -> dict[str, Any]:
    return {
        "method": "Sum",
        "path": "builtin",
        "config": {"input-parameters": list(terms), "output-parameter": "carbon"},
        "parameter-metadata": {"outputs": {"carbon": _CARBON}},
    }


_PLUGINS: dict[str, dict[str, Any]] = {
    "operational": {
        "method": "Multiply",
        "path": "builtin",
        "config": {
            "input-parameters": ["energy", "grid/carbon-intensity"],
            "output-parameter": "carbon-operational",
        },
    },
    "total": _sum("carbon-operational", "carbon-embodied"),
    "total-operational": _sum("carbon-operational"),
    "total-embodied": _sum("carbon-embodied"),
    "sci": {"method": "Sci", "path": "builtin", "config": {"functional-unit": "requests"}},
}


def manifest(document: Row, book: Row) -> str:
    """The manifest as YAML; ``if-run`` gives the account's grams for it.

    Raises:
        DataError: the receipt states no period, or an account without items.
    """
    began, duration_s = start(book), book["period"]["duration_s"]
    if began is None or duration_s is None:
        raise DataError(
            "an Impact Framework manifest needs the time and length of what it observes, "
            "and this receipt states no period."
        )
    found = parts(document, book)
    if not found:
        raise DataError(f"the account {book['name']!r} has no items, so there is nothing to observe.")
    when = began.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    children = {part.name: _child(part, when, duration_s) for part in found}
    return yaml(
        {
            "name": book["name"],
            "description": f"{book['boundary']}; not included: {', '.join(book['not_included']) or 'nothing named'}",
            "tags": {"kind": document["kind"], "gramwise": document["gramwise"], "receipt": document["hash"]},
            "aggregation": {"metrics": ["carbon"], "type": "both"},
            "initialize": {"plugins": _plugins(children)},
            "tree": {"children": children},
        }
    )


def _plugins(children: Row) -> dict[str, Any]:
    """Those that some child's pipeline names."""
    used = {step for child in children.values() for step in child["pipeline"]["compute"]}
    return {name: plugin for name, plugin in _PLUGINS.items() if name in used}


def _child(part: Part, when: str, duration_s: float) -> dict[str, Any]:
    observed: dict[str, Any] = {"timestamp": when, "duration": duration_s}
    steps = []
    if part.g_per_kwh is not None and part.other_g is None:
        observed |= {"energy": part.site_kwh, "grid/carbon-intensity": part.g_per_kwh}
        steps.append("operational")
    elif part.operational_g is not None:
        observed["carbon-operational"] = part.operational_g
    if part.embodied_g is not None:
        observed["carbon-embodied"] = part.embodied_g
    steps.append(_total(part))
    if part.units:
        observed["requests"] = part.units
        steps.append("sci")
    return {"pipeline": {"compute": steps}, "inputs": [observed]}


def _total(part: Part) -> str:
    """A term that is not counted is left out of the sum; it is not a term of 0."""
    if part.embodied_g is None:
        return "total-operational"
    return "total-embodied" if part.operational_g is None else "total"


PLUGIN = manifest
