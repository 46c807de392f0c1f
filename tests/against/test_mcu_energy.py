"""What the prediction of microcontroller energies has to reach on the published measurements, and on odd rows."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mcu_energy import CHECKS, evaluate, packaged, power_latency, power_latency_fixed, spread

CASES = Path(os.environ.get("GRAMWISE_CASES", Path(__file__).parents[2] / "../shared/cases"))
Row = dict[str, Any]

MICROGREEN = ("kws-s", "kws-l", "ppd-s", "ppd-l")
"""Its four shared workloads."""


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


def test_packaged_rows_restate_the_published(published: list[Row]) -> None:
    def told(rows: list[Row]) -> dict[tuple[Any, ...], list[Any]]:
        names = ("set", "round", "submitter", "system", "device", "workload")
        figures = ("energy_uJ", "throughput_inf_s", "latency_us", "energy_mJ", "v_min", "v_max")
        return {tuple(r.get(n) for n in names): [r.get(f) for f in figures] for r in rows}

    ours, theirs = told([dict(r) for r in packaged()]), told(published)
    assert ours.keys() == theirs.keys()
    for key, figures in theirs.items():
        assert [f is None for f in ours[key]] == [f is None for f in figures]
        assert [f or 0.0 for f in ours[key]] == pytest.approx([f or 0.0 for f in figures], rel=1e-12), key


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_what_is_shipped_of_the_asked_system_is_never_looked_at(check: str) -> None:
    """Absurd shipped values of the asked system, in every round and spelling, change nothing; of others they do."""
    shipped = [dict(r) for r in packaged()]
    asked = [r for r in shipped if _belongs(r, ASKED[check])]
    rows = [r for r in asked if r.get("round") == asked[0].get("round")]
    assert 4 <= len(rows) < 40
    own, others = ([r for r in shipped if (r in asked) == flag] for flag in (True, False))
    honest = evaluate(rows, [*own, *others])[check]
    assert honest["n"] == 4
    assert evaluate(rows, [*map(_absurd, own), *others])[check] == honest
    assert evaluate(rows, [*map(_absurd, map(_respelled, own)), *others])[check] == honest
    assert evaluate(rows, others)[check] == honest
    assert evaluate(rows, [*own, *map(_absurd, others)])[check] != honest


def test_another_round_of_the_asked_system_helps_only_where_it_is_given() -> None:
    both = [dict(r) for r in packaged() if _belongs(r, "NUCLEO-U575ZI-Q") and r["round"] in ("v0.7", "v1.0")]
    first, second = ([r for r in both if r["round"] == v] for v in ("v0.7", "v1.0"))
    plain = CHECKS["no_latency"](first, packaged())
    assert len(plain) == 4
    assert CHECKS["no_latency"](both, packaged())[:4] != plain
    assert CHECKS["no_latency"](first, [*packaged(), *second]) == plain
    # of a round that is given, only the given cells count: the package does not fill in what was left out
    part = [*first, *(r for r in second if r["workload"] != "ad")]
    absurd = [_absurd(r) if _belongs(r, "NUCLEO-U575ZI-Q") else r for r in map(dict, packaged())]
    assert CHECKS["no_latency"](part, absurd) == CHECKS["no_latency"](part, packaged())


def test_only_given_cells_are_asked(published: list[Row]) -> None:
    rows = [r for r in published if _belongs(r, "NUCLEO_L4R5ZI") or r.get("device") == "esp32"]
    found = evaluate(rows)
    systems = {(r["round"], r["submitter"]) for r in rows if r["set"] == "mlperf_tiny"}
    assert found["no_latency"]["n"] == 4 * len(systems)
    assert found["power_latency_fixed"]["n"] == 4
    assert all(result["n"] == 0 for result in evaluate([]).values())


def test_a_few_systems_lean_on_the_shipped_pool(published: list[Row]) -> None:
    """Every fourth system at a time, so each is asked once; what the package holds of those asked is left out."""
    tiny = [r for r in published if r["set"] == "mlperf_tiny"]
    systems = list(dict.fromkeys((r["round"], r["submitter"], r["system"]) for r in tiny))
    with_pool, alone = [], []
    for start in range(4):
        rows = [r for r in tiny if (r["round"], r["submitter"], r["system"]) in systems[start::4]]
        with_pool += [e for _, e in CHECKS["no_latency"](rows, packaged())]
        alone += [e for _, e in CHECKS["no_latency"](rows, [])]
    assert len(with_pool) == 80
    assert sum(with_pool) / 80 <= 0.10
    assert sum(with_pool) / 80 < 0.9 * sum(alone) / len(alone)


def test_the_shipped_boards_tell_single_ones_their_fixed_energy(published: list[Row]) -> None:
    told, untold = [], []
    for board in dict.fromkeys(r["device"] for r in published if r["set"] == "microgreen"):
        rows = [r for r in published if r.get("device") == board and r["workload"] in MICROGREEN]
        if len(rows) < len(MICROGREEN):  # half-measured
            continue
        told += CHECKS["power_latency_fixed"](rows, packaged())
        untold += CHECKS["power_latency_fixed"](rows, [])
    assert sum(e for _, e in told) / len(told) <= 0.07
    assert sum(e for _, e in told) / len(told) < 0.8 * sum(e for _, e in untold) / len(untold)


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


ASKED = {
    "power_latency": "NUCLEO-U575ZI-Q",
    "no_latency": "NUCLEO-U575ZI-Q",
    "power_latency_fixed": "esp32C6",
}


def _belongs(row: Mapping[str, Any], name: str) -> bool:
    here, there = (
        text.lower().replace("-", "").replace("_", "")
        for text in (str(row.get("system") or row.get("device")), name)
    )
    return here == there


def _absurd(row: Row) -> Row:
    """Energy off by a factor that differs between workloads."""
    key = "energy_uJ" if "energy_uJ" in row else "energy_mJ"
    return {**row, key: row[key] * 40.0 ** (1 + sum(map(ord, row["workload"])) % 3)}


def _respelled(row: Row) -> Row:
    name = "system" if "system" in row else "device"
    return {**row, name: f"-{row[name].swapcase()}_", **({"round": "v8"} if "round" in row else {})}


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
