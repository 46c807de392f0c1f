"""The published node scores, held against the published tables: their margins, and what the unit slip hides."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gramwise.core.decision import Decision, Request, Snapshot
from gramwise.core.errors import ConfigError
from gramwise.schedule import load_policy
from gramwise.schedule import published as nsa
from gramwise.schedule.policies.amp4ec import Amp4ec
from gramwise.schedule.policies.carbonedge import WEIGHTS, CarbonEdge

Fleet = Callable[..., Snapshot]
Ask = Callable[..., Request]

MODES = ("performance", "balanced", "green")
HOST_W = 141.0
"""Host power implied by the published figures."""

S_C_RANGE, S_P_RANGE = 0.054, 0.166
"""Published ranges of the two terms over the three nodes."""

NODES: list[dict[str, Any]] = [
    {"name": "high", "intensity": 620.0, "cpu_share": 1.0, "memory": 2.0**30, "mean_s": 0.2},
    {"name": "medium", "intensity": 530.0, "cpu_share": 0.6, "memory": 2.0**29, "mean_s": 0.2 / 0.6},
    {"name": "green", "intensity": 380.0, "cpu_share": 0.4, "memory": 2.0**29, "mean_s": 0.5},
]
"""The paper's nodes with the nominal times in seconds that its S_P range implies: 0.2 s at 1.0 CPU, 0.5 s at 0.4."""


@pytest.fixture
def paper(fleet: Fleet) -> Snapshot:
    return fleet(*({**node, "busy_w": HOST_W} for node in NODES))


def scores(decision: Decision) -> dict[str, float]:
    return {v.node: v.scores["score"] for v in decision.verdicts}


def test_weights_sum_to_one() -> None:
    for weights in (Amp4ec.weights, *WEIGHTS.values()):
        assert sum(dataclasses.astuple(weights)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("mode", "margin"), [("performance", -0.047), ("balanced", -0.009), ("green", 0.010)]
)
def test_the_published_ranges_give_the_published_choices(mode: str, margin: float) -> None:
    weights = WEIGHTS[mode]
    assert weights.carbon * S_C_RANGE - weights.performance * S_P_RANGE == pytest.approx(margin, abs=0.0005)


@pytest.mark.parametrize(
    ("mode", "margin"), [("performance", -0.050), ("balanced", -0.024), ("green", -0.015)]
)
def test_with_the_right_unit_green_would_choose_the_fast_node(mode: str, margin: float) -> None:
    weights = WEIGHTS[mode]
    assert weights.carbon * true_range() - weights.performance * S_P_RANGE == pytest.approx(
        margin, abs=0.0006
    )


def true_range() -> float:
    energy_kwh = nsa.energy_estimate_corrected(HOST_W, 0.25485)
    return nsa.carbon_score(380.0, energy_kwh) - nsa.carbon_score(620.0, energy_kwh)


def test_the_carbon_term_without_and_with_the_slip() -> None:
    assert true_range() == pytest.approx(0.0025, abs=0.0002)
    slipped = nsa.energy_estimate_as_published(HOST_W, 0.25485)
    assert slipped == pytest.approx(1000.0 * nsa.energy_estimate_corrected(HOST_W, 0.25485))
    assert nsa.carbon_score(380.0, slipped) - nsa.carbon_score(620.0, slipped) == pytest.approx(
        0.07, abs=0.001
    )


def test_the_published_s_p_range_is_that_of_seconds() -> None:
    in_seconds = nsa.performance_score(0.2) - nsa.performance_score(0.5)
    assert in_seconds == pytest.approx(1 / 1.2 - 1 / 1.5)
    assert in_seconds == pytest.approx(S_P_RANGE, abs=0.001)
    assert nsa.performance_score(200.0) - nsa.performance_score(500.0) < 0.01  # milliseconds do not fit


@pytest.mark.parametrize(
    ("mode", "node"),
    [
        ("performance", "high"),
        ("balanced", "high"),
        ("green", "green"),
        ("performance-corrected", "high"),
        ("balanced-corrected", "high"),
        ("green-corrected", "high"),
    ],
)
def test_table_five_and_what_the_right_unit_makes_of_it(
    mode: str, node: str, paper: Snapshot, ask: Ask
) -> None:
    assert load_policy(f"carbonedge-{mode}").decide(ask(), paper).node == node


def test_the_corrected_margin_on_the_papers_nodes(paper: Snapshot, ask: Ask) -> None:
    told = scores(load_policy("carbonedge-green-corrected").decide(ask(), paper))
    assert told["green"] - told["high"] == pytest.approx(-0.015, abs=0.001)


def test_terms_worked_by_hand(paper: Snapshot, ask: Ask) -> None:
    busy = dataclasses.replace(paper, queued=paper.queued + 2, slots=paper.slots + 3)
    high = load_policy("carbonedge-green").decide(ask(), busy).verdicts[0].scores
    watt_hours = 141.0 * 200.0 / 3.6e6
    assert high["S_R"] == 1.0  # 0.5 free of 0.3 cores and 1 GiB of 256 MiB, both clamped
    assert high["S_L"] == 0.5
    assert high["S_P"] == pytest.approx(1 / 1.2)
    assert high["S_B"] == pytest.approx(1 / 5)
    assert high["S_C"] == pytest.approx(1 / (1 + 620.0 * watt_hours))
    assert high["score"] == pytest.approx(
        0.15 * 1.0 + 0.15 * 0.5 + 0.10 / 1.2 + 0.10 / 5 + 0.50 / (1 + 620.0 * watt_hours)
    )


