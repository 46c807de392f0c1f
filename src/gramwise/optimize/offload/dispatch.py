"""Family E: tasks arrive one by one and each goes to a provider at once; a provider with too much work crashes.

The variant ``utility`` has the published constants of D2SAC (arXiv 2303.13052, and its code Lizonghang/AGOD): a task's
worth at a provider is the rise of quality on the provider's line, credited when it is sent, and a crash costs 2 and for
each running task 2 times the share that is left. As in that code, the line's least quality is not counted, what was
credited before a crash is kept, and a task that crashes a provider is not run.

The variant ``carbon`` counts grams: the energy of the run at the provider's grid in those hours. What a crash cuts off
has emitted its share already, and is made again, as is the task that caused it, on capacity rented at the dearest
grid with ``zone.premium_frac`` more energy. So nobody saves grams by dropping work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from gramwise.core.units import J_PER_KWH

from .sites import between, value

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

Variant = Literal["utility", "carbon"]
_DAY_H = 24
_H = 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """n episodes of T tasks and P providers.

    Attributes:
        arrival_s, steps, run_s: of the tasks, (n, T).
        capacity_steps: of the providers, (n, P).
        worth: of each task at each provider, (n, T, P).
        grams: of a whole run there from its arrival on, gCO2e, (n, T, P).
        rented_g: of making a task on rented capacity, gCO2e, (n, T).
    """

    arrival_s: NDArray[np.float64]
    steps: NDArray[np.float64]
    run_s: NDArray[np.float64]
    capacity_steps: NDArray[np.float64]
    worth: NDArray[np.float64]
    grams: NDArray[np.float64]
    rented_g: NDArray[np.float64]


def run_time_s(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds of a task: the parabola in D2SAC's code."""
    square, linear, fixed = (value(f"asp.step_{k}_s") for k in ("square", "linear", "fixed"))
    return np.asarray(square * steps**2 + linear * steps + fixed)


