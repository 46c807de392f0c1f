"""The plan table without running anything: declared costs before the roofline, and a clear word where neither helps."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path

import pytest

from gramwise.core.errors import ConfigError
from gramwise.fleet.catalogue import device
from gramwise.fleet.scenario import Scenario
from gramwise.graph.load import load_graph
from gramwise.runtime.assembly import read_scenario
from gramwise.runtime.modelled import Modelled, device_s, modelled_table

HEAD = """
schema = 1
name = "modelled"
baseline_node = "a"
[models.digits]
reference = "fp32"
[models.digits.variants.int8]
file = "package:digits-int8.onnx"
precision = "int8"
[models.digits.variants.fp32]
file = "package:digits-fp32.onnx"
"""


def scenario(folder: Path, *parts: str) -> Scenario:
    file = folder / "modelled.toml"
    file.write_text("\n".join([HEAD, *parts]), encoding="utf-8")
    return read_scenario(file)


def node(name: str, device: str, more: str = "") -> str:
    return f'[nodes.{name}]\ndevice = "{device}"\nzone = "FR"\ncpu_share = 1.0\nmemory = "1 GiB"\n{more}\n'


def cost(where: str, latency_s: float, energy_j: float, variant: str = "fp32") -> str:
    return (
        f'[[costs]]\nmodel = "digits"\nvariant = "{variant}"\n{where}\nlatency_s = {latency_s}\n'
        f'energy_j = {energy_j}\nsource = "plug meter"\n'
    )


def row(table: Modelled, name: str, variant: str) -> int:
    nodes = [table.nodes[i].name for i in table.plans.node.tolist()]
    return list(zip(nodes, table.plans.variant, strict=True)).index((name, variant))


def test_a_row_for_every_node_and_variant_references_first(tmp_path: Path) -> None:
    table = modelled_table(scenario(tmp_path, node("a", "pi4"), node("b", "pi5")))
    plans = table.plans
    assert plans.node.tolist() == [0, 0, 1, 1]
    assert plans.variant == ("fp32", "int8", "fp32", "int8")
    assert plans.reference.tolist() == [True, False, True, False]
    assert plans.accuracy_frac[0] == pytest.approx(0.995, abs=0.001)
    assert (plans.memory_bytes > 80 * 2**20).all()
    assert (table.service_s == plans.latency_s).all()  # no link is declared


def test_the_roofline_is_the_sum_over_layers_of_the_slower_of_the_two(tmp_path: Path) -> None:
    table = modelled_table(scenario(tmp_path, node("a", "pi5")))
    path, pi5 = next(v.path for v in table.variants if v.name == "int8"), device("pi5")
    assert pi5.memory_bytes_per_s is not None
    expected = 0.0
    for layer in load_graph(path).layers:
        peak = pi5.peak_flop_per_s.get(layer.precision, pi5.peak_flop_per_s["fp32"])
        moved = layer.work.read_bytes + layer.work.write_bytes
        expected += max(layer.work.flop / peak, moved / pi5.memory_bytes_per_s)
    i = row(table, "a", "int8")
    assert table.plans.latency_s[i] == pytest.approx(expected)
    assert table.plans.energy_j[i] == pytest.approx(expected * (12.7 - 2.6))
    assert table.methods[i] == "assumed"  # vendor peaks: as sure as the least sure figure
    assert any("roofline of catalogue peaks, a lower limit of time" in said for said in table.provenance)


def test_slots_share_the_device(tmp_path: Path) -> None:
    one = modelled_table(scenario(tmp_path, node("a", "pi5")))
    four = modelled_table(scenario(tmp_path, node("a", "pi5", "slots = 4")))
    assert four.service_s[0] == pytest.approx(4 * one.service_s[0])
    assert four.plans.energy_j[0] == one.plans.energy_j[0]


def test_a_nodes_own_cost_goes_before_its_devices_and_both_before_the_roofline(tmp_path: Path) -> None:
    parts = (
        node("a", "pi4"),
        node("b", "pi4"),
        cost('device = "pi4"', 0.5, 2.0),
        cost('node = "b"', 0.25, 1.5),
    )
    table = modelled_table(scenario(tmp_path, *parts))
    a, b, other = row(table, "a", "fp32"), row(table, "b", "fp32"), row(table, "a", "int8")
    assert (table.plans.latency_s[a], table.plans.energy_j[a]) == (0.5, 2.0)
    assert (table.plans.latency_s[b], table.plans.energy_j[b]) == (0.25, 1.5)
    assert table.plans.latency_s[other] < 0.01
    assert "declared: digits/fp32 on b (plug meter)" in table.provenance


def test_a_device_without_figures_needs_a_declared_cost_and_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as fault:
        modelled_table(scenario(tmp_path, node("a", "mac_mini_m4")))
    text = str(fault.value)
    assert "modelled.toml" in text
    assert "peak_flop_per_s.fp32" in text
    assert '[[costs]] with model = "digits", variant = "fp32", device = "mac_mini_m4"' in text
    costs = (cost('node = "a"', 0.1, 1.0), cost('node = "a"', 0.05, 0.5, "int8"))
    assert modelled_table(scenario(tmp_path, node("a", "mac_mini_m4"), *costs)).service_s.tolist() == [
        0.1,
        0.05,
    ]


def test_a_node_too_small_for_a_variant_has_a_row_that_memory_rules_out(tmp_path: Path) -> None:
    needs = {v.name: v.memory_bytes for v in modelled_table(scenario(tmp_path, node("a", "pi4"))).variants}
    room = max(needs.values())
    text = node("a", "pi4").replace('"1 GiB"', str(room))
    table = modelled_table(scenario(tmp_path, text))
    fits, not_fits = row(table, "a", "fp32"), row(table, "a", "int8")
    assert math.isfinite(table.service_s[fits])
    assert math.isinf(table.plans.latency_s[not_fits])
    assert math.isnan(table.plans.energy_j[not_fits])
    assert table.plans.memory_bytes[not_fits] > room


def test_a_link_adds_the_transfer_of_the_inputs_and_the_round_trip(tmp_path: Path) -> None:
    link = "[nodes.a.link]\nbytes_per_s = 1000.0\nrtt_s = 0.25"
    plain = modelled_table(scenario(tmp_path, node("a", "pi4")))
    linked = modelled_table(scenario(tmp_path, node("a", "pi4", link)))
    assert plain.input_bytes == {}
    size = linked.input_bytes["digits"]
    assert size == 96 * 96 * 4  # one channel, single precision
    assert linked.plans.latency_s[0] - linked.service_s[0] == pytest.approx(size / 1000.0)
    assert linked.service_s[0] == plain.service_s[0]
    assert linked.plans.fixed_s[0] == 0.25


def test_a_device_without_bandwidth_has_no_roofline() -> None:
    path = Path(str(files("gramwise") / "data" / "models" / "digits-small.onnx"))
    assert device_s(load_graph(path), device("pi3bp")) is None
