"""The policy check catches what it says it catches: one broken policy for each clause of the contract."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import numpy as np
import pytest

from gramwise.core.decision import Decision, Request, Snapshot, Verdict
from gramwise.schedule.filters import of_model
from gramwise.schedule.pipeline import TablePolicy
from gramwise.schedule.policies.fastest import Fastest
from gramwise.schedule.policies.grams import Grams
from gramwise.schedule.policies.round_robin import RoundRobin
from gramwise.testing import check_policy, example_request, example_snapshot


class Impure(RoundRobin):
    """Takes turns by a coin that nobody handed in."""

    def __init__(self) -> None:
        super().__init__()
        self.coin = random.Random(0)

    def choose(self, ready: list[int], request: Request, snapshot: Snapshot) -> int:
        return self.coin.choice(ready) if ready else -1


class Counting(RoundRobin):
    """Takes turns by its own count, and so answers the same question differently."""

    turn = 0

    def choose(self, ready: list[int], request: Request, snapshot: Snapshot) -> int:
        self.turn += 1
        return ready[(self.turn // 7) % len(ready)] if ready else -1


class Forgetful(Grams):
    """Remembers the first answer of a version and forgets that queues change."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[tuple[object, ...], int] = {}

    def decide(self, request: Request, snapshot: Snapshot) -> Decision:
        decision = super().decide(request, snapshot)
        key = (snapshot.version, request.seq, request.accuracy_floor_frac, request.allowed_zones)
        return decision._replace(row=self.seen.setdefault(key, decision.row))


class Scribbler(Fastest):
    """Books its own request in the snapshot."""

    def decide(self, request: Request, snapshot: Snapshot) -> Decision:
        decision = super().decide(request, snapshot)
        if decision.row >= 0:
            queued = snapshot.queued
            queued.setflags(write=True)
            queued[snapshot.plans.node[decision.row]] += 1
        return decision


class FirstRow(TablePolicy[int]):
    """Row 0, come what may."""

    name = "first-row"
    filters = ()

    def prepare(self, request: Request, snapshot: Snapshot, rows: np.ndarray) -> int:
        return 0

    def choose(self, ready: int, request: Request, snapshot: Snapshot) -> int:
        return ready

    def scores(self, request: Request, snapshot: Snapshot, row: int) -> dict[str, float]:
        return {"row": float(row)}


class FirstOfModel(FirstRow):
    """The first candidate, alive or not."""

    name = "first-of-model"

    def choose(self, ready: int, request: Request, snapshot: Snapshot) -> int:
        rows = of_model(request, snapshot)
        return int(rows[0]) if len(rows) else -1


class Trusting(Grams):
    """Takes an unknown for the best there is."""

    name = "trusting"
    filters = Fastest.filters  # type: ignore[assignment]

    def static_score(self, snapshot: Snapshot, rows: np.ndarray) -> np.ndarray:
        return np.nan_to_num(super().static_score(snapshot, rows), nan=0.0)


class Silent(Grams):
    """Explains the winner only."""

    def verdicts(self, request: Request, snapshot: Snapshot) -> list[Verdict]:
        return [v for v in super().verdicts(request, snapshot) if v.chosen]


class Contradictory(Grams):
    """Rejects in words what it chose."""

    def verdicts(self, request: Request, snapshot: Snapshot) -> list[Verdict]:
        told = super().verdicts(request, snapshot)
        return [v._replace(rejected_by="mood", reason="not today") if v.chosen else v for v in told]


class Undecided(Grams):
    """Marks nobody as chosen."""

    def verdicts(self, request: Request, snapshot: Snapshot) -> list[Verdict]:
        return [v._replace(chosen=False) for v in super().verdicts(request, snapshot)]


class Wordless(Grams):
    """Rejects without a reason."""

    def verdicts(self, request: Request, snapshot: Snapshot) -> list[Verdict]:
        return [v._replace(reason="") for v in super().verdicts(request, snapshot)]


