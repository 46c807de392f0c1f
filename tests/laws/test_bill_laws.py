"""Laws that every whole bill keeps: sums, scales, and that nothing moves what it does not touch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gramwise.core.footprint import EMBODIED, Footprint
from gramwise.runtime.assembly import read_scenario
from gramwise.runtime.gathered import gather
from gramwise.runtime.lifecycle import evaluate

DRAWS = 200
BASE = """
schema = 1
name = "laws"
baseline_node = "a"
[models.digits]
reference = "fp32"
variants.fp32.file = "package:digits-fp32.onnx"
[devices.box]
name = "Box"
idle_w = 5.0
busy_w = 10.0
embodied_g = 40000.0
lifetime_s = 126230400.0
source = "made up"
[[costs]]
model = "digits"
variant = "fp32"
device = "box"
latency_s = 0.1
energy_j = 0.5
source = "made up"
[nodes]
"""
NODE = (
    '{name} = {{ zone = "{name}", intensity_g_per_kwh = {g!r}, intensity_source = "made up", device = "box", '
    'cpu_share = 1.0, memory = "1 GiB", pue = {pue!r} }}\n'
)
FOOTPRINT = """
[footprint]
draws = {draws}
years = {years!r}
inferences_per_day = {per_day!r}
reserved_frac = {reserved!r}
shares = {{ a = {share!r}, b = {rest!r} }}
"""
Evaluate = Callable[..., Footprint]


@pytest.fixture
def bill(tmp_path: Path) -> Evaluate:
    def make(
        *,
        times: float = 1.0,
        years: float = 1.0,
        per_day: float = 1000.0,
        reserved: float = 1.0,
        share: float = 0.5,
        more: str = "",
        tables: str = "",
    ) -> Footprint:
        nodes = "".join(
            NODE.format(name=name, g=g * times, pue=pue)
            for name, g, pue in (("a", 300.0, 1.25), ("b", 80.0, 1.0))
        )
        rest = FOOTPRINT.format(
            draws=DRAWS, years=years, per_day=per_day, reserved=reserved, share=share, rest=1.0 - share
        )
        file = tmp_path / "s.toml"
        file.write_text(BASE + nodes + more + rest + tables)
        scenario = read_scenario(file)
        return evaluate(scenario, gather(scenario))[1]

    return make


laws = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
known = {"years": st.floats(0.1, 4.0), "per_day": st.floats(1.0, 1e6), "reserved": st.floats(0.0, 1.0)}


def rows(found: Footprint) -> dict[str, float]:
    return {item.name: item.carbon.value for item in found.items}


@laws
@given(**known, share=st.floats(0.01, 0.99))
def test_parts_sum_to_the_total_and_ends_are_in_order(
    bill: Evaluate, years: float, per_day: float, reserved: float, share: float
) -> None:
    found = bill(years=years, per_day=per_day, reserved=reserved, share=share)
    assert found.total.value == math.fsum(rows(found).values())
    for half, wanted in ((found.operational, False), (found.embodied, True)):
        assert half.value == math.fsum(i.carbon.value for i in found.items if (i.phase in EMBODIED) == wanted)
    assert found.operational.value + found.embodied.value == pytest.approx(found.total.value, rel=1e-14)
    assert all(item.carbon.low <= item.carbon.value <= item.carbon.high for item in found.items)
    assert found.total.high <= math.fsum(item.carbon.high for item in found.items) * (1.0 + 1e-9)


@laws
@given(times=st.floats(0.01, 100.0))
def test_another_intensity_scales_what_is_operational_and_nothing_else(bill: Evaluate, times: float) -> None:
    plain, other = bill(), bill(times=times)
    assert other.operational.value == pytest.approx(times * plain.operational.value)
    assert other.operational.high == pytest.approx(times * plain.operational.high)
    assert other.embodied == plain.embodied


@laws
@given(years=st.floats(0.1, 2.0))
def test_a_doubled_span_doubles_both_halves_alike(bill: Evaluate, years: float) -> None:
    once, twice = bill(years=years), bill(years=2.0 * years)
    assert twice.units == pytest.approx(2.0 * once.units)
    for half in ("operational", "embodied", "total"):
        assert getattr(twice, half).value == pytest.approx(2.0 * getattr(once, half).value)
        assert getattr(twice, half).low == pytest.approx(2.0 * getattr(once, half).low)


@laws
@given(per_day=st.floats(1.0, 1e6), times=st.floats(1.0, 50.0))
def test_more_inferences_move_serving_and_neither_idling_nor_making(
    bill: Evaluate, per_day: float, times: float
) -> None:
    few, many = (rows(bill(per_day=n)) for n in (per_day, times * per_day))
    assert {name: many[name] / few[name] for name in few} == pytest.approx(
        {name: times if name.endswith(", inference") else 1.0 for name in few}
    )


@laws
@given(reserved=st.floats(0.01, 1.0))
def test_reserved_time_moves_idling_and_making_alike_and_not_serving(bill: Evaluate, reserved: float) -> None:
    whole, part = rows(bill()), rows(bill(reserved=reserved))
    assert {name: part[name] / whole[name] for name in whole} == pytest.approx(
        {name: 1.0 if name.endswith(", inference") else reserved for name in whole}
    )


@laws
@given(share=st.floats(0.01, 0.99))
def test_shares_move_serving_between_nodes_and_lose_none(bill: Evaluate, share: float) -> None:
    half, found = bill(), bill(share=share)

    def joules(of: Footprint) -> float:
        return math.fsum(i.energy_j.value for i in of.items if i.phase == "inference" and i.energy_j)

    assert joules(found) == pytest.approx(joules(half))
    assert rows(found)["a, inference"] == pytest.approx(2.0 * share * rows(half)["a, inference"])


def test_another_node_adds_its_own_lines_and_moves_no_other(bill: Evaluate) -> None:
    fewer, more = bill(), bill(more=NODE.format(name="c", g=40.0, pue=1.0))
    kept = {item.name: item for item in more.items if not item.name.startswith("c, ")}
    assert kept == {item.name: item for item in fewer.items}
    assert {item.name for item in more.items} - set(kept) == {"c, idle", "c, made"}


TABLES = {
    "phases": '[[footprint.phases]]\nname = "fit"\nphase = "training"\npue = 1.0\nzone = "FR"\nenergy_kwh = 10.0\n',
    "hardware": '[[footprint.hardware]]\nname = "fit"\nserves = "training"\ndevices = 1.0\nhours = 10.0\n'
    'kind = "server"\nutilisation_frac = 0.5\nmanufacture_g = 1.0e6\n',
    "duty": "[footprint.duty.fit]\ninferences_per_day = 10.0\ninference_j = 0.1\nactive_s = 1.0\nsleep_w = 0.001\n"
    'supply = "mains"\nregulator_frac = 0.9\nsupply_frac = 0.9\nlife_days = 900.0\nzone = "FR"\n',
}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_adds_its_own_lines_and_moves_no_other(bill: Evaluate, table: str) -> None:
    plain, more = bill(), bill(tables=TABLES[table])
    own = {item.name for item in more.items if re.match(r"fit\b", item.name)}
    assert own
    assert {i.name: i for i in more.items if i.name not in own} == {i.name: i for i in plain.items}
    added = math.fsum(item.carbon.value for item in more.items if item.name in own)
    assert more.total.value == pytest.approx(plain.total.value + added)


def test_the_total_is_no_wider_than_its_rows_and_shares_of_variance_sum_to_one(bill: Evaluate) -> None:
    found = bill(tables="".join(TABLES[name] for name in ("phases", "duty")))
    assert found.total.high - found.total.low < math.fsum(i.carbon.high - i.carbon.low for i in found.items)
    assert math.fsum(share.share_frac for share in found.contributors) == pytest.approx(1.0)
    assert {share.key for share in found.contributors} <= set(found.factors)
    assert all(set(item.factors) <= set(found.factors) for item in found.items)
