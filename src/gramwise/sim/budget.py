"""Keep to a day's carbon budget and be as accurate as it allows, in the fluid model.

At some hours of the day the rest of it is planned with what is foreseen and what is left: the most accuracy whose
grams fit. With one coupling limit that is a search for the price of accuracy in grams; between the two plans on either
side of the limit, a mix meets it exactly. If even the least grams are more than is left, the least grams it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.errors import ConfigError
from gramwise.core.units import S_PER_HOUR
from gramwise.optimize.slots import SlotProblem, SlotSolution, solve_slots
from gramwise.sim.case import Case
from gramwise.sim.fluid import Flow, fill, fractions_of, grams, split
from gramwise.sim.rules import quickest

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

EVERY_HOURS = 6
"""How often the rest of the day is planned anew."""

_HALVINGS = 14
"""Steps of the search for the price of accuracy; what is left of its bracket is closed by the mix."""

_RANGE = 1e4
"""A point of accuracy is taken to be worth at most 100 times the dearest request: beyond, nothing changes."""

_STEEP = 10.0
"""How fast the search comes down while the lower end is still 0."""


def within_budget(case: Case) -> Flow:
    """The flow of ``budget``; work that can wait starts at once.

    Raises:
        ConfigError: no budget was set, or a class has a choice of plans and the accuracy of one is unknown.
    """
    if case.budget_g_per_day is None:
        raise ConfigError(
            "there is no carbon budget to keep to.",
            key="goals.carbon_budget_g_per_day",
            fix="Write the grams that a day may cost, or leave out the policy budget.",
        )
    worth = _worth(case)
    day = np.floor((case.start_s / S_PER_HOUR + np.arange(case.hours)) / 24.0).astype(np.int64)
    true_g = grams(case, case.g_per_j)
    served, unserved = np.zeros(true_g.shape), np.zeros(case.fixed.shape)
    at, spent_g = 0, 0.0
    while at < case.hours:
        if at and day[at] != day[at - 1]:
            spent_g = 0.0
        midnight = int(np.searchsorted(day, day[at], side="right"))
        now = slice(at, min(at + EVERY_HOURS, midnight))
        shares = _shares(case, slice(at, midnight), worth, case.budget_g_per_day - spent_g)
        placed, unserved[:, now] = _place(case, shares, now)
        served[:, :, now] = placed
        # What was spent is known once the hours are over, at their true intensities.
        cost = np.where(np.isfinite(true_g[:, :, now]), true_g[:, :, now], 0.0)
        spent_g += float((placed * cost).sum())
        at = now.stop
    return Flow(served=served, unserved=unserved, started=case.waiting)


def _worth(case: Case) -> Floats:
    """Accuracy of each plan for each class, (K, P); 0 for a class all of whose plans are alike."""
    worth = np.zeros(case.energy_j.shape)
    for k, permitted in enumerate(np.isfinite(case.energy_j)):
        known = case.accuracy_frac[permitted]
        if np.isnan(known).all():
            continue  # one variant whose accuracy nobody measured: nothing to choose
        if np.isnan(known).any():
            raise ConfigError(
                f"the accuracy of some variant that class {case.classes[k]!r} may use is unknown.",
                key="models",
                fix="Write accuracy_frac and accuracy_source for each variant.",
            )
        worth[k, permitted] = known
    return worth


def _shares(case: Case, hours: slice, worth: Floats, left_g: float) -> Floats:
    """Fractions of each hour for the most accuracy within ``left_g``, (K, P, S)."""
    start = hours.start
    known = case.known_g_per_j[:, start]
    if not np.isfinite(known).any():
        return np.zeros((*case.energy_j.shape, hours.stop - start))  # nothing to plan by: the soonest serve
    # Beyond what is foreseen, as in the last hour that is: the budget has to last the day.
    ahead = np.minimum(np.arange(hours.stop - start), known.shape[1] - 1)
    demand = (case.fixed_foreseen + case.waiting_foreseen)[:, hours] * ~case.missing[hours]
    problem = SlotProblem(
        energy_j=case.energy_j,
        busy_s=case.busy_s,
        node=case.node,
        g_per_j=known[:, ahead],
        capacity_s=case.capacity_s[:, hours],
        arrivals=demand,
        due=demand,
    )

    def plan(price_g: float) -> SlotSolution:
        return solve_slots(replace(problem, extra_g=-price_g * worth), shed=True)

    cheap = plan(0.0)
    if cheap.carbon_g >= left_g or not (worth > 0).any():
        return fractions_of(cheap.served)
    dearest = float(np.nanmax(np.where(np.isfinite(case.energy_j), case.energy_j, np.nan))) * float(
        np.nanmax(problem.g_per_j)
    )
    low, high, dear = 0.0, dearest * _RANGE, plan(dearest * _RANGE)
    if dear.carbon_g <= left_g:
        return fractions_of(dear.served)
    for _ in range(_HALVINGS):
        middle = high / _STEEP if low == 0.0 else (low * high) ** 0.5
        tried = plan(middle)
        if tried.carbon_g <= left_g:
            low, cheap = middle, tried
        else:
            high, dear = middle, tried
    more_g = dear.carbon_g - cheap.carbon_g
    share = (left_g - cheap.carbon_g) / more_g if more_g > 0 else 0.0
    return fractions_of(cheap.served * (1.0 - share) + dear.served * share)


def _place(case: Case, shares: Floats, now: slice) -> tuple[Floats, Floats]:
    """The hours as they happen, spilling by grams as known at the start of each hour."""
    score = grams(case, case.known_g_per_j[:, :, 0])[:, :, now]
    demand, room = (case.fixed + case.waiting)[:, now], case.capacity_s[:, now]
    placed, left, room = split(shares[:, :, : demand.shape[1]], score, demand, case, room)
    if left.any():
        more, left, _ = fill(quickest(case, demand.shape[1]), left, case, room)
        placed += more
    return placed, left