class Scoreless(Grams):
    """Keeps its scores to itself."""

    def verdicts(self, request: Request, snapshot: Snapshot) -> list[Verdict]:
        return [v._replace(scores={}) for v in super().verdicts(request, snapshot)]


class Elsewhere(Grams):
    """Answers about another request than the one asked."""

    def decide(self, request: Request, snapshot: Snapshot) -> Decision:
        return super().decide(dataclasses.replace(request, id="other"), snapshot)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Impure, "pure function"),
        (Counting, "pure function"),
        (Forgetful, "a fresh instance chose"),
        (Scribbler, "A decision only reads"),
        (FirstRow, "not a candidate of the model"),
        (FirstOfModel, "chose a plan that no policy may choose: node node-0 is lost"),
        (Trusting, "unknown is never the best score"),
        (Silent, "one verdict for each"),
        (Contradictory, "chosen and rejected by 'mood' at once"),
        (Undecided, r"mark rows \[\] as chosen"),
        (Wordless, "without a reason in words"),
        (Scoreless, "scores must say how it ranked"),
        (Elsewhere, "does not hold the request"),
    ],
)
def test_a_broken_policy_is_told_what_the_contract_wants(broken: type[Grams], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_policy(broken())


def test_a_policy_may_trust_the_version() -> None:
    class Trusting(Grams):
        """Remembers by version and request class alone, as the contract allows."""

        def __init__(self) -> None:
            super().__init__()
            self.ranked: dict[tuple[object, ...], Grams] = {}

        def decide(self, request: Request, snapshot: Snapshot) -> Decision:
            key = (snapshot.version, request.accuracy_floor_frac, request.allowed_zones, request.model)
            memo = self.ranked.setdefault(key, Frozen(request, snapshot))
            return memo.decide(request, snapshot)._replace(policy=self)

    class Frozen(Grams):
        def __init__(self, request: Request, snapshot: Snapshot) -> None:
            super().__init__()
            self.first = self._remember((), request, snapshot)

        def decide(self, request: Request, snapshot: Snapshot) -> Decision:
            row = self.choose(self.first.ready, request, snapshot)
            return Decision(request=request, snapshot=snapshot, policy=self, row=row)

    check_policy(Trusting())


def test_a_policy_that_needs_arguments_can_be_checked() -> None:
    class Biased(Grams):
        def __init__(self, weight: float) -> None:
            super().__init__()
            self.weight = weight

    check_policy(Biased(2.0))
    check_policy(Biased(2.0), fresh=lambda: Biased(2.0))


@pytest.mark.parametrize(("nodes", "variants"), [(1, 1), (3, 2), (100, 4)])
def test_examples_are_valid_records(nodes: int, variants: int) -> None:
    snapshot, request = example_snapshot(nodes, 7, variants=variants), example_request(7)
    table = snapshot.plans
    columns: Sequence[object] = [getattr(snapshot, name) for name in snapshot.__dataclass_fields__]
    arrays = [value for value in columns if isinstance(value, np.ndarray)]
    assert all(array.shape == (nodes,) and not array.flags.writeable for array in arrays)
    assert len(table) == nodes * variants == len(table.model)
    assert set(table.model) == {request.model}
    assert table.reference.sum() == nodes
    assert ((snapshot.intensity_g_per_kwh >= 30) & (snapshot.intensity_g_per_kwh <= 800)).all()
    assert (table.energy_j > 0).all()
    assert (table.latency_s > 0).all()
    assert (snapshot.idle_w < snapshot.busy_w).all()
    assert snapshot.baseline in snapshot.nodes


def test_most_example_nodes_meet_the_example_deadline() -> None:
    snapshot, request = example_snapshot(1000), example_request()
    table = snapshot.plans
    done_s = snapshot.backlog_s[table.node] + table.fixed_s + table.latency_s
    assert 0.7 < (done_s <= (request.deadline_s or 0.0)).mean() < 1.0


def test_an_example_has_a_node_and_a_variant() -> None:
    for nodes, variants in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="at least one node and one variant"):
            example_snapshot(nodes, variants=variants)
