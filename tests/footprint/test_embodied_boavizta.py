"""Boavizta-style components by hand formula, their guesses, the two habits, and refusals."""

from __future__ import annotations

from typing import Any

import pytest

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor
from gramwise.footprint.embodied import boavizta, hsl


@pytest.mark.parametrize(
    ("kind", "body", "kg"),
    [
        ("cpu", {"die_size": 150}, 150 * 0.0197 + 9.14),
        ("cpu", {"die_size": 100, "core_units": 4, "units": 3}, 3 * 11.11),
        ("cpu", {"core_units": 24, "die_size_per_core": 24.5, "units": 2}, 2 * (588 * 0.0197 + 9.14)),
        ("ram", {"capacity": 16, "density": 1.25, "units": 2}, 2 * (16 / 1.25 * 2.2 + 5.22)),
        ("ram", {"capacity": 32, "manufacturer": "samsung", "process": 20}, 32 / 1.75 * 2.2 + 5.22),
        ("ssd", {"capacity": 400, "density": 50.6}, 400 / 50.6 * 2.2 + 6.34),
        ("hdd", {"units": 3, "capacity": 2000}, 93.33),
        ("power_supply", {"unit_weight": 2.99, "units": 2}, 2 * 2.99 * 24.3),
        ("case", {"case_type": "blade"}, 30.9 + 880 / 16),
        ("case", {"case_type": "tower", "units": 2}, 300.0),
        ("motherboard", {}, 66.1),
        ("assembly", None, 6.68),
    ],
)
def test_components_by_hand(kind: str, body: dict[str, Any] | None, kg: float) -> None:
    found = boavizta.component(kind, body)
    assert (found.value_kg, found.low_kg, found.high_kg) == pytest.approx((kg, kg, kg), rel=1e-6)


@pytest.mark.parametrize(
    ("body", "value", "low", "high"),
    [
        ({"capacity": 16}, 34.0, 20.04, 61.54),
        ({"capacity": 32, "manufacturer": "Samsung"}, 52.0, 34.86, 117.9),
        ({"capacity": 32, "manufacturer": "SK Hynix"}, 62.0, 42.77, 99.09),
        ({"capacity": 32, "manufacturer": "Micron", "process": 30}, 92.0, 85.68, 99.09),
        ({"capacity": 32, "process": 30}, 99.0, 85.68, 117.9),
    ],
)
def test_guessed_densities_are_within_two_per_cent_of_what_version_2_5_answers(
    body: dict[str, Any], value: float, low: float, high: float
) -> None:
    found = boavizta.component("ram", body)
    assert (found.value_kg, found.low_kg, found.high_kg) == pytest.approx((value, low, high), rel=0.02)


def test_its_habits_are_kept_only_where_asked_for() -> None:
    two = {"case_type": "rack", "units": 2}
    assert boavizta.component("case", two).value_kg == 300.0
    assert boavizta.component("case", two, as_answered=True).value_kg == 600.0
    blocks = [{"type": "pcb", "hsl_level": "HSL-1", "units": 3}]
    assert boavizta.connected_object(blocks).value_kg == pytest.approx(3 * 0.3458)
    assert boavizta.connected_object(blocks, as_answered=True).value_kg == pytest.approx(0.3458)


@pytest.mark.parametrize(
    ("name", "kg"),
    [
        ("occupancy_sensor", 0.8408),
        ("home_connected_assistant_mini", 8.82),
        ("drone_mini", 15.37),
        ("smart_watch", 19.82),
    ],
)
def test_published_use_cases(name: str, kg: float) -> None:
    assert boavizta.connected_object(archetype=name).value_kg == pytest.approx(kg, rel=1e-3)


