"""Family D with a future that is only forecast: plan, start what is due, plan again each hour with a newer forecast.

The error of a forecast is a random walk over the lead: what is said at hour i of hour h is the truth times
``exp(w_{i+1} + ... + w_h)``, so that it shrinks to nothing as the hour comes, and two issues agree as real ones do. The
deviation after 24 hours is ``forecast.error_frac`` of the table. Regret is against the plan that knows the day.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from .sites import value
from .timetable import HOURS, Jobs, Placement, prefix, window

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from .deferral import Deferral

How = Literal["at once", "day ahead", "rolling"]
_PASSES = 4


def walk(rng: Generator, jobs: Jobs, error_frac: float | None = None) -> NDArray[np.float64]:
    """Increments w of the forecasts' error, (n, M, T); ``error_frac`` after 24 hours, by default the table's."""
    error = value("forecast.error_frac") if error_frac is None else error_frac
    return rng.normal(0.0, error / np.sqrt(HOURS), jobs.intensity_g_per_kwh.shape)


def forecast(jobs: Jobs, steps: NDArray[np.float64], hour: int) -> Jobs:
    """The jobs with the intensities that are said at ``hour``: true up to it, in error after it."""
    later = np.where(np.arange(HOURS) > hour, steps, 0.0)
    said = jobs.intensity_g_per_kwh * np.exp(np.cumsum(later, axis=-1))
    return replace(jobs, intensity_g_per_kwh=said)


def run(
    case: Deferral, jobs: Jobs, steps: NDArray[np.float64], how: How, plan_s: float | None = None
) -> NDArray[np.int64]:
    """What is started where and when, (n, 1, N, 2).

    Args:
        case: the family.
        jobs: instances with their true intensities, which no decision sees before the hour.
        steps: see `walk`.
        how: ``at once``: each job at its release, where it is cleanest just then; ``day ahead``: by the forecast of
            hour 0 alone; ``rolling``: with a new one each hour, for jobs that have not started.
        plan_s: time for an exact first plan of each instance, s; by default it is the greedy one with local search.
    """
    if how == "at once":
        return _at_once(jobs)
    said = forecast(jobs, steps, 0)
    if plan_s is None:
        decisions = case.polish(case.greedy(said, "regret"), said, case.jobs)
    else:
        decisions = case.exact(said, plan_s)[0]
    if how == "day ahead":
        return decisions
    chosen = decisions[:, 0]
    for hour in range(1, HOURS):
        chosen = _again(forecast(jobs, steps, hour), chosen, hour)
    return chosen[:, None]


def _again(said: Jobs, chosen: NDArray[np.int64], hour: int) -> NDArray[np.int64]:
    """The plan with every job that starts at ``hour`` or later moved to where it is now said to be cheapest."""
    every = np.arange(len(said))
    waits = chosen[..., 1] >= hour
    plan, so_far = Placement(said, every, chosen), prefix(said.intensity_g_per_kwh)
    for _ in range(_PASSES):
        before = plan.chosen.copy()
        for j in range(chosen.shape[1]):
            job = np.full(len(every), j)
            zone, start = plan.chosen[:, j].T
            plan.lift(job)
            score = -window(so_far, said.hours[:, j]) * said.factor[..., None]
            free = plan.open(job) & (np.arange(HOURS) >= hour) & waits[:, j, None, None]
            free[every, zone, start] = True  # where it is now: started jobs stay there
            plan.put(job, np.where(free, score, -np.inf))
        if (plan.chosen == before).all():
            break
    return plan.chosen


def _at_once(jobs: Jobs) -> NDArray[np.int64]:
    """The earliest start that is open in any zone, and of those the zone that is cleanest in that hour."""
    every = np.arange(len(jobs))
    plan = Placement(jobs, every)
    for job in np.argsort(jobs.release, axis=1, kind="stable").T:
        now = -jobs.intensity_g_per_kwh * jobs.factor[..., None]
        score = now - 1e9 * np.arange(HOURS)
        plan.put(job, np.where(plan.open(job), score, -np.inf))
    return plan.chosen[:, None]
