"""The fluid model and the event simulation of one case agree within the tolerance that docs/method/sweep.md states."""

from __future__ import annotations

import dataclasses
import math
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from sim_kit import write_trace

from gramwise.fleet.scenario import load_scenario
from gramwise.sim.case import Case, case_of
from gramwise.sim.simulate import simulate
from gramwise.sim.sweep import Task, run_task

HOURS, FIRST_HOUR = 3, 59 * 24 + 4
"""From 1 March 2022, 04:00 UTC."""

TOLERANCE = {"fractions": 0.03, "two-choices": 0.03, "grams": 0.05, "shadow-price": 0.05}

SCENARIO = """
schema = 1
name = "agreement"
baseline_node = "a"
[models.small]
reference = "x"
variants.x = { file = "package:digits-small.onnx" }
[models.large]
reference = "x"
variants.x = { file = "package:digits-fp32.onnx" }
[nodes]
a = { zone = "AA", device = "n100", cpu_share = 1.0, memory = "1 GiB" }
b = { zone = "BB", device = "pi5", cpu_share = 1.0, memory = "1 GiB" }
c = { zone = "CC", device = "pi4", cpu_share = 1.0, memory = "1 GiB" }
d = { zone = "DD", device = "jetson_nano", cpu_share = 1.0, memory = "1 GiB" }
[goals]
deadline_s = 25.0
[[traffic]]
name = "one"
model = "small"
rate_per_s = 0.2
swing_frac = 0.3
[[traffic]]
name = "two"
model = "large"
rate_per_s = 0.1
swing_frac = 0.3
[simulation]
start = "2022-03-01T04:00:00Z"
hours = 3.0
load_frac = 0.5
seed = 3
"""

COSTS = {
    "n100": (1.2, 1.6, 19.0),
    "pi5": (1.6, 3.6, 10.1),
    "pi4": (3.2, 4.8, 4.5),
    "jetson_nano": (2.0, 1.2, 8.0),
}
"""Seconds for each model and watts, made up: unlike, and not in proportion."""


def scenario(folder: Path) -> Path:
    rows = [
        f'[[costs]]\nmodel = "{model}"\nvariant = "x"\ndevice = "{device}"\nlatency_s = {seconds}\n'
        f'energy_j = {seconds * watts}\nsource = "made up"\n'
        for device, (large_s, small_s, watts) in COSTS.items()
        for model, seconds in (("large", large_s), ("small", small_s))
    ]
    file = folder / "agreement.toml"
    file.write_text(SCENARIO + "".join(rows), "utf-8")
    return file


def traces(folder: Path) -> Path:
    for zone, base, swing, shift in (
        ("AA", 450, 200, 0),
        ("BB", 300, 150, 5),
        ("CC", 120, 60, 9),
        ("DD", 200, 180, 14),
    ):

        def value(at: datetime, base: int = base, swing: int = swing, shift: int = shift) -> float:
            hour = at.timetuple().tm_yday * 24 + at.hour
            return base - swing * math.sin(2 * math.pi * (hour - shift) / 24) + 15 * math.sin(hour / 37)

        write_trace(folder, zone, value, days=365)
    return folder


def hours_of(case: Case) -> Case:
    cut = slice(FIRST_HOUR, FIRST_HOUR + HOURS)
    names = (
        "capacity_s",
        "g_per_j",
        "known_g_per_j",
        "fixed",
        "waiting",
        "fixed_foreseen",
        "waiting_foreseen",
    )
    return dataclasses.replace(
        case,
        missing=case.missing[cut],
        start_s=case.start_s + 3600.0 * FIRST_HOUR,
        **{name: getattr(case, name)[:, cut] for name in names},
    )


@pytest.mark.slow
def test_both_models_tell_the_same_grams(tmp_path: Path) -> None:
    folder = traces(tmp_path)
    asked = load_scenario(scenario(tmp_path))
    events = simulate(asked, traces=folder, policies=list(TOLERANCE), timing=False)
    case = hours_of(case_of(asked, traces=folder))
    flows = dict(run_task(case, Task("rules", ("grams",))).accounts)
    flows |= run_task(case, Task("rules", ("shadow-price", "fractions", "two-choices"))).accounts
    assert case.requests / HOURS / len(case.nodes) > 800
    for policy in events["policies"]:
        fluid, name = flows[policy["name"]], policy["name"]
        assert policy["completed"] == pytest.approx(case.requests, rel=0.03)
        assert fluid.unserved == 0
        event_g, fluid_g = policy["carbon_g"] / policy["completed"], fluid.carbon_g / fluid.requests
        assert event_g == pytest.approx(fluid_g, rel=TOLERANCE[name]), name
    assert np.isfinite(events["bounds"]["b1_g"])
