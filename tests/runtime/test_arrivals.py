"""Streams are Poisson where they say so, and the same for the same seed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gramwise.runtime.arrivals import stream


def test_gaps_have_the_mean_and_the_spread_of_a_poisson_process() -> None:
    gaps = np.array([a.gap_s for a in stream("poisson", 20_000, 12.0, 1, 0)], dtype=float)
    assert gaps.mean() == pytest.approx(1 / 12.0, rel=4 / math.sqrt(20_000))
    assert gaps.std() == pytest.approx(1 / 12.0, rel=0.04)
    assert (gaps > math.log(2) / 12.0).mean() == pytest.approx(0.5, abs=0.02)


def test_seed_and_repeat_fix_every_number() -> None:
    assert stream("poisson", 50, 3.0, 1, 2) == stream("poisson", 50, 3.0, 1, 2)
    others = [stream("poisson", 50, 3.0, seed, repeat) for seed, repeat in ((1, 1), (2, 2), (2, 1))]
    assert all(other != stream("poisson", 50, 3.0, 1, 2) for other in others)


def test_a_closed_loop_has_chance_and_no_times() -> None:
    arrivals = stream("closed", 1000, None, 5, 0)
    assert [a.seq for a in arrivals] == list(range(1000))
    assert {a.gap_s for a in arrivals} == {None}
    draws = np.array([a.draw for a in arrivals])
    assert draws.min() >= 0
    assert draws.max() < 1
    assert draws.mean() == pytest.approx(0.5, abs=0.05)
    assert [a.draw for a in stream("poisson", 1000, 1.0, 5, 0)] == draws.tolist()  # the same chance in both
