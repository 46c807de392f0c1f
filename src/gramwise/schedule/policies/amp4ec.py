"""AMP4EC's node selection (arXiv 2504.00407 and its public code), carbon-blind: the published system's predecessor.

Unclamped S_R, load taken from the mean of the last five execution times over 100 (in seconds: in milliseconds every
node would be skipped), tasks counted since the start and never taken off, and a random factor of up to 5 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gramwise.schedule import published as nsa

if TYPE_CHECKING:
    from gramwise.core.decision import Request, Snapshot


class Amp4ec(nsa.PublishedScore):
    """Weights 0.20 / 0.20 / 0.10 / 0.50 (public code; also quoted as its Equation 7)."""

    name = "amp4ec"
    weights = nsa.Weights(resource=0.20, load=0.20, performance=0.10, balance=0.50)

    def __init__(self) -> None:
        super().__init__()
        self.load_filters = (nsa.skip_filter(self),)

    def load_frac(self, snapshot: Snapshot, node: int) -> float:
        recent_s = float(snapshot.recent_s[node])
        return min(recent_s / 100.0, 1.0) if recent_s == recent_s else 0.0

    def terms(self, request: Request, snapshot: Snapshot, row: int, node: int) -> Mapping[str, float]:
        return {
            "S_R": nsa.resource_score(
                nsa.free_cpu(snapshot, node),
                nsa.TASK_CPU,
                float(snapshot.memory_bytes[node]),
                nsa.TASK_MEMORY_BYTES,
                clamp=False,
            ),
            "S_L": nsa.load_score(self.load_frac(snapshot, node)),
            "S_P": nsa.performance_score(float(snapshot.mean_s[node])),
            "S_B": nsa.balance_score(float(snapshot.assigned[node])),
            "S_C": 0.0,
        }

    def total(self, request: Request, snapshot: Snapshot, row: int, node: int) -> float:
        return super().total(request, snapshot, row, node) * nsa.tie_break(request.draw, node)


PLUGIN = Amp4ec
