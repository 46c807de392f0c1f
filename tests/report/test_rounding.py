"""Printed columns that sum to the printed total."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from gramwise.report.rounding import largest_remainder


def test_three_thirds_make_one() -> None:
    parts, whole = largest_remainder([1 / 3, 1 / 3, 1 / 3], 0.01)
    assert parts == [0.34, 0.33, 0.33]
    assert whole == 1.0


@given(
    st.lists(st.floats(-1e9, 1e9), max_size=30),
    st.sampled_from([1e-3, 0.01, 1.0, 10.0]),
)
def test_rounded_parts_sum_to_the_rounded_sum_and_none_moves_a_step(values: list[float], step: float) -> None:
    parts, whole = largest_remainder(values, step)
    assert sum(round(part / step) for part in parts) == round(whole / step)
    for value, part in zip(values, parts, strict=True):
        assert abs(part - value) < step * (1 + 1e-6) + abs(value) * 1e-12
    assert abs(whole - math.fsum(values)) <= 0.5 * step + abs(whole) * 1e-12
