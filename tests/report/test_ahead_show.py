"""Simulations, advice and intensities in the terminal: plain, and a dash for what is not known."""

from __future__ import annotations

import io
from typing import Any

import pytest
from ahead_runs import document
from rich.console import Console

from gramwise.show_ahead import intensity_view, replay_view, simulate_view, sweep_view, when_view


def shown(view: Any, made: dict[str, Any], width: int = 110) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width)
    for part in view(made):
        console.print(part, highlight=False, markup=False)
    return out.getvalue()


def line(text: str, start: str) -> str:
    return next(each for each in text.splitlines() if each.strip().startswith(start))


def test_simulate_names_the_best_and_what_cannot_be_compared() -> None:
    text = shown(simulate_view, document("gramwise.simulate/1"))
    assert "simulated" in text.splitlines()[0]
    wanted = (
        "* smart 2.10 +5.00 % 98.3 % 0.0 % 10.0 % 99.0 %"  # dropped and missed are the same here: one column
    )
    assert line(text, "* smart").split() == wanted.split()
    assert line(text, "x lazy").split()[3:5] == ["-", "-"]
    assert "x dropped requests, not comparable" in " ".join(text.split())
    assert line(text, "b plain")
    assert line(text[text.index("p50") :], "smart").split()[:5] == ["smart", "100", "ms", "300", "ms"]
    assert "B0 1.50 g, B1 2.00 g" in text
    assert "Everything here is simulated." in text


def test_no_name_is_cut_in_a_narrow_terminal() -> None:
    made = document("gramwise.sweep/1")
    made["policies"][0]["name"] = "double-threshold+perfect"
    assert "double-threshold+perfect" in shown(sweep_view, made, width=80)


def test_sweep_shows_every_setting() -> None:
    case = {k: v for k, v in document("gramwise.sweep/1").items() if k != "schema"}
    cases = [{"parameters": {"simulation.load_frac": load}, **case} for load in (0.3, 0.7)]
    bounds = {"b0_g": 1.5, "b1_g": 2.0, "b1_at_once_g": 3.5, "b2_g": 40.0, "unserved_frac": 0.01}
    text = shown(sweep_view, document("gramwise.sweep/1", cases=cases, bounds=bounds))
    assert "simulated (fluid, hour by hour)" in text
    assert text.count("simulation.load_frac = 0.3") == 3
    assert "B1 at once 3.50 g, B2 40.0 g (with idle power)" in text
    assert "no time for 1.0 % of the requests" in text


def replay() -> dict[str, Any]:
    figures = {"carbon_g": 2.0, "wasted_g": 0.0, "late_frac": 0.001, "refused_frac": 0.0, "lost_frac": None}
    return {
        "schema": "gramwise.replay/1",
        "run_dir": "runs/x",
        "policy_recorded": "plain",
        "policy": "smart",
        "requests": 100,
        "recorded": figures,
        "recorded_again": {**figures, "carbon_g": 2.2},
        "other": {**figures, "carbon_g": 1.1},
        "perfect": {**figures, "carbon_g": 1.0, "policy": "smart, told everything"},
        "bound_g": 0.9,
        "bound_note": None,
        "regret_g": 1.1,
        "regret_frac": 0.5,
        "regret_perfect_g": None,
        "regret_perfect_frac": None,
        "model_error_frac": 0.1,
        "provenance": ["Replays are simulated."],
    }


def test_replay_gives_regret_or_says_why_not() -> None:
    text = shown(replay_view, replay())
    assert "Regret against smart: 1.10 g (+50.0 %)." in text
    assert "Regret against perfect knowledge: unknown" in text
    assert "perfect knowledge (smart, told everything)" in text
    assert line(text, "plain, as recorded").split()[3:] == ["2000", "0.1", "%", "0.0", "%", "-", "-"]
    assert "+10.0 % against what was recorded" in text


def test_a_negative_regret_keeps_its_sign() -> None:
    text = shown(replay_view, {**replay(), "regret_g": -0.2, "regret_frac": -0.1})
    assert "-200 mg (-10.0 %)" in text


def when() -> dict[str, Any]:
    saving: dict[str, Any] = {
        "g_per_kwh": 100.0,
        "frac": 0.2,
        "low_frac": 0.1,
        "high_frac": 0.3,
        "coverage_frac": 0.8,
    }
    return {
        "zone": "DE",
        "at": "2022-09-15T18:00Z",
        "hours": 3.0,
        "within_hours": 24.0,
        "signal": "average",
        "basis": "lifecycle",
        "source": "trace",
        "forecast": "ours",
        "now": {"start": "a", "end": "b", "g_per_kwh": 500.0},
        "best": {"start": "c", "end": "d", "g_per_kwh": 400.0},
        "saving": {**saving, "g": None},
        "past": {"days": 56, "waited_days": 50, "mean_saving_frac": 0.25},
        "held_days": 48,
        "held_frac": 0.96,
        "other": {"signal": "marginal", "note": "unknown: no marginal source configured"},
        "verdict": "wait until c",
        "reason": "Because.",
    }


def test_when_gives_the_saving_with_its_interval_and_the_past() -> None:
    text = shown(when_view, when())
    assert text.startswith("Wait until c.")
    assert "Expected saving 20.0 % (10.0 to 30.0 %: 80 % of past errors)." in text
    assert "held on 48 of 50 past days" in text
    assert "Under the marginal signal: unknown" in text


def test_when_nothing_is_known_nothing_is_invented() -> None:
    nothing = dict.fromkeys(("best", "saving", "past", "other", "forecast", "held_days", "held_frac"))
    text = shown(when_view, {**when(), **nothing, "now": {"g_per_kwh": 344.0}, "verdict": "not worth it"})
    assert text.startswith("Not worth it.")
    assert "344" in text
    assert "saving" not in text


@pytest.mark.parametrize("value", [None, 369.2])
def test_a_moment_has_its_value_or_is_unknown(value: float | None) -> None:
    made = {"zone": "DE", "at": "t", "g_per_kwh": value, "low_g_per_kwh": None, "high_g_per_kwh": None}
    made |= {"signal": "average", "basis": "lifecycle", "step": "provider", "source": "x", "age_s": 7200.0}
    text = shown(intensity_view, {**made, "failed": ["429: quota"]})
    assert text.startswith("DE at t: unknown" if value is None else "DE at t: 369 g/kWh")
    assert "2 hours old" in text
    assert "Failed: 429: quota" in text


def test_steps_are_listed_with_their_band_up_to_a_limit() -> None:
    rows = [
        {
            "start": f"s{k}",
            "end": "e",
            "g_per_kwh": None if k == 1 else 300.0,
            "low_g_per_kwh": 200.0 + k,
            "high_g_per_kwh": 400.0,
        }
        for k in range(80)
    ]
    made = {"zone": "DE", "signal": "average", "basis": "direct", "step": "ours", "source": "x", "rows": rows}
    text = shown(intensity_view, {**made, "issued": "t", "coverage_frac": 0.8})
    assert line(text, "s1 ").split() == ["s1", "e", "-", "201", "400"]
    assert "8 more steps" in text
    assert "s72" not in text
