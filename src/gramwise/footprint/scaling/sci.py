"""Software Carbon Intensity: one score with its boundary and the method of each component; and the two of SCI for AI.

``SCI = (O + M) per R`` with ``O = E I`` and ``M = TE x TS x RS``, ``TS = TiR / EL``, ``RS = RR / ToR``: Green Software
Foundation, SCI Specification 1.1.0, the text of ISO/IEC 21031:2024. SCI for AI (ratified 20 November 2025) asks for a
provider score, of what made the model, and a consumer score, of what using it costs. Scores hold no offsets and no
market-based figures, and are never added up: sum the grams, then divide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.footprint import EMBODIED, Footprint
from gramwise.core.quantity import Quantity
from gramwise.core.units import J_PER_KWH
from gramwise.footprint.bill import DRAWS, bill

from .account import Account
from .phases import Array, Value
from .serving import DEVELOPMENT

Side = Literal["provider", "consumer"]

UNITS: dict[Side, tuple[str, ...]] = {
    "provider": ("FLOP", "training token", "parameter"),
    "consumer": ("inference", "token", "request"),
}
BOUNDARIES: dict[Side, str] = {
    "provider": "inception, design and development (data, experimentation, training, tuning), deployment, retirement",
    "consumer": "operation and monitoring (inference, idle, client, network)",
}
SPECIFICATION = "SCI Specification 1.1.0 (ISO/IEC 21031:2024)"
FOR_AI = "SCI for AI, ratified 20 November 2025"


def embodied_g(te_g: Value, tir_s: Value, el_s: Value, rr: Value, tor: Value) -> Array:
    """Embodied carbon that a piece of software owes: ``M = TE x (TiR / EL) x (RR / ToR)``, g.

    Args:
        te_g: total embodied carbon of the hardware, g.
        tir_s, el_s: time reserved, and expected lifespan above 0, s.
        rr, tor: resources reserved, and total resources above 0, in one unit (cores, bytes, watts).

    Raises:
        ConfigError: a lifespan or a total that is not above 0; more reserved than there is; anything below 0.
    """
    for key, part, whole in (("tir_s", tir_s, el_s), ("rr", rr, tor)):
        p, w = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
        if not bool(np.all((w > 0.0) & (p >= 0.0) & (p <= w))):
            raise ConfigError(
                f"{part} of {whole} is no share.", key=key, fix="Write from 0 to the whole, above 0."
            )
    if not bool(np.all(np.asarray(te_g) >= 0.0)):
        raise ConfigError("embodied carbon is never below 0.", key="te_g", fix="Write grams of 0 or more.")
    return np.asarray(np.asarray(te_g) * (np.asarray(tir_s) / el_s) * (np.asarray(rr) / tor))


def score_g(energy_kwh: Value, intensity_g_per_kwh: Value, m_g: Value, units: Value) -> Array:
    """``SCI = (E I + M) / R``, grams per functional unit.

    Args:
        energy_kwh: drawn, with what was reserved and stood idle, PUE included, kWh.
        intensity_g_per_kwh: location-based, g/kWh.
        m_g: embodied, as `embodied_g`, g.
        units: R, above 0.

    Raises:
        ConfigError: no units.
    """
    if not bool(np.all(np.asarray(units) > 0.0)):
        raise ConfigError(
            "a score needs functional units above 0.", key="units", fix="Write how many were served."
        )
    return np.asarray((np.asarray(energy_kwh) * intensity_g_per_kwh + m_g) / units)


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A row of a report: what it is, how it was come by, and its grams.

    Attributes:
        name, method, source: of the item.
        operational_g, embodied_g: one of them is 0, being of the other kind.
        energy_kwh: at the meter, before PUE; None where there is none or it is not known.
    """

    name: str
    method: str
    source: str
    operational_g: float
    embodied_g: float
    energy_kwh: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a report of SCI has to state: score, software boundary, and method per component.

    Attributes:
        specification: that it follows.
        side: provider or consumer for SCI for AI; None for plain SCI.
        functional_unit, units: R.
        score: g per functional unit.
        operational, embodied: O and M, g.
        boundary: of the software, in words.
        components: the rows.
        not_included: what the boundary leaves out.
    """

    specification: str
    side: Side | None
    functional_unit: str
    units: float
    score: Quantity
    operational: Quantity
    embodied: Quantity
    boundary: str
    components: tuple[Component, ...]
    not_included: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As a JSON-able document."""
        return {"schema": "gramwise.sci/1", **asdict(self)}


def report(footprint: Footprint, *, specification: str = SPECIFICATION, side: Side | None = None) -> Score:
    """The score of a bill, over all its items and per its functional unit.

    Args:
        footprint: a bill with units.
        specification, side: for the statement.

    Raises:
        ConfigError: the bill covers no units.
    """
    if footprint.per_unit is None:
        raise ConfigError(
            "a score needs functional units above 0.", key="units", fix="Write how many were served."
        )
    return Score(
        specification=specification,
        side=side,
        functional_unit=footprint.functional_unit,
        units=footprint.units,
        score=footprint.per_unit,
        operational=footprint.operational,
        embodied=footprint.embodied,
        boundary=footprint.boundary,
        components=tuple(
            Component(
                name=item.name,
                method=item.carbon.method,
                source=item.carbon.source,
                operational_g=0.0 if item.embodied else item.carbon.value,
                embodied_g=item.carbon.value if item.embodied else 0.0,
                energy_kwh=item.energy_j.value / J_PER_KWH if item.energy_j else None,
            )
            for item in footprint.items
        ),
        not_included=footprint.not_included,
    )


def for_ai(
    account: Account,
    side: Side,
    functional_unit: str,
    units: float,
    *,
    not_included: Sequence[str] = (),
    draws: int = DRAWS,
    seed: int = 0,
) -> Score:
    """One of the two scores of SCI for AI.

    Args:
        account: of the whole life. A line belongs to the provider where it serves a phase of `DEVELOPMENT`
            (serving.py), and else to the consumer; hardware goes with what it serves.
        side: provider or consumer.
        functional_unit: one of `UNITS` of that side.
        units: how many, above 0: the FLOP, tokens or parameters of the training; the inferences, tokens or requests
            that the account's serving lines cover.
        not_included: in addition to the account's own.
        draws, seed: of the intervals.

    Raises:
        ConfigError: a unit of the other side, no units, or no line on this side.
    """
    if side not in UNITS:
        raise ConfigError(f"there is no boundary {side!r}.", key="side", fix="Write provider or consumer.")
    if functional_unit not in UNITS[side]:
        raise ConfigError(
            f"{functional_unit!r} is no functional unit of the {side} boundary.",
            key="functional_unit",
            fix=did_you_mean(functional_unit, UNITS[side]),
        )
    # Hardware that is not said to serve anything belongs to neither side; silence would count it for the consumer.
    homeless = [x.name for x in account.lines if x.phase in EMBODIED and x.name not in account.serves]
    lines = [
        x
        for x in account.lines
        if x.name not in homeless
        and (account.serves.get(x.name, x.phase) in DEVELOPMENT) == (side == "provider")
    ]
    if not lines:
        raise ConfigError(
            f"the account has no line of the {side} boundary.", key="side", fix="Add its phases."
        )
    bare = [f"{name}: not said which phase it serves" for name in homeless]
    footprint = bill(
        lines,
        account.factors,
        functional_unit=functional_unit,
        units=units,
        boundary=BOUNDARIES[side],
        not_included=(*account.not_included, *bare, *not_included),
        draws=draws,
        seed=seed,
    )
    return report(footprint, specification=FOR_AI, side=side)