def test_a_tenfold_unit_of_intensity_turns_the_choice_round(paper: Snapshot, ask: Ask) -> None:
    # 1 / (1 + x) is not free of scale: the same grids counted ten times as dirty, and Green mode takes the dirty node.
    dirty = dataclasses.replace(paper, intensity_g_per_kwh=paper.intensity_g_per_kwh * 10.0)
    green, grams = load_policy("carbonedge-green"), load_policy("grams")
    assert (green.decide(ask(), paper).node, green.decide(ask(), dirty).node) == ("green", "high")
    assert (grams.decide(ask(), paper).node, grams.decide(ask(), dirty).node) == ("green", "green")


def test_without_history_a_node_scores_one_half() -> None:
    assert nsa.performance_score(float("nan")) == 0.5


def test_clamping_is_what_keeps_a_roomy_node_from_swamping(fleet: Fleet, ask: Ask) -> None:
    assert nsa.resource_score(1.0, 0.3, 2.0**36, 2.0**28, clamp=False) == pytest.approx((1 / 0.3 + 256) / 2)
    assert nsa.resource_score(1.0, 0.3, 2.0**36, 2.0**28, clamp=True) == 1.0
    worn = {"assigned": 1000, "queued": 3, "slots": 5, "recent_s": 20.0, "mean_s": 20.0, "busy_frac": 0.7}
    snapshot = fleet({"memory": 2.0**36, **worn}, {"memory": 2.0**29, "mean_s": 0.1, "recent_s": 0.1})
    assert load_policy("amp4ec").decide(ask(), snapshot).node == "a"
    clamped = load_policy("carbonedge-performance").decide(ask(), snapshot)
    assert clamped.node == "b"
    assert scores(clamped)["a"] < scores(clamped)["b"]


@given(st.floats(0.0, 1.0, exclude_max=True), st.integers(0, 100_000))
def test_the_tie_break_is_a_factor_from_one_to_five_per_cent(draw: float, node: int) -> None:
    assert 1.0 <= nsa.tie_break(draw, node) <= 1.05


def test_the_tie_break_spreads_over_equal_nodes(fleet: Fleet, ask: Ask) -> None:
    policy, snapshot = load_policy("amp4ec"), fleet(*({} for _ in range(5)))
    chosen = [policy.decide(ask(draw=i / 200), snapshot).node for i in range(200)]
    assert all(chosen.count(node) >= 20 for node in "abcde")
    assert [policy.decide(ask(draw=i / 200), snapshot).node for i in range(200)] == chosen


def test_amp4ec_counts_every_task_ever_assigned(fleet: Fleet, ask: Ask) -> None:
    snapshot = fleet({"assigned": 3, "queued": 0}, {"assigned": 0, "queued": 3, "slots": 5})
    assert load_policy("amp4ec").decide(ask(), snapshot).node == "b"
    assert load_policy("carbonedge-performance").decide(ask(), snapshot).node == "a"


def test_nodes_above_the_load_limit_are_skipped(fleet: Fleet, ask: Ask) -> None:
    policy = load_policy("carbonedge-performance")
    assert policy.decide(ask(), fleet({"queued": 4, "slots": 5})).node == "a"
    over = policy.decide(ask(), fleet({"queued": 5, "slots": 6}))
    assert over.plan is None
    assert (over.verdicts[0].rejected_by, over.verdicts[0].reason) == ("skip", "load 83% is above 80%")


def test_amp4ec_takes_its_load_from_latency(fleet: Fleet, ask: Ask) -> None:
    policy = load_policy("amp4ec")
    assert policy.decide(ask(), fleet({"recent_s": 80.0, "busy_frac": 1.0})).node == "a"
    assert policy.decide(ask(), fleet({"recent_s": 81.0})).verdicts[0].rejected_by == "skip"
    assert policy.decide(ask(), fleet({"recent_s": 1e9})).plan is None


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ({"fixed_s": 0.101}, "network latency is above 100 ms"),
        ({"memory": 2.0**28 - 1}, "memory is below the assumed demand of 256 MiB"),
    ],
)
def test_far_and_small_nodes_are_skipped(node: dict[str, float], reason: str, fleet: Fleet, ask: Ask) -> None:
    for name in ("amp4ec", "carbonedge-balanced"):
        decision = load_policy(name).decide(ask(), fleet(node, {}))
        assert decision.node == "b"
        assert (decision.verdicts[0].rejected_by, decision.verdicts[0].reason) == ("skip", reason)


@pytest.mark.parametrize("unknown", ["intensity", "energy_j", "busy_w"])
def test_carbonedge_never_chooses_the_unknown(unknown: str, fleet: Fleet, ask: Ask) -> None:
    for mode in CarbonEdge.MODES:
        decision = load_policy(f"carbonedge-{mode}").decide(
            ask(), fleet({unknown: float("nan")}, {"mean_s": 50.0})
        )
        assert decision.node == "b"
        assert decision.verdicts[0].rejected_by in ("unknown", "power")
        assert "unknown" in decision.verdicts[0].reason


def test_the_first_of_equals_wins(fleet: Fleet, ask: Ask) -> None:
    assert load_policy("carbonedge-green").decide(ask(), fleet({}, {}, {})).node == "a"


def test_a_mode_nobody_published() -> None:
    with pytest.raises(ConfigError, match=r"no mode 'gren'\. Did you mean 'green'"):
        CarbonEdge("gren")
