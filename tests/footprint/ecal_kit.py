"""A small physical case: a sensor, a radio hop to a site, one server there."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from gramwise.footprint.ecal.case import PhysicalCase
from gramwise.footprint.ecal.parts import Physical

RAW: Mapping[str, Any] = {
    "data": {"samples": 256, "values_per_sample": 10, "bits_per_value": 64, "result_bits": 32},
    "model": {"kind": "mlp", "widths": [10, 10, 10, 10, 2], "bias": False},
    "locations": {
        "field": {"intensity_g_per_kwh": 380.0, "pue": 1.0},
        "site": {
            "intensity_g_per_kwh": {"value": 100.0, "low": 80.0, "high": 130.0, "source": "a table"},
            "pue": {"value": 1.5, "low": 1.2, "high": 1.8, "source": "a survey"},
        },
    },
    "machines": {
        "server": {
            "location": "site",
            "peak_flop_per_s": 1e10,
            "utilisation_frac": {"value": 0.25, "low": 0.1, "high": 0.5, "source": "a guess"},
            "busy_w": 140.0,
            "idle_w": 40.0,
        }
    },
    "preprocessing": {
        "kind": "normalisation",
        "development_machine": "server",
        "inference_machine": "server",
    },
    "training": {"machine": "server", "epochs": 50, "batch": 32, "optimiser": "sgd"},
    "inference": {"machine": "server", "count": 100.0},
    "hops": [{"name": "radio", "sender": "field", "receiver": "site", "link": {"technology": "ble"}}],
}


def raw(**changes: Any) -> dict[str, Any]:
    """The case with values replaced: dotted keys written with two underscores (``data__samples=1``)."""
    out: dict[str, Any] = copy.deepcopy(dict(RAW))
    for path, value in changes.items():
        *parents, last = path.split("__")
        at: Any = out
        for parent in parents:
            at = at[int(parent)] if isinstance(at, list) else at[parent]
        at[last] = value
    return out


def case(**changes: Any) -> PhysicalCase:
    """`raw`, read."""
    return PhysicalCase.from_mapping(raw(**changes))


def physical(**changes: Any) -> Physical:
    """`case`, worked out."""
    return Physical(case(**changes))


def stage_j(account: Physical, stage: str) -> float:
    """Joules of a stage, once or for one inference, before PUE."""
    found = [account.energy_j(p) for p in account.parts if p.stage == stage]
    assert found, f"there is no stage {stage}"
    return sum(found)
