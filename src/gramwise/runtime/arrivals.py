"""When requests come: seeded, so that every policy is offered the same stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request of the stream.

    Attributes:
        seq: position in the repeat.
        gap_s: seconds after the one before; None in a closed loop, where it comes when a client is free.
        draw: uniform in [0, 1), the request's share of chance.
    """

    seq: int
    gap_s: float | None
    draw: float


def stream(kind: str, requests: int, rate_per_s: float | None, seed: int, repeat: int) -> list[Arrival]:
    """The requests of one repeat.

    Args:
        kind: ``poisson`` (independent exponential gaps) or ``closed`` (a client waits for its answer).
        requests: how many.
        rate_per_s: mean rate, for poisson.
        seed, repeat: together they fix every number.
    """
    rng = np.random.default_rng((seed, repeat))
    draws = rng.random(requests)
    gaps = rng.exponential(1.0 / rate_per_s, requests).tolist() if kind == "poisson" and rate_per_s else None
    return [Arrival(seq=i, gap_s=gaps[i] if gaps else None, draw=float(draws[i])) for i in range(requests)]
