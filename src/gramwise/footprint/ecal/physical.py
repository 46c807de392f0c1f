"""The life cycle in joules and grams, from packets, layer shapes and machines: eCAL with physical terms.

The face of physical mode: a `PhysicalCase` in, lines of a bill or a plain document out. Where the numbers are made:
`gramwise.footprint.ecal.parts` (stages), `links` (packets), `layers` (networks), `work` (passes and redundancy).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gramwise.core.footprint import Factor
from gramwise.core.units import J_PER_KWH
from gramwise.footprint.bill import Line, Value, Values

from .case import PhysicalCase
from .parts import Part, Physical
from .rates import intensity_key, pue_key


def lines(case: PhysicalCase, folder: str | Path | None = None) -> tuple[list[Line], list[Factor]]:
    """The case as lines and factors of a bill, for `gramwise.footprint.bill.bill`.

    Grams are ``E x PUE x intensity``; joules are at the machine or radio, before PUE. Parts that are paid for each
    inference are multiplied by their number. ``case.inference.count`` is the bill's number of units.
    """
    account = Physical(case, folder)
    return [_line(part, account.times(part)) for part in account.parts], list(account.factors)


def _line(part: Part, times: float) -> Line:
    pue, intensity = pue_key(part.location), intensity_key(part.location)

    def energy(values: Values) -> Value:
        return times * part.energy_j(values)

    return Line(
        name=f"{part.name}, {part.location}",
        phase=part.phase,
        factors=tuple(dict.fromkeys((*part.factors, pue, intensity))),
        carbon_g=lambda values: energy(values) * values[pue] * values[intensity] / J_PER_KWH,
        energy_j=energy,
    )


def document(case: PhysicalCase, folder: str | Path | None = None) -> Mapping[str, Any]:
    """The account at the best estimates, as plain dicts and numbers for JSON.

    ``j_per_bit`` divides joules at machines and radios by payload bits, as eCAL does; ``site_j_per_bit`` includes PUE.
    Per-inference figures are marginal; ``amortised`` ones carry their share of development and idling, and are None
    without inferences.
    """
    account = Physical(case, folder)
    gamma, bits = account.case.inference.count, account.payload_bits()

    def at_site(part: Part) -> float:
        return account.energy_j(part, site=True)

    joules, site_j, grams = (account.total(f) for f in (account.energy_j, at_site, account.carbon_g))
    rows = [
        {
            "name": part.name,
            "stage": part.stage,
            "phase": part.phase,
            "location": part.location,
            "when": part.when,
            "times": account.times(part),
            "energy_j": account.times(part) * account.energy_j(part),
            "site_j": account.times(part) * at_site(part),
            "carbon_g": account.times(part) * account.carbon_g(part),
        }
        for part in account.parts
    ]
    return {
        "schema": "gramwise.ecal/1",
        "mode": "physical",
        "model": {
            "name": account.network.name,
            "flop": account.network.flop,
            "parameters": account.network.parameters,
            "moved_bytes": account.network.moved_bytes,
        },
        "payload_bits": bits,
        "energy_j": joules,
        "site_j": site_j,
        "site_wh": site_j / (J_PER_KWH / 1000.0),
        "carbon_g": grams,
        "j_per_bit": joules / bits,
        "site_j_per_bit": site_j / bits,
        "development_j": account.total(account.energy_j, "development"),
        "span_j": account.total(account.energy_j, "span"),
        "marginal_j_per_inference": account.total(account.energy_j, "inference"),
        "marginal_g_per_inference": account.total(account.carbon_g, "inference"),
        "amortised_j_per_inference": joules / gamma if gamma else None,
        "amortised_g_per_inference": grams / gamma if gamma else None,
        "delivered_frac": account.delivered_frac,
        "parts": rows,
        "not_included": list(account.not_included),
    }
