"""The engine's world for thousands of decisions a second, and what it learns of how long its nodes really take.

What a snapshot says does not differ from `gramwise.runtime.world.World`'s, but for ``busy_frac``, which only one
published baseline reads: it is worked out anew every few milliseconds. One snapshot serves a whole version and is
brought up to date when the next is asked for, which takes a fifth of the time of making one: whoever keeps one for
later copies it. So it is for one thread, the loop's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gramwise.core.decision import Snapshot
from gramwise.runtime.world import World

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

BUSY_EVERY_S = 0.01
"""How old ``busy_frac`` may be: a hundredth of its own time constant."""

_ENDS_OF = 256
"""Ends of requests at a node that are kept, to know when one that waited had its turn."""

_put_at, _put_backlog, _put_busy = (
    cast("Any", getattr(Snapshot, name)).__set__ for name in ("at_s", "backlog_s", "busy_frac")
)
"""What sets a slot of a snapshot, which is frozen for everybody else."""


class Drift:
    """How long requests kept one node busy, beside how long they were predicted to.

    A node takes requests in the order in which they come, so many at a time. One that came when all its slots were
    taken had its turn when enough others had ended; what it took counts from then. So the sum over requests is the time
    for which the node was busy, whatever it does in between. The way to the node and back keeps it not busy.

    Counted are requests that began since `forget` only: those before were predicted by another table. Not counted is
    who waited while another request was given up, since nobody can tell whether that had its turn.

    Attributes:
        way_s: there and back.
        took_s, predicted_s: sums since `forget`.
        count: requests in them.
    """

    __slots__ = (
        *("_begun", "_ended", "_ends_s", "_life", "_slots"),
        *("count", "predicted_s", "took_s", "way_s"),
    )

    def __init__(self, slots: int) -> None:
        self._slots, self._ended, self._life, self.way_s = slots, 0, 0, 0.0
        self._ends_s: deque[float] = deque(maxlen=_ENDS_OF)
        self._begun: dict[str, tuple[float, int, float, int]] = {}
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.took_s = self.predicted_s = 0.0
        self.count = 0
        self._life += 1

    def know(self, requests: Iterable[str]) -> None:
        """These are under way since before; they are waited for and not counted."""
        self._begun.update(dict.fromkeys(requests, (0.0, 0, 0.0, 0)))

    def begin(self, request: str, predicted_s: float, now_s: float) -> None:
        """A request is on its way."""
        ahead = len(self._begun) - self._slots + 1
        self._begun[request] = now_s, self._ended + ahead if ahead > 0 else 0, predicted_s, self._life

    def end(self, request: str, now_s: float, done: bool) -> None:
        """It is done, or was given up."""
        begun = self._begun.pop(request, None)
        if begun is None:
            return
        if not done:
            self._doubt()
            return
        start_s, turn, predicted_s, life = begun
        if life == self._life:
            place = turn - 1 - (self._ended - len(self._ends_s))
            if not turn or 0 <= place < len(self._ends_s):
                began_s = start_s + self.way_s
                if turn and self._ends_s[place] > began_s:
                    began_s = self._ends_s[place]
                self.took_s += max(0.0, now_s - began_s)
                self.predicted_s += max(0.0, predicted_s - self.way_s)
                self.count += 1
        self._ends_s.append(now_s)
        self._ended += 1

    def _doubt(self) -> None:
        for name, (start_s, turn, predicted_s, _) in self._begun.items():
            if turn > self._ended:
                self._begun[name] = start_s, turn, predicted_s, 0


class BusyWorld(World):
    """See `gramwise.runtime.world.World`.

    Attributes:
        drift: of each node, in their order.
    """

    _live: Snapshot | None = None
    _busy_until_s = 0.0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.drift = [Drift(node.slots) for node in self.nodes]
        self._slots_of = [node.slots for node in self.nodes]
        self._full: set[int] = set()

    def begin(self, node: str, request: str, predicted_s: float, now_s: float) -> None:
        """See there."""
        i = self._index[node]
        inflight, slots, free_at_s = self._inflight[i], self._slots_of[i], self._free_at_s
        self._settle(i, now_s)
        self.drift[i].begin(request, predicted_s, now_s)
        inflight[request] = predicted_s
        count = len(inflight)
        if count >= slots:
            self._full.add(i)
        self._queued[i] = count
        self._assigned[i] += 1
        free_s = free_at_s.item(i)
        free_at_s[i] = (free_s if free_s > now_s else now_s) + predicted_s / slots
        if self._heir is not None:
            self._tell_heir(node, request, predicted_s, now_s)

    def end(self, node: str, request: str, now_s: float, took_s: float | None) -> None:
        """See there."""
        i = self._index[node]
        inflight, slots = self._inflight[i], self._slots_of[i]
        self._settle(i, now_s)
        self.drift[i].end(request, now_s, took_s is not None)
        del inflight[request]
        count = len(inflight)
        if count < slots:
            self._full.discard(i)
        self._queued[i] = count
        self._free_at_s[i] = now_s + sum(inflight.values()) / slots if count else now_s
        if took_s is not None:
            self._took(i, (took_s,))
        if self._heir is not None:
            self._tell_heir_of_end(node, request, now_s, took_s)

    def inherit(self, old: World, nodes: Iterable[str]) -> None:
        """See there."""
        super().inherit(old, nodes)
        self._full = {i for i, node in enumerate(self.nodes) if len(self._inflight[i]) >= node.slots}
        for drift, inflight in zip(self.drift, self._inflight, strict=True):
            drift.know(inflight)

    def _settle(self, i: int, now_s: float) -> None:
        """As there, but not at every event: what happened within a few milliseconds is taken together."""
        if now_s - self._busy_at_s.item(i) >= BUSY_EVERY_S:
            super()._settle(i, now_s)

    def _snapshot(self, now_s: float) -> Snapshot:
        live = self._live
        if live is None or live.version != self.version:
            live = self._anew(now_s)
        elif now_s >= self._busy_until_s:
            _put_busy(live, super()._snapshot(now_s).busy_frac)
            self._busy_until_s = now_s + BUSY_EVERY_S
        _put_at(live, now_s)
        backlog_s = self._none
        if self._full:
            backlog_s = self._backlog_s(now_s)
        if live.backlog_s is not backlog_s:
            _put_backlog(live, backlog_s)
        return live

    def _backlog_s(self, now_s: float) -> Floats:
        backlog_s = np.zeros(len(self.nodes))
        for i in self._full:
            wait_s = self._free_at_s.item(i) - now_s
            if wait_s > 0.0:
                backlog_s[i] = wait_s
        return backlog_s

    def _anew(self, now_s: float) -> Snapshot:
        """A snapshot made the long way, over the columns that this world goes on changing."""
        made = self._live = super()._snapshot(now_s)
        for name in ("queued", "assigned", "recent_s", "mean_s"):
            cast("Any", getattr(Snapshot, name)).__set__(made, getattr(self, f"_{name}"))
        self._busy_until_s = now_s + BUSY_EVERY_S
        return made
