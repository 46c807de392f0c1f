"""Records are frozen, costs add, columns are the reader's own, and a plan carries what its row predicts."""

from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import pytest

from gramwise.core import decision, machines, model, protocols
from gramwise.core.decision import Cost, Decision, Request, columns, plan_of
from gramwise.core.model import Work
from gramwise.core.protocols import Reading
from gramwise.schedule import load_policy
from gramwise.testing import example_request, example_snapshot

RECORDS: list[type] = [
    cls
    for module in (decision, machines, model, protocols)
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if dataclasses.is_dataclass(cls) and cls.__module__ == module.__name__
]


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
def test_records_are_frozen_slotted_and_keyword_only(cls: type) -> None:
    assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__slots__" in vars(cls)
    assert all(field.kw_only for field in dataclasses.fields(cls))


def test_there_are_records_to_look_at() -> None:
    assert {"Request", "Snapshot", "PlanTable", "Outcome", "Plan", "Node", "Device"} <= {
        c.__name__ for c in RECORDS
    }


def test_a_record_cannot_be_changed() -> None:
    request = example_request()
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.count = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        Request("positional")  # type: ignore[call-arg]


def test_costs_and_works_add() -> None:
    a, b = Cost(latency_s=1.0, energy_j=2.0, carbon_g=3.0), Cost(latency_s=0.5, energy_j=0.25, carbon_g=0.125)
    assert a + b == Cost(latency_s=1.5, energy_j=2.25, carbon_g=3.125)
    assert Work(flop=1.0, read_bytes=2.0) + Work(flop=3.0, write_bytes=4.0) == Work(
        flop=4.0, read_bytes=2.0, write_bytes=4.0
    )


def test_a_reading_sums_its_root_domains() -> None:
    assert Reading(at_s=0.0, joules={"package-0": 1.5, "package-1": 2.0}).total_j == 3.5


def test_columns_are_read_only_copies() -> None:
    given = np.array([1.0, 2.0])
    column = columns(given.tolist())
    shared = columns(given)  # type: ignore[arg-type]
    given[0] = 5.0
    assert column.tolist() == shared.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        column[0] = 3.0


def test_a_plan_is_its_row_for_the_whole_request() -> None:
    snapshot, request = example_snapshot(3, 5, variants=2), dataclasses.replace(example_request(5), count=4)
    row, table = 3, snapshot.plans
    node = int(table.node[row])
    plan = plan_of(request, snapshot, row)
    energy_j = float(table.energy_j[row]) * 4
    assert (plan.node, plan.variant) == (snapshot.nodes[node], table.variant[row])
    assert plan.start_s == request.arrival_s + snapshot.backlog_s[node]
    assert plan.cost.energy_j == pytest.approx(energy_j)
    assert plan.cost.carbon_g == pytest.approx(
        energy_j / 3.6e6 * snapshot.intensity_g_per_kwh[node] * snapshot.pue[node]
    )
    assert plan.cost.latency_s == pytest.approx(
        snapshot.backlog_s[node] + table.fixed_s[row] + 4 * table.latency_s[row]
    )


def test_a_decision_without_a_row_has_no_plan_node_or_variant() -> None:
    snapshot, request = example_snapshot(3), example_request()
    none = Decision(request=request, snapshot=snapshot, policy=load_policy("grams"), row=-1)
    assert (none.plan, none.node, none.variant) == (None, None, None)
    some = Decision(request=request, snapshot=snapshot, policy=load_policy("grams"), row=2)
    assert (some.node, some.variant) == ("node-2", "fp32")
    assert some.plan is not None
    assert some.plan.node == "node-2"