def test_a_server_is_the_sum_of_its_parts() -> None:
    body = {
        "model": {"type": "blade"},
        "configuration": {
            "cpu": {"die_size": 500, "units": 2},
            "ram": [{"capacity": 32, "density": 1.79, "units": 4}, {"capacity": 16, "density": 1.25}],
            "disk": [{"type": "hdd"}, {"type": "ssd", "capacity": 400, "density": 50.6, "units": 2}],
            "power_supply": {"unit_weight": 3, "units": 2},
        },
    }
    parts = [
        boavizta.component("cpu", {"die_size": 500, "units": 2}),
        boavizta.component("ram", {"capacity": 32, "density": 1.79, "units": 4}),
        boavizta.component("ram", {"capacity": 16, "density": 1.25}),
        boavizta.component("hdd"),
        boavizta.component("ssd", {"capacity": 400, "density": 50.6, "units": 2}),
        boavizta.component("power_supply", {"unit_weight": 3, "units": 2}),
        boavizta.component("case", {"case_type": "blade"}),
        boavizta.component("motherboard"),
        boavizta.component("assembly"),
    ]
    assert boavizta.server(body).value_kg == pytest.approx(sum(p.value_kg for p in parts))
    del body["configuration"]["ram"]  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"configuration\.ram"):
        boavizta.server(body)


def test_terminals_are_the_callers_own() -> None:
    own = Factor(
        key="device.laptop",
        value=181.0,
        low=100.0,
        high=300.0,
        unit="kg/piece",
        method="assumed",
        source="this test",
    )
    assert boavizta.generic("laptop", {own.key: own}).high_kg == 300.0
    with pytest.raises(ConfigError, match=r"device\.laptop"):
        boavizta.generic("laptop", {})


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("cpu", {}, "die_size"),
        ("cpu", {"die_size": -3}, "die_size"),
        ("cpu", {"die_size": "large"}, "die_size"),
        ("cpu", {"die_size": 100, "units": 0}, "units"),
        ("ram", {"density": 1.0}, "capacity"),
        ("ram", {"capacity": 0, "density": 1.0}, "capacity"),
        ("ram", {"capacity": 8, "process": 19}, "process"),
        ("ram", {"capacity": 8, "manufacturer": "Nobody"}, "manufacturer"),
        ("case", {"case_type": "barrel"}, "case_type"),
        ("tpu", {}, "kind"),
    ],
)
def test_nonsense_is_refused_by_its_key(kind: str, body: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        boavizta.component(kind, body)
    assert refused.value.key == key


@pytest.mark.parametrize(
    ("block", "key"),
    [
        ({"type": "heating", "hsl_level": "HSL-1"}, "functional_blocks[0].type"),
        ({"type": "pcb", "hsl_level": "HSL-4"}, "functional_blocks[0].hsl_level"),
        ({"type": "security", "hsl_level": "HSL-2"}, "functional_blocks[0].hsl_level"),
        ({"type": "pcb"}, "functional_blocks[0].hsl_level"),
        ({"type": "pcb", "hsl_level": "HSL-1", "units": 0}, "functional_blocks[0].units"),
        ({"type": "pcb", "hsl_level": "HSL-1", "size": 1}, "functional_blocks[0]"),
    ],
)
def test_blocks_that_are_not_are_refused_by_their_key(block: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        boavizta.connected_object([block])
    assert refused.value.key == key


def test_blocks_or_an_archetype_and_not_both() -> None:
    with pytest.raises(ConfigError, match="not both"):
        boavizta.connected_object()
    with pytest.raises(ConfigError, match="smart_watch"):
        boavizta.connected_object(archetype="smart_watches")


def test_levels_that_stand_for_nothing_cost_nothing_and_lines_carry_both_phases() -> None:
    assert hsl.published(hsl.block("memory", "HSL-0")) == ()
    lines = hsl.lines([hsl.block("casing", 1), hsl.block("memory", 0)])
    assert [item.line.phase for item in lines] == ["manufacture", "end-of-life"]
    assert all(hsl.ACCOUNT in item.line.factors for item in lines)
    for one, three in zip(lines, hsl.lines([hsl.block("casing", 1, 3)]), strict=True):
        middle = {f.key: f.value for f in one.factors}
        assert three.line.carbon_g(middle) == pytest.approx(3 * one.line.carbon_g(middle))


def test_a_microphone_is_not_nothing_in_the_own_method() -> None:
    blocks = [hsl.block("sensing", 1)]
    (line,) = hsl.lines(blocks)
    assert line.line.carbon_g({f.key: f.value for f in line.factors}) == pytest.approx(18.0)
    assert boavizta.connected_object([{"type": "sensing", "hsl_level": "HSL-1"}]).value_kg == 0.0
