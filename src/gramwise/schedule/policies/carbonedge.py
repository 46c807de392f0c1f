"""CarbonEdge's node selection (arXiv 2603.27420): three weight sets, as published and with the unit corrected.

``carbonedge-green`` and its siblings keep Equation 4 literally (W x ms / 3 600 000 is Wh, not kWh).
``carbonedge-green-corrected`` uses true kWh, and shows that the carbon term then no longer decides anything.
Terms are clamped to [0, 1] as the paper says. Load, free CPU and S_B come from the requests in flight: with the
paper's one client they tie, as its 100 % routing to one node needs. A node's power is the device's full power
times its CPU quota, the paper's own apportioning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.schedule import published as nsa
from gramwise.schedule.filters import KNOWN, Filter

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Request, Snapshot

WEIGHTS = {
    "performance": nsa.Weights(resource=0.25, load=0.25, performance=0.30, balance=0.15, carbon=0.05),
    "balanced": nsa.Weights(resource=0.20, load=0.20, performance=0.15, balance=0.15, carbon=0.30),
    "green": nsa.Weights(resource=0.15, load=0.15, performance=0.10, balance=0.10, carbon=0.50),
}
"""Table I of the paper."""


def _power_known(request: Request, snapshot: Snapshot) -> Bools:
    keep: Bools = np.isfinite(snapshot.busy_w)[snapshot.plans.node]
    return keep


POWER = Filter(
    "power", _power_known, lambda request, s, row: f"power of {s.nodes[int(s.plans.node[row])]} is unknown"
)


class CarbonEdge(nsa.PublishedScore):
    """One of the three modes, with ``-corrected`` for true kWh in S_C.

    Raises:
        ConfigError: no such mode.
    """

    MODES: ClassVar[tuple[str, ...]] = tuple(mode + form for mode in WEIGHTS for form in ("", "-corrected"))
    filters = (*nsa.PublishedScore.filters, KNOWN, POWER)

    def __init__(self, mode: str) -> None:
        super().__init__()
        if mode not in self.MODES:
            raise ConfigError(f"carbonedge has no mode {mode!r}.", fix=did_you_mean(mode, self.MODES))
        self.name = f"carbonedge-{mode}"
        self.weights = WEIGHTS[mode.removesuffix("-corrected")]
        corrected = mode.endswith("-corrected")
        self._estimate = nsa.energy_estimate_corrected if corrected else nsa.energy_estimate_as_published
        self.load_filters = (nsa.skip_filter(self),)

    def load_frac(self, snapshot: Snapshot, node: int) -> float:
        return min(1.0, float(snapshot.queued[node]) / float(snapshot.slots[node]))

    def terms(self, request: Request, snapshot: Snapshot, row: int, node: int) -> Mapping[str, float]:
        time_s = nsa.mean_time_s(request, snapshot, row, node)
        power_w = float(snapshot.busy_w[node]) * float(snapshot.cpu_share[node])
        return {
            "S_R": nsa.resource_score(
                float(snapshot.cpu_share[node]) * (1.0 - self.load_frac(snapshot, node)),
                nsa.TASK_CPU,
                float(snapshot.memory_bytes[node]),
                nsa.TASK_MEMORY_BYTES,
                clamp=True,
            ),
            "S_L": nsa.load_score(self.load_frac(snapshot, node)),
            "S_P": nsa.performance_score(float(snapshot.mean_s[node])),
            "S_B": nsa.balance_score(float(snapshot.queued[node])),
            "S_C": nsa.carbon_score(
                float(snapshot.intensity_g_per_kwh[node]), self._estimate(power_w, time_s)
            ),
        }


PLUGIN = CarbonEdge
