"""Family D: jobs that can wait within a day, in zones whose power is cleaner at some hours (MILP; online `rolling`).

A job of constant power runs for whole hours without a break in one zone. Zones take a few jobs at once; the last one
is capacity rented at once, without limit and with extra energy. Decisions are (zone, first hour), integers
(n, k, N, 2).

    g = P_j factor_z sum_{h=t}^{t+L_j-1} I_zh
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.errors import ConfigError

from .case import Block, Reference
from .exact import Uses, choose
from .sites import between, value
from .timetable import HOURS, Jobs, Placement, Search, prefix, window

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from gramwise.optimize.typed.record import Problem

PROVEN_FRAC = 1e-3


PER_JOB = ("power_w", "hours", "release", "due")


class Deferral:
    """Jobs by zones, over 24 hours.

    Args:
        jobs: N.
        zones: M, with the rented one; at least 2.
        limit_s: time of the exact solver for each reference, s.
        traces: intensities of real zones and days to draw from, g/kWh, (zones, days, 24); by default synthetic.

    Raises:
        ConfigError: fewer than 2 zones or no job.
    """

    def __init__(
        self, jobs: int = 6, zones: int = 4, limit_s: float = 20.0, traces: NDArray[np.float64] | None = None
    ) -> None:
        if jobs < 1 or zones < 2:
            raise ConfigError(f"a deferral case has a job and 2 zones at least, not {jobs}x{zones}.")
        self.jobs, self.zones, self.limit_s, self.traces = jobs, zones, limit_s, traces
        self.hours = HOURS
        self.name = f"D-{jobs}x{zones}"
        self.wide = zones + HOURS
        self.dim = jobs * self.wide
        self.blocks = tuple(
            block
            for i in range(jobs)
            for block in (
                Block("choice", i * self.wide, zones),
                Block("choice", i * self.wide + zones, HOURS),
            )
        )

    def sample(self, rng: Generator, n: int) -> Jobs:
        """Jobs of 1 to 6 hours with windows of random length; zones from sines with noise, or from ``traces``."""
        shape, local = (n, self.jobs), self.zones - 1
        hours = rng.integers(1, 7, shape)
        release = rng.integers(0, 13, shape)
        due = np.minimum(HOURS, release + hours + rng.integers(0, 19, shape))
        factor = np.concatenate(
            [
                between(rng, "edge.pue", (n, local)),
                value("cloud.pue") * (1.0 + between(rng, "zone.premium_frac", (n, 1))),
            ],
            axis=1,
        )
        even = hours.sum(1, keepdims=True) / (local * HOURS)
        room = np.maximum(1.0, np.round(even * rng.uniform(1.5, 4.0, (n, local))))
        return Jobs(
            power_w=between(rng, "job.power_w", shape),
            hours=hours,
            release=release,
            due=due,
            intensity_g_per_kwh=self._days(rng, n),
            factor=factor,
            room=np.concatenate([room, np.full((n, 1), np.inf)], axis=1),
        )

    def _days(self, rng: Generator, n: int) -> NDArray[np.float64]:
        shape = (n, self.zones)
        if self.traces is not None:
            zones, days = self.traces.shape[:2]
            zone = np.argsort(rng.random((n, max(zones, self.zones))), axis=1)[:, : self.zones] % zones
            return np.asarray(self.traces[zone, rng.integers(days, size=(n, 1))])
        mean = between(rng, "site.intensity_g_per_kwh", shape)[..., None]
        swing = between(rng, "zone.swing_frac", shape)[..., None]
        phase = rng.uniform(0.0, HOURS, shape)[..., None]
        wave = 1.0 + swing * np.cos(2 * np.pi * (np.arange(HOURS) - phase) / HOURS)
        return np.asarray(mean * wave * rng.lognormal(0.0, 0.03, (*shape, HOURS)))

    def features(self, instances: Jobs) -> NDArray[np.float32]:
        """Intensities times factor over 1000 (M T), jobs (4 N), rooms over jobs (M - 1)."""
        dirty = instances.intensity_g_per_kwh * instances.factor[..., None] / 1000.0
        jobs = [
            instances.power_w / 700.0,
            instances.hours / 6.0,
            instances.release / HOURS,
            instances.due / HOURS,
        ]
        parts = [dirty, np.stack(jobs, axis=-1), instances.room[:, :-1] / self.jobs]
        return np.concatenate([np.asarray(p, np.float32).reshape(len(instances), -1) for p in parts], axis=1)

    def decode(self, raw: NDArray[Any], instances: Jobs) -> NDArray[np.int64]:
        """The surest job first: the allowed start with the greatest sum of its zone's and its hour's score."""
        n, k, _ = raw.shape
        blocks = raw.reshape(n * k, self.jobs, self.wide)
        zone, start = blocks[..., : self.zones], blocks[..., self.zones :]
        order = np.argsort(-(_lead(zone) + _lead(start)), axis=1, kind="stable")
        plan = Placement(instances, np.repeat(np.arange(n), k))
        every = np.arange(n * k)
        for job in order.T:
            score = zone[every, job][:, :, None] + start[every, job][:, None, :]
            plan.put(job, np.where(plan.open(job), score, -np.inf))
        return plan.chosen.reshape(n, k, self.jobs, 2)

    def encode(self, decisions: NDArray[Any]) -> NDArray[np.float32]:
        """1 for the zone and the hour, -1 for the others."""
        zone = decisions[..., :1] == np.arange(self.zones)
        start = decisions[..., 1:] == np.arange(HOURS)
        hot = np.concatenate([zone, start], axis=-1)
        return np.where(hot, np.float32(1), np.float32(-1)).reshape(*decisions.shape[:2], self.dim)

    def cost(self, decisions: NDArray[Any], instances: Jobs) -> NDArray[np.float64]:
        """See the module."""
        so_far = prefix(instances.intensity_g_per_kwh)
        row = np.arange(len(instances))[:, None, None]
        zone, start = decisions[..., 0], decisions[..., 1]
        end = np.minimum(start + instances.hours[:, None], HOURS)
        run = so_far[row, zone, end] - so_far[row, zone, start]
        kw = instances.power_w[:, None] * instances.factor[row, zone] / 1000.0
        return np.asarray((kw * run).sum(axis=-1))

    def violations(self, decisions: NDArray[Any], instances: Jobs) -> NDArray[np.int64]:
        """Jobs outside their window, and hours of a zone with too many jobs."""
        n, k = decisions.shape[:2]
        zone, start = decisions[..., 0], decisions[..., 1]
        end = start + instances.hours[:, None]
        late = (start < instances.release[:, None]) | (end > instances.due[:, None])
        hour = np.arange(HOURS)
        runs = (hour >= start[..., None]) & (hour < end[..., None])
        there = zone[..., None] == np.arange(self.zones)
        at_once = np.einsum("nkjz,nkjh->nkzh", there.astype(np.float32), runs.astype(np.float32))
        over = (at_once > instances.room[:, None, :, None]).reshape(n, k, -1).sum(-1)
        return np.asarray(late.sum(-1) + over, dtype=np.int64)

    def polish(self, decisions: NDArray[Any], instances: Jobs, steps: int) -> NDArray[np.int64]:
        """At most ``steps`` passes, in rounds of N. In the first of a round each job in turn moves to its cheapest open
        start; in the one numbered p the jobs j and j + p are taken out, put back one after the other, and stay where
        that is cheaper. A decision is done when a whole round moved nothing. Moves of one job alone cannot leave what a
        greedy rule made: nothing it filled is ever freed.
        """
        n, k = decisions.shape[:2]
        row, flat = np.repeat(np.arange(n), k), decisions.reshape(n * k, self.jobs, 2).astype(np.int64)
        active, search = np.arange(n * k), Search(instances, row, flat)
        moved = np.zeros(n * k, dtype=bool)
        for apart in (p % self.jobs for p in range(steps)):
            moved |= search.shift() if apart == 0 else search.pairs(apart)
            flat[active] = search.plan.chosen
            if apart == self.jobs - 1:  # a whole round: rows that nothing moved are done
                active, moved = active[moved], np.zeros(int(moved.sum()), dtype=bool)
                if not len(active):
                    break
                search = Search(instances, row[active], flat[active])
        found = flat.reshape(n, k, self.jobs, 2)
        # A start of the same grams may be chosen for another; rounding may then call it dearer.
        rose = self.cost(found, instances) > self.cost(decisions, instances)
        return np.where(rose[..., None, None], decisions, found)

    def mutate(self, decisions: NDArray[Any], instances: Jobs, rng: Generator) -> NDArray[np.int64]:
        """Two jobs get another wish, and the decoder makes the rest fit."""
        n, k = decisions.shape[:2]
        raw = self.encode(decisions).reshape(n, k, self.jobs, self.wide)
        raw += rng.uniform(-0.1, 0.1, raw.shape).astype(np.float32)
        for _ in range(2):
            rows = np.arange(n)[:, None], np.arange(k)[None], rng.integers(self.jobs, size=(n, k))
            raw[rows] = rng.uniform(-1.0, 4.0, (n, k, self.wide)).astype(np.float32)
        return self.decode(raw.reshape(n, k, self.dim), instances)

    def permute(
        self, instances: Jobs, decisions: NDArray[Any], rng: Generator
    ) -> tuple[Jobs, NDArray[np.int64]]:
        """Each instance's jobs in an order of its own."""
        order = np.argsort(rng.random((len(instances), self.jobs)), axis=1)
        moved = {f: np.take_along_axis(getattr(instances, f), order, axis=1) for f in PER_JOB}
        return replace(instances, **moved), np.take_along_axis(decisions, order[:, None, :, None], axis=2)

    def greedy(self, instances: Jobs, how: str) -> NDArray[np.int64]:
        """Each job to its cheapest open start; ``cheapest`` in the order given, ``regret`` the most energy first."""
        n = len(instances)
        every = np.arange(n)
        weight = instances.power_w * instances.hours if how == "regret" else np.zeros((n, self.jobs))
        plan, so_far = Placement(instances, every), prefix(instances.intensity_g_per_kwh)
        for job in np.argsort(-weight, axis=1, kind="stable").T:
            run = window(so_far, instances.hours[every, job])
            plan.put(job, np.where(plan.open(job), -run * instances.factor[..., None], -np.inf))
        return plan.chosen[:, None]

    def exact(self, instances: Jobs, limit_s: float, gap: float = 1e-6) -> tuple[NDArray[Any], Reference]:
        """Decisions (n, 1, N, 2) by HiGHS; the greedy with local search where that is better."""
        best = self.polish(self.greedy(instances, "regret"), instances, 50)
        grams, bounds = self.cost(best, instances)[:, 0], np.full(len(instances), np.nan)
        for i in range(len(instances)):
            one = instances.take([i])
            job, zone, start, uses = self._columns(one)
            each = self._grams(one)[0][job, zone, start]
            found = choose(each, job, uses, limit_s, gap)
            bounds[i] = found.bound_g
            if found.grams < grams[i]:
                grams[i] = found.grams
                best[i, 0, :, 0], best[i, 0, :, 1] = zone[found.picked], start[found.picked]
        proven = grams - bounds <= PROVEN_FRAC * np.abs(grams)
        how = f"HiGHS, up to {limit_s:g} s an instance, or the greedy with local search where that is better"
        return best, Reference(grams, bounds, proven, how)

    def reference(self, instances: Jobs) -> Reference:
        """The optimum by HiGHS, in up to ``limit_s`` an instance."""
        return self.exact(instances, self.limit_s)[1]

    def problem(self, instances: Jobs, i: int) -> Problem:
        """See `statements.deferral_problem`."""
        from .statements import deferral_problem

        return deferral_problem(instances.take([i]), self.name)

    def _grams(self, instances: Jobs) -> NDArray[np.float64]:
        """Of each job at each zone and start, (n, N, M, T)."""
        so_far = prefix(instances.intensity_g_per_kwh)
        runs = [window(so_far, instances.hours[:, j]) for j in range(self.jobs)]
        kw = instances.power_w[..., None] * instances.factor[:, None, :] / 1000.0
        return np.asarray(np.stack(runs, axis=1) * kw[..., None])

    def _columns(self, one: Jobs) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], Uses]:
        hour = np.arange(HOURS)
        hours, release, due, room = one.hours[0], one.release[0], one.due[0], one.room[0]
        may = (hour >= release[:, None]) & (hour + hours[:, None] <= due[:, None])
        job, zone, start = np.nonzero(np.repeat(may[:, None], self.zones, axis=1))
        column = np.repeat(np.arange(len(job)), hours[job])
        first = np.repeat(np.cumsum(hours[job]) - hours[job], hours[job])
        at = start[column] + np.arange(len(column)) - first
        uses = Uses(zone[column] * HOURS + at, column, np.ones(len(column)), np.repeat(room, HOURS))
        return job, zone, start, uses


def _lead(scores: NDArray[Any]) -> NDArray[Any]:
    top = np.partition(scores, -2, axis=-1)[..., -2:]
    return np.asarray(top[..., 1] - top[..., 0])
