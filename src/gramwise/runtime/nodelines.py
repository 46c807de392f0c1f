"""Electricity of the nodes of a bill: serving, idling, and the network between clients and nodes.

Joules of an inference are what it adds above idle, so the two never overlap. Grams are joules x intensity x PUE; a
run's own hours weigh its zone's mean, whose error stays shared with all else in that zone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from gramwise.core.footprint import Factor, Phase, factor_of
from gramwise.core.machines import Node
from gramwise.core.units import J_PER_KWH, S_PER_YEAR
from gramwise.fleet.catalogue import half_width_frac
from gramwise.fleet.scenario import Scenario
from gramwise.footprint.bill import Line, Value, Values
from gramwise.footprint.scaling.account import Account
from gramwise.footprint.scaling.intensity import G_PER_KWH, Intensity, of_zone
from gramwise.runtime.chain import OUTSIDE
from gramwise.runtime.planfile import network_of
from gramwise.runtime.served import Served


def grids_by_node(scenario: Scenario) -> dict[str, Intensity]:
    """Electricity by node: as declared, else the zone's annual mean.

    Nodes of one zone that declare one figure from one source share its factor, as those that declare none do.
    """
    first: dict[tuple[str, float, str | None], str] = {}
    grids = {}
    for name, row in scenario.nodes.items():
        value = row.intensity_g_per_kwh
        if value is None:
            grids[name] = of_zone(row.zone)
            continue
        half, rule = half_width_frac("declared")
        rate = Factor(
            key=f"grid.{row.zone}.{first.setdefault((row.zone, value, row.intensity_source), name)}",
            value=value,
            low=value * (1.0 - half),
            high=value * (1.0 + half),
            unit=G_PER_KWH,
            method="assumed",
            source=f"{row.intensity_source}; interval by rule declared, {rule}",
        )
        grids[name] = Intensity(rate=rate, signal="average", basis="lifecycle")
    return grids


def rate_of(intensity: Intensity) -> Factor:
    """The one factor of a node's intensity; series are of phases only."""
    assert isinstance(intensity.rate, Factor)
    return intensity.rate


def _pue(node: Node) -> Factor:
    return _exact(f"pue.{node.name}", node.pue, "1", f"nodes.{node.name}.pue of the scenario")


def _exact(key: str, value: float, unit: str, source: str) -> Factor:
    return Factor(
        key=key,
        value=value,
        low=value,
        high=value,
        unit=unit,
        method="assumed",
        source=source,
        spread="exact",
    )


def _line(name: str, phase: Phase, factors: Sequence[Factor], joules: Callable[[Values], Value]) -> Account:
    """A line of electricity: joules that a formula gives, times all factors but the first, in kWh."""
    others = tuple(factor.key for factor in factors[1:])

    def grams(v: Values) -> Value:
        return joules(v) * math.prod((v[key] for key in others), start=1.0 / J_PER_KWH)

    line = Line(
        name=name,
        phase=phase,
        factors=tuple(factor.key for factor in factors),
        carbon_g=grams,
        energy_j=joules,
        boundary="site",
    )
    return Account([line], list(factors), [], {name: phase})


def _left_out(sentence: str) -> Account:
    return Account([], [], [sentence], {})


def serving_line(
    place: Served, units: float, nodes: Mapping[str, Node], grids: Mapping[str, Intensity]
) -> Account:
    """Its share of all inferences, at the joules of one; left out by name where joules or grid are not known."""
    if place.energy is None:
        return _left_out(place.why_unknown)
    energy, count, price = place.energy, units * place.share_frac, _price(place, nodes, grids)
    if not price:
        return _left_out(f"inference on {place.place}: the run does not know the grams of its split plan")
    return _line(
        f"{place.place}, inference",
        "inference",
        [energy, *price],
        lambda v: count * v[energy.key],
    )


def _price(place: Served, nodes: Mapping[str, Node], grids: Mapping[str, Intensity]) -> list[Factor]:
    """Factors whose product is g/kWh at a place; empty where it is not known.

    A run's own hours weigh the zone's mean, whose error stays shared. A split plan has the grids of several nodes in
    shares that the run does not tell apart; what it was billed at is then a factor of its own.
    """
    rates = {rate_of(grids[name]).key: rate_of(grids[name]) for name in place.nodes}
    rate = next(iter(rates.values()))
    if len(place.nodes) == 1 and place.g_per_kwh is None:
        return [rate, _pue(nodes[place.place])]
    if place.g_per_kwh is None:
        return []
    if len(rates) == 1 and rate.value > 0.0:
        pue = [_pue(nodes[place.place])] if len(place.nodes) == 1 else []
        ratio = place.g_per_kwh / math.prod((f.value for f in pue), start=rate.value)
        why = "intensity that the run billed its hours at, over the zone's mean"
        why += "" if pue else ", PUE included"
        return [rate, *pue, _exact(f"run.{place.place}.hours_over_mean", ratio, "1", why)]
    half, rule = half_width_frac("national")
    value = place.g_per_kwh
    return [
        Factor(
            key=f"run.{place.place}.g_per_kwh",
            value=value,
            low=value * (1.0 - half),
            high=value * (1.0 + half),
            unit=G_PER_KWH,
            method="modelled",
            source=f"grams over joules of the run, PUE included; interval by rule national, {rule}",
        )
    ]


def idle_line(scenario: Scenario, node: Node, intensity: Intensity) -> Account:
    """What a node draws for being on, in proportion to the time that is reserved for this model."""
    table, known = scenario.footprint, node.device.facts.get("idle_w")
    if known is None:
        return _left_out(
            f"idle power of {node.name}: the catalogue does not know it for {node.device.id}; write "
            "[devices.NAME] with idle_w"
        )
    idle = factor_of(f"device.{node.device.id}.idle_w", known)
    span_s = table.years * S_PER_YEAR * table.reserved_frac
    return _line(
        f"{node.name}, idle", "idle", [idle, rate_of(intensity), _pue(node)], lambda v: span_s * v[idle.key]
    )


def network_line(
    scenario: Scenario, place: Served, units: float, size: int | None, grids: Mapping[str, Intensity]
) -> Account:
    """Sending an inference to a node and its answer back, on the node's grid."""
    if len(place.nodes) > 1:
        return _left_out(f"network of {place.place}: the run does not tell the joules of moving tensors")
    link = network_of(scenario).links[OUTSIDE, place.place]
    if link.energy_j_per_byte is None:
        return _left_out(f"network to {place.place}: no link of it declares energy_j_per_byte")
    if size is None:
        return _left_out(f"network to {place.place}: the model leaves the size of what is sent open")
    half, rule = half_width_frac("declared")
    each = link.energy_j_per_byte + (link.receive_j_per_byte or 0.0)
    energy = Factor(
        key=f"link.{place.place}.j_per_byte",
        value=each,
        low=each * (1.0 - half),
        high=each * (1.0 + half),
        unit="J/byte",
        method="assumed",
        source=f"{link.source or 'declared in the scenario'}; interval by rule declared, {rule}",
    )
    sent = units * place.share_frac * size
    return _line(
        f"{place.place}, network",
        "network",
        [energy, rate_of(grids[place.place])],
        lambda v: sent * v[energy.key],
    )
