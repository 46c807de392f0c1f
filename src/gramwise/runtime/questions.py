"""What a reader of a bill asks: what it takes for granted, scores, when serving overtakes making, whether a newer
machine repays itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Footprint
from gramwise.core.units import S_PER_DAY, S_PER_YEAR
from gramwise.fleet.scenario import Scenario
from gramwise.footprint.scaling import sci
from gramwise.footprint.scaling.account import Account
from gramwise.footprint.scaling.replacing import Renewal, compare, payback
from gramwise.footprint.scaling.serving import DEVELOPMENT, crossing
from gramwise.runtime.gathered import Gathered
from gramwise.runtime.made import made
from gramwise.runtime.served import Served


def inferences_of(scenario: Scenario) -> tuple[float, str]:
    """Inferences over the account, and in a sentence where the number comes from.

    Raises:
        ConfigError: nothing says how many there are.
    """
    table = scenario.footprint
    span_s = table.years * S_PER_YEAR
    if table.inferences is not None:
        return (
            table.inferences,
            f"{_whole(table.inferences)} inferences over {table.years:g} years, as declared.",
        )
    if table.inferences_per_day is not None:
        units = table.inferences_per_day * span_s / S_PER_DAY
        return (
            units,
            f"{_whole(units)} inferences: {table.inferences_per_day:g} a day for {table.years:g} years.",
        )
    own = [(row.rate_per_s, row.count) for row in scenario.traffic if row.model == scenario.model]
    where = f"[[traffic]] for {scenario.model}"
    if not scenario.traffic:
        own, where = [(scenario.workload.rate_per_s, scenario.workload.count)], "[workload]"
    if not own or any(rate is None for rate, _ in own):
        raise ConfigError(
            f"{where} does not say how many inferences there are.",
            file=scenario.path,
            key="footprint.inferences_per_day",
            fix="Write inferences_per_day or inferences.",
        )
    units = math.fsum(rate * count for rate, count in own if rate is not None) * span_s
    return (
        units,
        f"{_whole(units)} inferences: the mean rate of {where}, all hours of {table.years:g} years (assumed).",
    )


def assumptions(scenario: Scenario, gathered: Gathered) -> list[str]:
    """What the bill takes for granted, a sentence each, and what a reader would else stumble over."""
    units, said = inferences_of(scenario)
    return [
        said,
        gathered.served.said,
        *(text for place in gathered.served.places for text in _too_much(scenario, place, units)),
        *_nodes(scenario, gathered),
        *(
            f"What {name} infers itself is billed and not counted among the inferences."
            for name in scenario.footprint.duty
        ),
    ]


def _too_much(scenario: Scenario, place: Served, units: float) -> Iterator[str]:
    """Whether a node has the time: joules of an inference over what full load draws above idle are busy seconds.

    More inferences than a node can serve are billed and not refused: their joules are right, and how many machines
    would share them is the reader's to say. What is unknown is not judged.
    """
    node = next((node for node in scenario.node_records() if node.name == place.place), None)
    if node is None or place.energy is None or node.device.busy_w is None or node.device.idle_w is None:
        return
    table, above_w = scenario.footprint, node.device.busy_w - node.device.idle_w
    open_s = table.years * S_PER_YEAR * table.reserved_frac
    if above_w <= 0.0 or open_s <= 0.0:
        return
    busy = units * place.share_frac * place.energy.value / above_w / open_s
    if busy > 1.0:
        yield (
            f"{node.name} would be busy {busy:.3g} times the time that it is reserved: the inferences take at least "
            f"{math.ceil(busy)} such machines, and idle power and making of one are in the bill."
        )


def _nodes(scenario: Scenario, gathered: Gathered) -> Iterator[str]:
    """On idle power and making, which are every node's whether it serves or not."""
    table = scenario.footprint
    if table.reserved_frac == 0.0:
        yield "No time of the nodes is reserved, so neither their idle power nor their making is charged."
        return
    serving = {name for place in gathered.served.places for name in place.nodes}
    for node in scenario.node_records():
        if node.name not in serving:
            yield f"{node.name} serves no inference; its idle power and its making are charged all the same."
        life = made(scenario, node, gathered.boms).life.value
        if table.years > life:
            yield (
                f"{node.name} lives {life:g} years: over {table.years:g} years {table.years / life:.3g} such machines "
                "are made, the last one in proportion."
            )


def questions(
    scenario: Scenario,
    account: Account,
    footprint: Footprint,
    renewals: tuple[Renewal, ...],
    start_s: float,
) -> dict[str, Any]:
    """The keys ``scores``, ``break_even`` and ``renewal`` of a ``gramwise.footprint/1`` document.

    Args:
        scenario: for the account's span, its draws and units.
        account: before it was evaluated.
        footprint: and after.
        renewals: of the scenario.
        start_s: first moment of the account, Unix seconds.

    Returns:
        ``scores``: SCI, and those of the two of SCI for AI that the account has lines and units for. ``break_even``:
        None where nothing was paid once or nothing is served.
    """
    table = scenario.footprint
    how: Any = {"draws": table.draws, "seed": table.seed}
    served = footprint.units > 0.0 and any(_by_use(account, line.name, line.phase) for line in account.lines)
    paid_once = any(not _by_use(account, line.name, line.phase) for line in account.lines)
    scores = [sci.report(footprint)] if footprint.per_unit else []
    if paid_once and table.provider_unit and table.provider_units:
        scores.append(sci.for_ai(account, "provider", table.provider_unit, table.provider_units, **how))
    if served and table.functional_unit in sci.UNITS["consumer"]:
        scores.append(sci.for_ai(account, "consumer", table.functional_unit, footprint.units, **how))
    rate_per_s = footprint.units / (table.years * S_PER_YEAR)
    crossed = (
        crossing(
            account,
            footprint.units,
            start_s=start_s,
            rate_per_s=rate_per_s,
            growth_frac_per_year=table.growth_frac_per_year,
            **how,
        )
        if served and paid_once
        else None
    )
    return {
        "scores": [score.document() for score in scores],
        "break_even": crossed and asdict(crossed),
        "renewal": [_renewal(spec, table.years * S_PER_YEAR, how) for spec in renewals],
    }


def _by_use(account: Account, name: str, phase: str) -> bool:
    return account.serves.get(name, phase) not in DEVELOPMENT


def _renewal(spec: Renewal, horizon_s: float, how: dict[str, int]) -> dict[str, Any]:
    return {
        "name": spec.name,
        "horizon_s": horizon_s,
        "payback": asdict(payback(spec, **how)),
        "comparison": asdict(compare(spec, horizon_s, **how)),
    }


def _whole(count: float) -> str:
    return f"{count:,.0f}".replace(",", " ")
