"""Requests into runs: a bounded queue, slots that are threads, and batches that never make anybody late.

Everything is decided on the event loop; a slot's thread only runs. Requests that may share a run (same model, same
inputs but for their first dimension, same outputs) wait in one group. A free slot takes the group whose turn is first:
one is due when it fills a batch, when its oldest request has waited as long as it may, or when waiting longer would
make a member late. A request that cannot be answered by its deadline is refused at once, so that its client still has
time to ask elsewhere.

A request is refused only when the fastest of the last few runs would be too slow for it; it is made to wait for others
only as long as the slowest allows.
"""

from __future__ import annotations

import asyncio
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary

from gramwise.gateway.oip.errors import BadRequest

from .model import Model, Run
from .runs import Done, Ending, Job, Key, Ran, run_together, shares, written

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.generic]

REMEMBERED_RUNS = 16
"""Runs of a model that say what the next will take."""

STALE_S = 5.0
"""A pace older than this is not believed: after a slow spell somebody must be let in to find out."""

GONE = 499
"""Status of a request whose client has left; nobody sees it but the counters. As nginx has it."""

LIGHT_BYTES = 16_384
"""Outputs of up to this size become replies on the loop's thread: it is told of a run's end first, as waking it takes
longer than such a reply. Larger ones are written on the slot's thread, so that the loop goes on."""

SPARE_FRAC = 0.1
"""Part of the time until a deadline that is not spent on waiting for others: timers of a busy machine come late."""


class Pace:
    """How fast a model runs here, by its last runs."""

    __slots__ = ("_at_s", "_runs")

    def __init__(self) -> None:
        self._runs: deque[float] = deque(maxlen=REMEMBERED_RUNS)
        self._at_s = -math.inf

    def learn(self, wall_s: float, items: int, now_s: float) -> None:
        """A run of ``items`` took ``wall_s``."""
        self._runs.append(wall_s / max(1, items))
        self._at_s = now_s

    def fastest_s(self, items: int, now_s: float) -> float:
        """What a run of ``items`` takes at best; 0 while nobody knows."""
        return min(self._runs) * max(1, items) if self._known(now_s) else 0.0

    def slowest_s(self, items: int, now_s: float) -> float | None:
        """What a run of ``items`` takes at worst; None while nobody knows."""
        return max(self._runs) * max(1, items) if self._known(now_s) else None

    def _known(self, now_s: float) -> bool:
        return bool(self._runs) and now_s - self._at_s <= STALE_S


