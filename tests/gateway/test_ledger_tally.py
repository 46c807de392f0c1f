"""Sums and sketches add: in whatever parts outcomes come, the totals are those of all of them."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_kit import refused, row
from msgspec import structs

from gramwise.gateway.ledger.rows import ROW_COLUMNS, NodeTime, Row
from gramwise.gateway.ledger.tally import (
    RELATIVE_ACCURACY,
    added,
    bucket,
    hour_of,
    node_added,
    node_rolled,
    quantile,
    rolled,
    summed,
)

latencies = st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=200)


@settings(max_examples=50)
@given(values=latencies, frac=st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_within_1_percent_of_the_true_one(values: list[float], frac: float) -> None:
    true = sorted(values)[max(math.ceil(frac * len(values)), 1) - 1]
    told = quantile(Counter(map(bucket, values)), frac)
    assert told is not None
    assert abs(told - true) <= (RELATIVE_ACCURACY + 1e-9) * true


def test_a_quantile_of_nothing_is_none() -> None:
    assert quantile({}, 0.5) is None


def cells(each: Row | NodeTime) -> tuple[Any, ...]:
    return structs.astuple(each)


@settings(max_examples=50)
@given(cuts=st.lists(st.integers(0, 40), max_size=5))
def test_parts_add_up_to_the_whole(cuts: list[int]) -> None:
    rows = [cells(row(n, energy_low_j=None if n % 5 == 0 else 0.05)) for n in range(40)]
    borders = sorted({0, 40, *cuts})
    parts = [summed(rows[a:b]) for a, b in pairwise(borders)]
    whole = summed(rows)
    assert added(parts).counts == whole.counts
    assert added(parts).latencies == whole.latencies
    assert added(parts).amounts == {name: pytest.approx(x, rel=1e-12) for name, x in whole.amounts.items()}
    assert (whole.counts["energy_known"], whole.counts["energy_bounded"]) == (40, 32)


def test_outcomes_are_grouped_by_the_hour_of_their_arrival_and_by_all_that_they_have_in_common() -> None:
    rows = [
        row(0),
        row(1),
        row(2, node="b"),
        row(3, arrival_s=hour_of(row(0).arrival_s) + 3600.0),
        refused(4),
    ]
    groups = rolled("run", [cells(each) for each in rows])
    assert sorted(sums.counts["requests"] for sums in groups.values()) == [1, 1, 1, 2]
    assert {key[0] - hour_of(row(0).arrival_s) for key in groups} == {0, 3600}
    assert {key[1] for key in groups} == {"run"}
    assert len(ROW_COLUMNS) == len(cells(row(0)))


def test_nodes_add_up_too_and_count_what_they_do_not_know() -> None:
    one = NodeTime(node="a", start_s=10.0, end_s=20.0, idle_j=5.0, metered_j=8.0)
    two = NodeTime(node="a", start_s=20.0, end_s=25.0, idle_j=1.0)
    parts = [*node_rolled("run", [cells(one)]).values(), *node_rolled("run", [cells(two)]).values()]
    (whole,) = node_rolled("run", [cells(one), cells(two)]).values()
    assert node_added(parts) == whole
    assert (whole.duration_s, whole.amounts["idle_j"], whole.known["idle_j"]) == (15.0, 6.0, 2)
    assert (whole.known["metered_j"], whole.known["overhead_j"], whole.stretches) == (1, 0, 2)
