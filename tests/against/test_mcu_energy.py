"""What the prediction of microcontroller energies has to reach on the published measurements, and on odd rows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from mcu_energy import evaluate, power_latency, power_latency_fixed, spread

CASES = Path(os.environ.get("GRAMWISE_CASES", Path(__file__).parents[2] / "../shared/cases"))
Row = dict[str, Any]


@pytest.fixture(scope="module")
def published() -> list[Row]:
    path = CASES / "mcu_energy.json"
    if not path.is_file():
        pytest.skip(f"the published measurements are not here: {path}")
    cases = json.loads(path.read_text("utf-8"))
    return [*cases["mlperf_tiny"], *cases["microgreen"]]


@pytest.fixture(scope="module")
def found(published: list[Row]) -> dict[str, dict[str, Any]]:
    return evaluate(published)


@pytest.mark.parametrize(
    ("check", "most", "fewest"),
    [("power_latency", 0.05, 40), ("power_latency_fixed", 0.07, 8), ("no_latency", 0.10, 40)],
)
def test_published_measurements_reach(
    found: dict[str, dict[str, Any]], check: str, most: float, fewest: int
) -> None:
    assert found[check]["n"] >= fewest
    assert found[check]["mape_frac"] <= most
    assert found[check]["median_frac"] <= found[check]["mape_frac"]


def test_learned_effects_beat_the_plain_mean_power(published: list[Row]) -> None:
    tiny = [r for r in published if r["set"] == "mlperf_tiny" and r["throughput_inf_s"]]
    plain = _mean_power_error(tiny)
    ours = [e for _, e in power_latency(tiny)]
    assert sum(ours) / len(ours) < plain


def test_the_prior_of_like_boards_helps(published: list[Row]) -> None:
    with_prior, without = (power_latency_fixed(published, family_prior=p) for p in (True, False))
    assert len(with_prior) == len(without)
    assert sum(e for _, e in with_prior) < sum(e for _, e in without)


def test_spread_over_systems_holds_the_mean(published: list[Row]) -> None:
    rows = [r for r in published if r["set"] == "microgreen"]
    mean, ends = evaluate(rows)["power_latency_fixed"]["mape_frac"], spread(rows)["power_latency_fixed"]
    assert mean is not None
    assert ends is not None
    assert ends[0] < mean < ends[1]


def test_units_and_order_change_nothing() -> None:
    rows = _made_up()
    forward, backward = evaluate(rows), evaluate(rows[::-1])
    for check, result in forward.items():
        assert result["n"] == backward[check]["n"]
        assert result["mape_frac"] == pytest.approx(backward[check]["mape_frac"], rel=1e-9)


def test_rows_that_obey_the_model_are_predicted_exactly() -> None:
    result = evaluate(_made_up())
    assert result["power_latency"]["n"] == 24
    assert result["power_latency"]["mape_frac"] == pytest.approx(
        0.0, abs=0.012
    )  # few systems are believed in part
    assert result["power_latency_fixed"]["n"] == 12
    assert result["power_latency_fixed"]["mape_frac"] == pytest.approx(0.0, abs=1e-6)
    assert result["no_latency"]["mape_frac"] == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("keep", [0, 1, 3, 4, 7])
def test_few_rows_do_not_crash(keep: int) -> None:
    for check in evaluate(_made_up()[:keep]).values():
        assert (check["mape_frac"] is None) == (check["n"] == 0)
    for check in evaluate(_made_up()[-keep:] if keep else []).values():
        assert (check["median_frac"] is None) == (check["n"] == 0)


def test_a_result_published_again_does_not_predict_itself() -> None:
    rows = [r for r in _made_up() if r["set"] == "mlperf_tiny"][:4]
    again = [{**r, "round": "v9"} for r in rows]
    assert evaluate([*rows, *again])["no_latency"]["n"] == 0


def test_a_board_without_a_shared_workload_is_not_asked() -> None:
    rows = [r for r in _made_up() if r["set"] == "microgreen"]
    assert evaluate(rows[1:])["power_latency_fixed"]["n"] == 8


def _made_up() -> list[Row]:
    """Six systems whose power and energy are products of a system's and a workload's factor; three boards on a line."""
    work = {"a": 1.0, "b": 4.0, "c": 9.0, "d": 30.0}
    effect = {"a": 0.97, "b": 1.03, "c": 1.0, "d": 1.0}
    tiny = [
        {
            "set": "mlperf_tiny",
            "round": f"v{i}",
            "submitter": "x",
            "system": f"s{i}",
            "workload": w,
            "energy_uJ": 100.0 * (i + 1) * ops * effect[w],
            "throughput_inf_s": 50.0 / ops,
        }
        for i in range(6)
        for w, ops in work.items()
    ]
    green = [
        {
            "set": "microgreen",
            "device": f"b{i}",
            "workload": w,
            "latency_us": 1e4 * ops,
            "energy_mJ": 1e3 * (0.1 * (i + 1)) * (1e-2 * ops + 0.02),
            "v_min": 1.8,
            "v_max": 3.6 + i,
        }
        for i in range(3)
        for w, ops in work.items()
    ]
    return [*tiny, *green]


def _mean_power_error(tiny: list[Row]) -> float:
    systems: dict[tuple[str, ...], dict[str, tuple[float, float]]] = {}
    for r in tiny:
        key = (r["round"], r["submitter"], r["system"])
        systems.setdefault(key, {})[r["workload"]] = (r["energy_uJ"] * r["throughput_inf_s"], r["energy_uJ"])
    names = {r["workload"] for r in tiny}
    errors = []
    for cells in systems.values():
        if set(cells) != names:
            continue
        for w, (power, _) in cells.items():
            others = [p for v, (p, _) in cells.items() if v != w]
            errors.append(abs(sum(others) / len(others) / power - 1.0))
    return sum(errors) / len(errors)
