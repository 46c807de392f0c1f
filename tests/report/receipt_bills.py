"""Bills for the tests of receipts and exports: two nodes serving, trained and built, with numbers to check by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gramwise.core.footprint import Factor, Footprint
from gramwise.core.receipt import Document, receipt_of_footprint
from gramwise.core.units import J_PER_KWH
from gramwise.footprint.bill import Line, Values, bill

INPUTS: dict[str, Any] = {
    "requests": 142_000,
    "grid.DE": [143.0, 120.0, 170.0, "annual mean of the zone, table A"],
    "site.pue": [1.0, 1.0, 1.0, "declared"],
    "nodes": {"node-a": {"kwh": 0.012, "made_g": 0.9}, "node-b": {"kwh": 0.03, "made_g": 2.1}},
    "die_source": "die table, 2023",
    "training_kwh": None,
}
"""Raw inputs of the bill; `recompute` evaluates it from these and nothing else."""

PERIOD = {"start": "2026-11-21T10:00:00.000+00:00", "duration_s": 3600.0}


def recompute(inputs: Mapping[str, Any]) -> Footprint:
    """The bill of such inputs."""
    factors = [
        _factor("grid.DE", *inputs["grid.DE"], unit="g/kWh"),
        _factor("site.pue", *inputs["site.pue"], unit="1"),
    ]
    lines = []
    for name, node in inputs["nodes"].items():
        kwh, made_g = node["kwh"], node["made_g"]
        factors.append(
            _factor(f"{name}.kwh", kwh, 0.8 * kwh, 1.2 * kwh, "meter", unit="kWh", method="measured")
        )
        factors.append(
            _factor(f"{name}.made", made_g, 0.5 * made_g, 2 * made_g, inputs["die_source"], unit="g")
        )
        lines.append(_electric(f"{name}, serving", "inference", f"{name}.kwh"))
        lines.append(
            Line(
                name=f"{name}, making",
                phase="manufacture",
                factors=(f"{name}.made",),
                carbon_g=lambda v, key=f"{name}.made": v[key],  # type: ignore[misc]
            )
        )
    if inputs["training_kwh"] is not None:
        kwh = inputs["training_kwh"]
        factors.append(_factor("training.kwh", kwh, kwh, kwh, "ledger", unit="kWh", method="measured"))
        lines.append(_electric("lab, training", "training", "training.kwh"))
    return bill(
        lines,
        factors,
        functional_unit="request",
        units=inputs["requests"],
        boundary="serving and making",
        not_included=["networks"],
        draws=500,
    )


def receipt(**changes: Any) -> Document:
    """The receipt of `INPUTS` with some of them changed."""
    inputs = {**INPUTS, **changes}
    return receipt_of_footprint(recompute(inputs), inputs, period=PERIOD)


def _electric(name: str, phase: Any, key: str) -> Line:
    def carbon_g(v: Values) -> Any:
        return v[key] * v["grid.DE"] * v["site.pue"]

    def energy_j(v: Values) -> Any:
        return v[key] * J_PER_KWH

    return Line(
        name=name, phase=phase, factors=(key, "grid.DE", "site.pue"), carbon_g=carbon_g, energy_j=energy_j
    )


def _factor(
    key: str, value: float, low: float, high: float, source: str, *, unit: str, method: Any = "modelled"
) -> Factor:
    return Factor(key=key, value=value, low=low, high=high, unit=unit, method=method, source=source)
