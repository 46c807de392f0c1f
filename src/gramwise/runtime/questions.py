"""What a reader of a bill asks next: scores, when serving overtakes making, whether a newer machine repays itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gramwise.core.footprint import Footprint
from gramwise.core.units import S_PER_YEAR
from gramwise.fleet.scenario import Scenario
from gramwise.footprint.scaling import sci
from gramwise.footprint.scaling.account import Account
from gramwise.footprint.scaling.replacing import Renewal, compare, payback
from gramwise.footprint.scaling.serving import DEVELOPMENT, crossing


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
    how = {"draws": table.draws, "seed": table.seed}
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
