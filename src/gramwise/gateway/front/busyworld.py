"""The engine's world for thousands of decisions a second: the same snapshots, made for a fifth of the time.

What a snapshot says does not differ from `gramwise.runtime.world.World`'s, but for ``busy_frac``, which only one
published baseline reads: it is worked out anew every few milliseconds instead of every time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.decision import Snapshot, columns
from gramwise.runtime.world import World

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

BUSY_EVERY_S = 0.01
"""How old ``busy_frac`` may be: a hundredth of its own time constant."""

_LOWER = ("at_s", "queued", "backlog_s", "busy_frac", "assigned", "recent_s", "mean_s")
"""Columns that differ from snapshot to snapshot of one version."""

_UPPER = tuple(field.name for field in dataclasses.fields(Snapshot) if field.name not in _LOWER)


def _setters(names: Sequence[str]) -> tuple[Any, ...]:
    """What sets a slot of a snapshot that is being made: a frozen dataclass's own constructor takes thrice as long."""
    return tuple(getattr(Snapshot, name).__set__ for name in names)


class BusyWorld(World):
    """See `gramwise.runtime.world.World`. For one thread: the loop's."""

    _set_upper, _set_lower = _setters(_UPPER), _setters(_LOWER)

    _template: Snapshot | None = None
    _upper: tuple[tuple[Any, Any], ...] = ()
    _busy_until_s = 0.0
    _busy_frac: Floats = columns([])

    def _settle(self, i: int, now_s: float) -> None:
        """As there, but not at every event: what happened within a few milliseconds is taken together."""
        if now_s - self._busy_at_s.item(i) >= BUSY_EVERY_S:
            super()._settle(i, now_s)

    def _snapshot(self, now_s: float) -> Snapshot:
        template = self._template
        if template is None or template.version != self.version or now_s >= self._busy_until_s:
            template = self._remember(now_s)
        backlog_s = self._none
        slots = self.nodes
        for i, inflight in enumerate(self._inflight):
            if len(inflight) >= slots[i].slots:
                wait_s = self._free_at_s.item(i) - now_s
                if wait_s > 0.0:
                    if backlog_s is self._none:
                        backlog_s = np.zeros(len(slots))
                    backlog_s[i] = wait_s
        made = Snapshot.__new__(Snapshot)
        for put, value in self._upper:
            put(made, value)
        at, queued, backlog, busy, assigned, recent, mean = self._set_lower
        at(made, now_s)
        queued(made, self._queued.copy())
        backlog(made, backlog_s)
        busy(made, self._busy_frac)
        assigned(made, self._assigned.copy())
        recent(made, self._recent_s.copy())
        mean(made, self._mean_s.copy())
        return made

    def _remember(self, now_s: float) -> Snapshot:
        """A snapshot made the long way, whose upper block the next ones share."""
        template = self._template = super()._snapshot(now_s)
        self._upper = tuple(
            (put, getattr(template, name)) for put, name in zip(self._set_upper, _UPPER, strict=True)
        )
        self._busy_frac, self._busy_until_s = template.busy_frac, now_s + BUSY_EVERY_S
        return template
