"""Classes with the quick constructor are what they were: equal, frozen, pickled, replaced, refused."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import dataclass, field

import pytest

from gramwise.core.decision import Cost, Outcome, Request
from gramwise.core.protocols import Ran
from gramwise.core.quantity import Quantity
from gramwise.core.quick import maker, quick


@dataclass(frozen=True, slots=True)
class Plain:
    first: int
    second: list[int] = field(default_factory=list)
    third: str = field(default="x", kw_only=True)


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    first: int
    second: list[int] = field(default_factory=list)
    third: str = field(default="x", kw_only=True)


def test_it_has_the_same_signature_and_fields() -> None:
    def shape(cls: type) -> list[tuple[str, object, bool]]:
        return [(p.name, p.kind, p.default is p.empty) for p in inspect.signature(cls).parameters.values()]

    assert shape(Quick) == shape(Plain)
    assert dataclasses.asdict(Quick(1, [2], third="y")) == dataclasses.asdict(Plain(1, [2], third="y"))


def test_defaults_are_made_anew_each_time() -> None:
    one, two = Quick(1), Quick(1)
    assert one == two
    assert one.second is not two.second
    assert one.third == "x"


def test_it_is_frozen_and_of_its_class() -> None:
    made = Quick(1)
    assert type(made) is Quick
    assert not hasattr(made, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.first = 2  # type: ignore[misc]


def test_it_is_replaced_copied_hashed_and_pickled() -> None:
    cost = Cost(latency_s=1.0, energy_j=2.0, carbon_g=3.0)
    assert dataclasses.replace(cost, energy_j=5.0) == Cost(latency_s=1.0, energy_j=5.0, carbon_g=3.0)
    assert copy.deepcopy(cost) == cost
    assert pickle.loads(pickle.dumps(cost)) == cost
    assert hash(cost) == hash(copy.copy(cost))
    assert type(cost + cost) is Cost


def test_what_is_wrong_is_refused_as_before() -> None:
    with pytest.raises(TypeError, match="first"):
        Quick()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="other"):
        Quick(1, other=2)  # type: ignore[call-arg]
    good = {"value": 1.0, "low": 0.0, "high": 2.0, "unit": "J", "method": "assumed", "boundary": "chip"}
    with pytest.raises(ValueError, match="source"):
        Quantity(**good, source=" ")  # type: ignore[arg-type]
    assert type(Quantity(**good, source="x")) is Quantity  # type: ignore[arg-type]


@pytest.mark.parametrize("record", [Request, Outcome, Cost, Ran, Quantity])
def test_records_made_for_every_request_are_quick(record: type) -> None:
    assert record.__init__.__code__.co_filename == "<string>"
    assert "_twin" in record.__init__.__code__.co_names


def test_other_classes_are_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Child(Plain):
        fourth: int = 0

    with pytest.raises(TypeError, match="Child"):
        quick(Child)
    with pytest.raises(TypeError):
        quick(int)


def test_a_class_made_from_it_stays_what_it_is() -> None:
    class Kind(Cost):
        __slots__ = ()

    assert type(Kind(latency_s=1.0, energy_j=2.0, carbon_g=3.0)) is Kind


def test_a_maker_takes_the_same_fields_at_once() -> None:
    make = maker(Cost, ("energy_j", "carbon_g"))
    assert make((2.0, 3.0), 1.0) == Cost(latency_s=1.0, energy_j=2.0, carbon_g=3.0)
    assert type(make((2.0, 3.0), 1.0)) is Cost
    with pytest.raises(TypeError, match="Quantity"):
        maker(Quantity, ("unit",))
    with pytest.raises(TypeError, match="Cost"):
        maker(Cost, ("grams",))