class Slots:
    """The slots of a node and what waits for them.

    Args:
        count: slots, a thread each.
        most_batch: items of a shared run.
        batch_wait_s: how long a request waits for others.
        most_queued: requests that wait.
        virtual_share: CPU cores that the node pretends to have; None for no pretence.

    Attributes:
        attributed_s: thread CPU seconds inside runs, so far.
        queued: requests that wait.
        running: requests that run.
    """

    def __init__(
        self,
        count: int,
        *,
        most_batch: int = 8,
        batch_wait_s: float = 0.0,
        most_queued: int = 256,
        virtual_share: float | None = None,
    ) -> None:
        self._count, self._most_batch, self._wait_s = count, most_batch, batch_wait_s
        self._most_queued, self._rest_per_cpu_s = most_queued, _rest(virtual_share, count)
        self._groups: dict[Key, deque[Job]] = {}
        self._paces: WeakKeyDictionary[Model, Pace] = WeakKeyDictionary()
        self._free = count
        self._promised_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._work: queue.SimpleQueue[list[Job] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self.attributed_s = 0.0
        self.queued = self.running = 0
        self.threads = [
            threading.Thread(target=self._serve, name=f"gramwise-slot-{i}", daemon=True) for i in range(count)
        ]
        for thread in self.threads:
            thread.start()

    async def run(
        self,
        model: Model,
        inputs: Mapping[str, Array],
        wanted: tuple[str, ...],
        deadline_s: float | None,
        write: Callable[[Done], object] | None = None,
        gone: Callable[[], bool] = lambda: False,
    ) -> Done:
        """Run a request, alone or with others.

        Args:
            model: that runs it.
            inputs: by name, checked.
            wanted: names of outputs.
            deadline_s: seconds from now by which it must have run; None for none.
            write: makes the reply, on the slot's thread where outputs are large; None makes none.
            gone: whether nobody waits for the answer any more; asked before the run begins.

        Raises:
            BadRequest: 429, too many wait; 503, not by its deadline; `GONE`; what `Model.run` raises.
        """
        now_s = time.monotonic()
        end_s = math.inf if deadline_s is None else now_s + deadline_s
        job = Job(model, inputs, wanted, now_s, end_s, write, gone)
        self._admit(job, now_s)
        alone = not self._wait_s or not job.items
        if self._free and not self._groups and alone and not gone():
            self._start([job])
        else:
            self._groups.setdefault(job.key(), deque()).append(job)
            self.queued += 1
            self._dispatch()
        return await job.done

    def backlog_s(self) -> float:
        """What waits and runs takes at best, spread over the slots."""
        return max(0.0, self._promised_s) / self._count

    def hurry(self) -> None:
        """From now on nobody waits for others: the node is stopping."""
        self._wait_s = 0.0
        self._dispatch()

    def close(self) -> None:
        """Stop the threads once they have run what they hold."""
        for _ in self.threads:
            self._work.put(None)
        for thread in self.threads:
            thread.join()

    def _admit(self, job: Job, now_s: float) -> None:
        if self.queued >= self._most_queued:
            wait_s = max(1.0, self.backlog_s())
            raise BadRequest(
                429, f"{self.queued} requests wait already; try again later", retry_after_s=wait_s
            )
        own_s = self._at_best_s(job.model, job.items, now_s)
        wait_s = 0.0 if self._free else self.backlog_s()
        if now_s + wait_s + own_s > job.deadline_s:
            left_ms, needed_ms = (job.deadline_s - now_s) * 1e3, (wait_s + own_s) * 1e3
            raise _late(f"{left_ms:.1f} ms are left and {needed_ms:.1f} ms are needed")
        job.promised_s = own_s
        self._promised_s += own_s

    def _at_best_s(self, model: Model, items: int, now_s: float) -> float:
        pace = self._paces.get(model)
        return 0.0 if pace is None else pace.fastest_s(items, now_s)

    def _at_worst_s(self, model: Model, items: int, now_s: float) -> float | None:
        pace = self._paces.get(model)
        return None if pace is None else pace.slowest_s(items, now_s)

    def _dispatch(self) -> None:
        """Give free slots what is due; set the timer for what is not yet."""
        while self._free and self._groups:
            now_s = time.monotonic()
            due_s, key = self._next(now_s)
            if due_s > now_s:
                self._wake_at(due_s - now_s)
                return
            jobs = self._take(key, now_s)
            if jobs:
                self._start(jobs)

    def _start(self, jobs: list[Job]) -> None:
        self._free -= 1
        self.running += len(jobs)
        self._work.put(jobs)

    def _next(self, now_s: float) -> tuple[float, Key]:
        """The group whose turn is first, and when that is."""
        due_s = {key: self._due_s(group, now_s) for key, group in self._groups.items()}
        first = min(due_s, key=due_s.__getitem__)
        return due_s[first], first

    def _due_s(self, group: deque[Job], now_s: float) -> float:
        """When this group is to run at the latest; in the past when it has filled a batch."""
        head = group[0]
        if not self._wait_s or not head.items:
            return head.arrival_s
        items = sum(job.items for job in group)
        if items >= self._most_batch:
            return head.arrival_s
        deadline_s = min(job.deadline_s for job in group)
        if deadline_s == math.inf:
            return head.arrival_s + self._wait_s
        worst_s = self._at_worst_s(head.model, items, now_s)
        if worst_s is None:
            return head.arrival_s
        # Twice the worst: one more may join at the last moment, or find no room and have to run after.
        spare_s = 2.0 * worst_s + SPARE_FRAC * (deadline_s - head.arrival_s)
        return min(head.arrival_s + self._wait_s, deadline_s - spare_s)

    def _take(self, key: Key, now_s: float) -> list[Job]:
        """The members of the next run of a group, oldest first, without those that gave up or are late."""
        group, jobs, items, soonest_s = self._groups[key], list[Job](), 0, math.inf
        while group:
            job = group[0]
            if self._hopeless(job, now_s):
                self._drop(group.popleft())
                continue
            together = items + job.items
            soonest_s = min(soonest_s, job.deadline_s)
            if jobs and (together > self._most_batch or self._late(job.model, together, now_s, soonest_s)):
                break
            jobs.append(group.popleft())
            items = together
        if not group:
            del self._groups[key]
        self.queued -= len(jobs)
        return jobs

    def _late(self, model: Model, items: int, now_s: float, deadline_s: float) -> bool:
        """Whether a run of so many items may end too late for one of them."""
        return deadline_s < math.inf and now_s + (self._at_worst_s(model, items, now_s) or 0.0) > deadline_s

    def _hopeless(self, job: Job, now_s: float) -> bool:
        late = now_s + self._at_best_s(job.model, job.items, now_s) > job.deadline_s
        return late or job.done.done() or job.gone()

    def _drop(self, job: Job) -> None:
        self.queued -= 1
        self._promised_s -= job.promised_s
        if not job.done.done():
            gone = BadRequest(GONE, "nobody waits for this answer")
            job.done.set_exception(gone if job.gone() else _late("its turn came too late"))

    def _wake_at(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, self._dispatch)

    def _serve(self) -> None:
        """A slot's thread."""
        while (jobs := self._work.get()) is not None:
            start_s = time.monotonic()
            ran = run_together(jobs)
            rest_s = 0.0
            if self._rest_per_cpu_s:
                rest_s = sum(run.cpu_s for _, run in ran if isinstance(run, Run)) * self._rest_per_cpu_s
                time.sleep(rest_s)
            ended = None if all(_is_light(run) for _, run in ran) else _endings(ran, start_s)
            self._loop.call_soon_threadsafe(self._ended, ran, ended, start_s, rest_s)

    def _ended(self, ran: Ran, ended: list[Ending] | None, start_s: float, rest_s: float) -> None:
        """A run is over; ``ended`` are its replies where they are written already."""
        now_s, model = time.monotonic(), ran[0][0][0].model
        if ended is None:
            ended = _endings(ran, start_s)
        wall_s = rest_s
        for _, run in ran:
            if isinstance(run, Run):
                self.attributed_s += run.cpu_s
                wall_s += run.wall_s
        items = 0
        for job, _ in ended:
            self._promised_s -= job.promised_s
            items += job.items
        if wall_s:
            self._paces.setdefault(model, Pace()).learn(wall_s, items, now_s)
        self._free += 1
        self.running -= len(ended)
        self._dispatch()
        for job, result in ended:
            if job.done.done():
                continue
            if isinstance(result, BadRequest):
                job.done.set_exception(result)
            else:
                job.done.set_result(result)


def _endings(ran: Ran, start_s: float) -> list[Ending]:
    """What becomes of each request of a run that began at ``start_s``, its reply written."""
    return [written(each) for members, run in ran for each in shares(members, run, start_s)]


def _is_light(run: Run | BadRequest) -> bool:
    """Whether replies of this run are soon written; text and lists of objects may be of any length."""
    if isinstance(run, BadRequest):
        return True
    return sum(_NEVER_LIGHT if each.dtype.hasobject else each.nbytes for each in run.outputs) <= LIGHT_BYTES


_NEVER_LIGHT = LIGHT_BYTES + 1


def _rest(virtual_share: float | None, slots: int) -> float:
    """Seconds of rest after a CPU second, so that each slot's pace is its part of the share."""
    return 0.0 if virtual_share is None else max(0.0, slots / virtual_share - 1.0)


def _late(why: str) -> BadRequest:
    return BadRequest(503, f"this request cannot be answered by its deadline: {why}")
