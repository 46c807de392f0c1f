"""Jobs on the hours of a day: who runs where and when, and moves of one job and of two; for family D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .case import Instances

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOURS = 24


@dataclass(frozen=True, slots=True, eq=False)
class Jobs(Instances):
    """N jobs and M zones over T hours.

    Attributes:
        power_w: (n, N).
        hours: length, whole, (n, N).
        release, due: first hour and hour by which a job is done, (n, N).
        intensity_g_per_kwh: (n, M, T).
        factor: energy in the zone over energy of the job: PUE, and for the last zone moving the data too, (n, M).
        room: jobs at once, infinite for the last zone, (n, M).
    """

    power_w: NDArray[np.float64]
    hours: NDArray[np.int64]
    release: NDArray[np.int64]
    due: NDArray[np.int64]
    intensity_g_per_kwh: NDArray[np.float64]
    factor: NDArray[np.float64]
    room: NDArray[np.float64]


class Placement:
    """Who runs where and when, for a batch of rows; rows point into the instances."""

    def __init__(self, jobs: Jobs, row: NDArray[np.int64], chosen: NDArray[np.int64] | None = None) -> None:
        self.jobs, self.row, self.every = jobs, row, np.arange(len(row))
        self.room = jobs.room[row][..., None]
        self.used = np.zeros((len(row), jobs.room.shape[1], HOURS))
        self.chosen = np.zeros((len(row), jobs.power_w.shape[1], 2), dtype=np.int64)
        if chosen is not None:
            self.chosen[:] = chosen
            for j in range(chosen.shape[1]):
                self._mark(np.full(len(row), j), 1.0)

    def open(self, job: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Starts that a job may take now, (r, M, T)."""
        hours = self.jobs.hours[self.row, job]
        hour = np.arange(HOURS)
        inside = hour >= self.jobs.release[self.row, job][:, None]
        inside &= hour + hours[:, None] <= self.jobs.due[self.row, job][:, None]
        full = window(prefix((self.used >= self.room).astype(np.float64)), hours)
        return np.asarray(inside[:, None] & (full == 0))

    def put(self, job: NDArray[np.int64], score: NDArray[np.float64]) -> None:
        """Starts the job where its score (r, M, T) is greatest."""
        best = score.reshape(len(score), -1).argmax(1)
        self.set(job, np.stack([best // HOURS, best % HOURS], axis=1))

    def set(self, job: NDArray[np.int64], where: NDArray[np.int64]) -> None:
        """Starts the job at (zone, hour), (r, 2)."""
        self.chosen[self.every, job] = where
        self._mark(job, 1.0)

    def lift(self, job: NDArray[np.int64]) -> None:
        """Takes the job out again."""
        self._mark(job, -1.0)

    def _mark(self, job: NDArray[np.int64], by: float) -> None:
        zone, start = self.chosen[self.every, job].T
        hour = np.arange(HOURS)
        end = start + self.jobs.hours[self.row, job]
        self.used[self.every, zone] += by * ((hour >= start[:, None]) & (hour < end[:, None]))


class Search:
    """Moves of one job and of two, on a batch of rows."""

    def __init__(self, jobs: Jobs, row: NDArray[np.int64], chosen: NDArray[np.int64]) -> None:
        self.plan = Placement(jobs, row, chosen.astype(np.int64))
        self.so_far = prefix(jobs.intensity_g_per_kwh)[row]
        self.factor = jobs.factor[row][..., None]
        self.power_w, self.hours = jobs.power_w[row], jobs.hours[row]

    def shift(self) -> NDArray[np.bool_]:
        """Every job in turn to its cheapest open start; which rows moved."""
        before = self.plan.chosen.copy()
        for j in range(self.hours.shape[1]):
            job = np.full(len(self.plan.every), j)
            self.plan.lift(job)
            self._put(job)
        return np.asarray((before != self.plan.chosen).any(axis=(1, 2)))

    def pairs(self, apart: int) -> NDArray[np.bool_]:
        """Every job in turn with the one ``apart`` places on; which rows moved."""
        plan, count = self.plan, self.hours.shape[1]
        moved = np.zeros(len(plan.every), dtype=bool)
        for j in range(count):
            first = np.full(len(plan.every), j)
            second = np.full(len(plan.every), (j + apart) % count)
            old = plan.chosen[:, j].copy(), plan.chosen[:, (j + apart) % count].copy()
            before = self._grams(first) + self._grams(second)
            for job in (first, second):
                plan.lift(job)
            for job in (first, second):
                self._put(job)
            better = self._grams(first) + self._grams(second) < before * (1 - 1e-12)
            moved |= better
            for job, was in zip((first, second), old, strict=True):
                plan.lift(job)
                plan.set(job, np.where(better[:, None], plan.chosen[plan.every, job], was))
        return moved

    def _put(self, job: NDArray[np.int64]) -> None:
        run = window(self.so_far, self.hours[self.plan.every, job])
        self.plan.put(job, np.where(self.plan.open(job), -run * self.factor, -np.inf))

    def _grams(self, job: NDArray[np.int64]) -> NDArray[np.float64]:
        every = self.plan.every
        zone, start = self.plan.chosen[every, job].T
        run = self.so_far[every, zone, start + self.hours[every, job]] - self.so_far[every, zone, start]
        return np.asarray(run * self.factor[every, zone, 0] * self.power_w[every, job])


def prefix(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums up to each hour, (..., T + 1)."""
    return np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)


def window(so_far: NDArray[np.float64], hours: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums over ``hours`` (r,) from each start on, cut at the day's end, (r, M, T)."""
    end = np.minimum(np.arange(HOURS) + hours[:, None], HOURS)
    last = np.take_along_axis(so_far, np.broadcast_to(end[:, None], (*so_far.shape[:2], HOURS)), axis=2)
    return np.asarray(last - so_far[..., :HOURS])