def draw(rng: Generator, n: int, tasks: int | None = None, providers: int | None = None) -> Day:
    """``n`` episodes, each with providers of its own; the published sizes unless given.

    Arrivals are Poisson. Capacities, steps and lines lie on the grids of D2SAC's code (its ranges leave out the upper
    ends but for the steps of a task). Power is that of a T4, the grid a daily wave as in family D.
    """
    t = int(value("asp.tasks")) if tasks is None else tasks
    p = int(value("asp.providers")) if providers is None else providers
    arrival = np.cumsum(rng.exponential(1.0 / value("asp.arrivals_per_s"), (n, t)), axis=1)
    steps = rng.choice(np.arange(100.0, 260.0, 10.0), (n, t))
    ax, bx = (
        rng.choice(np.arange(0.0, 100.0, 10.0), (n, p)),
        rng.choice(np.arange(150.0, 250.0, 10.0), (n, p)),
    )
    ay, by = rng.choice(np.arange(0.0, 0.5, 0.05), (n, p)), rng.choice(np.arange(0.5, 1.0, 0.05), (n, p))
    place = np.clip((steps[..., None] - ax[:, None]) / (bx - ax)[:, None], 0.0, 1.0)
    run_s = run_time_s(steps)
    mean, swing = between(rng, "site.intensity_g_per_kwh", (n, p)), between(rng, "zone.swing_frac", (n, p))
    phase_h = rng.uniform(0.0, _DAY_H, (n, p))
    watt = value("edge_t4.busy_w") * between(rng, "edge.pue", (n, p))

    def grams_to(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Integral of power times intensity from 0, (n, T, P): the wave's own."""
        hours = seconds[..., None] / _H
        turn = 2 * np.pi / _DAY_H
        wave = hours + swing[:, None] / turn * np.sin(turn * (hours - phase_h[:, None]))
        return np.asarray(watt[:, None] * mean[:, None] * wave * _H / J_PER_KWH)

    grams = grams_to(arrival + run_s) - grams_to(arrival)
    dearest = (watt * mean).max(axis=1, keepdims=True)
    rented = dearest * (1.0 + value("zone.premium_frac")) * run_s / J_PER_KWH
    capacity = rng.choice(np.arange(400.0, 1000.0, 100.0), (n, p))
    return Day(arrival, steps, run_s, capacity, (by - ay)[:, None] * place, grams, rented)


class Episodes:
    """A batch of episodes under way; one task of each is to be sent at a time.

    Args:
        day: what happens.
        variant: what `step` returns.
    """

    def __init__(self, day: Day, variant: Variant) -> None:
        self.day, self.variant, self.now = day, variant, 0
        n, tasks = day.steps.shape
        self.every = np.arange(n)
        self.place = np.full((n, tasks), -1)
        self.lost = np.zeros((n, tasks), dtype=bool)
        self.crashes = np.zeros(n, dtype=np.int64)

    @property
    def done(self) -> bool:
        """Whether every task was sent."""
        return bool(self.now == self.day.steps.shape[1])

    def running(self) -> NDArray[np.bool_]:
        """Tasks that run at the arrival of the one to be sent, (n, T)."""
        t = self.day.arrival_s[:, self.now, None]
        sent = (self.place >= 0) & ~self.lost
        return np.asarray(sent & (self.day.arrival_s + self.day.run_s > t))

    def room(self) -> NDArray[np.float64]:
        """Steps that each provider can still take, (n, P)."""
        providers = self.day.capacity_steps.shape[1]
        row, task = np.nonzero(self.running())
        spot = row * providers + self.place[row, task]
        used = np.bincount(spot, self.day.steps[row, task], len(self.every) * providers)
        return np.asarray(self.day.capacity_steps - used.reshape(-1, providers))

    def fits(self) -> NDArray[np.bool_]:
        """Providers that would not crash, (n, P)."""
        return np.asarray(self.room() >= self.day.steps[:, self.now, None])

    def observe(self) -> NDArray[np.float32]:
        """Capacity and room of each provider, steps and time of the task, over their greatest, (n, 2 P + 2); for the
        variant ``carbon`` also its grams at each provider over those of rented capacity, (n, 3 P + 2).
        """
        day, room = self.day, self.room()
        parts = [
            day.capacity_steps / 900.0,
            room / day.capacity_steps,
            day.steps[:, [self.now]] / 250.0,
            day.run_s[:, [self.now]] / run_time_s(np.array(250.0)),
        ]
        if self.variant == "carbon":
            parts.append(day.grams[:, self.now] / day.rented_g[:, [self.now]])
        return np.concatenate(parts, axis=1).astype(np.float32)

    def step(self, action: NDArray[np.int64]) -> NDArray[np.float64]:
        """Send each episode's task to a provider (n,); what that is worth, or minus the grams that follow from it."""
        day, now = self.day, self.now
        crash = ~self.fits()[self.every, action]
        cut = self.running() & (self.place == action[:, None]) & crash[:, None]
        left = np.clip(1.0 - (day.arrival_s[:, [now]] - day.arrival_s) / day.run_s, 0.0, 1.0)
        self.place[~crash, now] = action[~crash]
        self.lost |= cut
        self.lost[crash, now] = True
        self.crashes += crash
        self.now += 1
        if self.variant == "utility":
            penalty = value("asp.crash_penalty")
            paid = penalty + penalty * (left * cut).sum(axis=1)
            return np.asarray(np.where(crash, -paid, day.worth[self.every, now, action]))
        # The share a cut task has emitted stays; the share it has not is given back, and it is made again.
        whole = np.take_along_axis(day.grams, np.maximum(self.place, 0)[..., None], axis=2)[..., 0]
        again = (cut * (day.rented_g - left * whole)).sum(axis=1)
        return np.asarray(-np.where(crash, again + day.rented_g[:, now], day.grams[self.every, now, action]))


def at_random(episodes: Episodes, rng: Generator) -> NDArray[np.int64]:
    """Any provider."""
    return rng.integers(episodes.day.capacity_steps.shape[1], size=len(episodes.every))


def in_turn(episodes: Episodes, rng: Generator) -> NDArray[np.int64]:
    """Round robin."""
    del rng
    return np.full(len(episodes.every), episodes.now % episodes.day.capacity_steps.shape[1])


def most_room(episodes: Episodes, rng: Generator) -> NDArray[np.int64]:
    """The heuristic that avoids crashes."""
    del rng
    return np.asarray(episodes.room().argmax(axis=1))


def best_fit(episodes: Episodes, rng: Generator) -> NDArray[np.int64]:
    """The provider with room that is best for this task: D2SAC's prophet, since lines are not observed there; where
    grams count, the cleanest with room, which everyone can know.
    """
    now = episodes.now
    good = episodes.day.worth[:, now] if episodes.variant == "utility" else -episodes.day.grams[:, now]
    return np.asarray(np.where(episodes.fits(), good, -np.inf).argmax(axis=1))


POLICIES = {
    "random": at_random,
    "round robin": in_turn,
    "most room": most_room,
    "best with room": best_fit,
}


def play(day: Day, variant: Variant, policy: Callable[..., NDArray[np.int64]], rng: Generator) -> Played:
    """Whole episodes under a policy of (episodes, rng)."""
    episodes = Episodes(day, variant)
    total = np.zeros(len(episodes.every))
    while not episodes.done:
        total += episodes.step(policy(episodes, rng))
    return Played(total, episodes.lost.mean(axis=1), episodes.crashes)


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """What came of each episode: worth, or minus gCO2e; share of tasks lost in crashes; crashes; (n,) each."""

    total: NDArray[np.float64]
    lost_frac: NDArray[np.float64]
    crashes: NDArray[np.int64]


def bound(day: Day, variant: Variant) -> NDArray[np.float64]:
    """What no policy can exceed: every task at its best provider, capacities forgotten, (n,). Unlike D2SAC's prophet,
    which is greedy and could be beaten, this is a bound.
    """
    if variant == "utility":
        return np.asarray(day.worth.max(axis=2).sum(axis=1))
    return np.asarray(-day.grams.min(axis=2).sum(axis=1))
