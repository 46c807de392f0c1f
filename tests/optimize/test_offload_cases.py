"""Every family: any raw array decodes to a feasible decision, and local search neither breaks nor raises anything."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gramwise.core.errors import ConfigError
from gramwise.optimize.compiled.evaluate import evaluate
from gramwise.optimize.offload.case import Case, best_of, create, gap_frac, naked, pick
from gramwise.optimize.solvers.milp import MilpSolver
from gramwise.optimize.typed.bind import bind

FAMILIES = ("A", "B", "C", "D")


def _case(family: str) -> Case:
    return create(family, 8 if family == "C" else 6, 4)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    family=st.sampled_from(FAMILIES),
    size=st.sampled_from([(1, 3), (6, 4), (9, 5)]),
)
def test_any_raw_array_decodes_to_a_feasible_decision(
    seed: int, scale: float, family: str, size: tuple[int, int]
) -> None:
    case = create(family, *size)
    rng = np.random.default_rng(seed)
    instances = case.sample(rng, 5)
    raw = rng.normal(0.0, scale, (5, 8, case.dim))
    raw[:, 0], raw[:, 1], raw[:, 2] = 0.0, -1.0, 1.0  # ties, and everything at a bound
    decisions = case.decode(raw, instances)
    assert case.violations(decisions, instances).max() == 0
    mutated = case.mutate(decisions, instances, rng)
    assert case.violations(mutated, instances).max() == 0
    polished = case.polish(decisions, instances, 30)
    assert case.violations(polished, instances).max() == 0
    before, after = case.cost(decisions, instances), case.cost(polished, instances)
    assert (after <= before + 1e-9 * np.abs(before)).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_decoder_returns_what_was_encoded(family: str) -> None:
    case = _case(family)
    rng = np.random.default_rng(1)
    instances = case.sample(rng, 10)
    decisions = case.polish(case.decode(rng.uniform(-1, 1, (10, 4, case.dim)), instances), instances, 100)
    raw = case.encode(decisions)
    assert raw.shape == (10, 4, case.dim)
    assert np.abs(raw).max() <= 1.0
    again = case.decode(raw, instances)
    np.testing.assert_allclose(case.cost(again, instances), case.cost(decisions, instances), rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_reordering_tasks_changes_no_gram(family: str) -> None:
    case = _case(family)
    rng = np.random.default_rng(2)
    instances = case.sample(rng, 6)
    decisions = case.decode(rng.uniform(-1, 1, (6, 3, case.dim)), instances)
    other, moved = case.permute(instances, decisions, rng)
    np.testing.assert_allclose(case.cost(moved, other), case.cost(decisions, instances), rtol=1e-12)
    assert case.violations(moved, other).max() == 0
    assert (case.features(other) != case.features(instances)).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_features_are_about_one_and_samples_repeat(family: str) -> None:
    case = _case(family)
    first, second = (case.sample(np.random.default_rng(3), 50) for _ in range(2))
    features = case.features(first)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert features.min() >= 0.0
    assert features.max() <= 1.6
    np.testing.assert_array_equal(features, case.features(second))
    np.testing.assert_array_equal(features[7:9], case.features(first.take([7, 8])))


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_cover_the_raw_array(family: str) -> None:
    case = _case(family)
    ends = [b.start + b.width for b in case.blocks]
    assert [b.start for b in case.blocks] == [0, *ends[:-1]]
    assert ends[-1] == case.dim
    raw = np.random.default_rng(4).uniform(-1, 1, (2, 3, case.dim))
    assert naked(case, raw).shape == (2, 3, len(case.blocks))


@pytest.mark.parametrize("family", FAMILIES)
def test_no_decision_beats_the_bound_and_the_reference_is_reached(family: str) -> None:
    case = _case(family)
    rng = np.random.default_rng(5)
    instances = case.sample(rng, 12)
    reference = case.reference(instances)
    starts = case.decode(rng.uniform(-1, 1, (12, 32, case.dim)), instances)
    found = case.cost(case.polish(starts, instances, 24 if family == "D" else 200), instances)
    assert (found >= reference.bound_g[:, None] - 1e-6 * np.abs(reference.grams[:, None])).all()
    gaps = gap_frac(found.min(axis=1), reference)
    assert gaps.mean() < 0.02
    assert gaps.min() > (-0.01 if family == "C" else -1e-6)
    if family != "C":
        assert reference.proven.all()


def test_the_optimum_of_family_a_is_that_of_all_assignments() -> None:
    case: Any = create("A", 5, 4)
    instances = case.sample(np.random.default_rng(6), 20)
    every = np.array(list(itertools.product(range(4), repeat=5)))
    tried = np.broadcast_to(every, (20, *every.shape))
    feasible = case.violations(tried, instances) == 0
    grams = np.where(feasible, case.cost(tried, instances), np.inf)
    reference = case.reference(instances)
    np.testing.assert_allclose(reference.grams, grams.min(axis=1), rtol=1e-9)
    assert reference.proven.all()
    decisions, _ = case.exact(instances, 5.0)
    np.testing.assert_array_equal(case.violations(decisions, instances), 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_typed_problem_has_the_grams_and_the_constraints_of_the_case(family: str) -> None:
    case = _case(family)
    rng = np.random.default_rng(7)
    instances = case.sample(rng, 3)
    bound, findings = bind(case.problem(instances, 1))
    assert findings == []
    assert bound is not None
    one = instances.take([1])
    decisions = case.polish(case.decode(rng.uniform(-1, 1, (1, 6, case.dim)), one), one, 5)
    values = evaluate(bound, _columns(family, case, decisions[0], bound.width))
    np.testing.assert_allclose(values.grams, case.cost(decisions, one)[0], rtol=1e-9)


@pytest.mark.parametrize("family", ["A", "B", "D"])
def test_the_typed_problem_calls_feasible_what_the_case_calls_feasible(family: str) -> None:
    case = create(family, 4, 3)
    rng = np.random.default_rng(11)
    instances = case.sample(rng, 1)
    bound, _ = bind(case.problem(instances, 0))
    assert bound is not None
    options = {"A": 3, "B": 12, "D": 3}[family]
    any_at_all = rng.integers(options, size=(1, 2000, 4))
    if family == "B":
        any_at_all = np.stack(
            [any_at_all, np.broadcast_to(instances.steps[:, None].astype(int), any_at_all.shape)], axis=-1
        )
    if family == "D":
        start = rng.integers(0, 25 - instances.hours, size=(1, 2000, 4))
        any_at_all = np.stack([any_at_all, start], axis=-1)
    kept = evaluate(bound, _columns(family, case, any_at_all[0], bound.width)).kept
    free = case.violations(any_at_all, instances)[0] == 0
    assert 0.001 < free.mean() < 0.999
    np.testing.assert_array_equal(kept, free)


@pytest.mark.parametrize("family", ["A", "B", "D"])
def test_the_compiled_problem_has_the_optimum_of_the_case(family: str) -> None:
    case = create(family, 4, 3)
    instances = case.sample(np.random.default_rng(12), 2)
    reference = case.reference(instances)
    for i in range(2):
        bound, _ = bind(case.problem(instances, i))
        assert bound is not None
        solution = MilpSolver().solve(bound, time_limit_s=20.0)
        assert solution.status == "optimal"
        assert solution.grams == pytest.approx(reference.grams[i], rel=1e-6)


def _columns(family: str, case: Any, decisions: Any, width: int) -> Any:
    """Decisions as values of the typed problem's variables."""
    if family == "C":
        return decisions
    if family == "B":
        decisions = decisions[..., 0]  # polished, so steps are the least
    if family == "D":
        decisions = decisions[..., 0] * case.hours + decisions[..., 1]
    tasks = decisions.shape[1]
    columns = np.zeros((len(decisions), tasks, width // tasks))
    np.put_along_axis(columns, decisions[..., None].astype(int), 1.0, axis=2)
    return columns.reshape(len(decisions), width)


def test_the_gradient_of_family_c_is_the_slope_of_its_cost() -> None:
    case: Any = create("C", 8)
    rng = np.random.default_rng(8)
    instances = case.sample(rng, 4)
    share = rng.uniform(0.1, 0.9, (4, 2, 8))
    slope, step = case.gradient(share, instances), 1e-6
    for link in range(8):
        ahead, behind = share.copy(), share.copy()
        ahead[..., link] += step
        behind[..., link] -= step
        rise = (case.cost(ahead, instances) - case.cost(behind, instances)) / (2 * step)
        np.testing.assert_allclose(slope[..., link], rise, rtol=2e-4, atol=1e-9)


def test_the_best_pattern_is_the_best_of_all_patterns() -> None:
    case: Any = create("C", 4)
    instances = case.sample(np.random.default_rng(9), 5)
    every = np.array(list(itertools.product((0.0, 1.0), repeat=4)))
    costs = case.cost(np.broadcast_to(every, (5, 16, 4)), instances)
    best = pick(np.broadcast_to(every, (5, 16, 4)), best_of(costs))
    np.testing.assert_array_equal(case.patterns(instances), best)


def test_an_unknown_family_or_size_is_named() -> None:
    with pytest.raises(ConfigError, match="no offloading family 'Z'"):
        create("Z")
    with pytest.raises(ConfigError, match="3 sites at least, not 6x2"):
        create("A", 6, 2)
