"""Training carbon of published large models: ours from devices, days, mean power, PUE and intensity, against theirs.

`run_case` takes what is published about any run and knows no model by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gramwise.core.errors import ConfigError
from gramwise.footprint.bill import bill
from gramwise.footprint.factors import table
from gramwise.footprint.scaling.operating import phase_lines
from gramwise.footprint.scaling.phases import PhaseSpec
from gramwise.footprint.scaling.training import TABLE, TITLES, recompute, recompute_all, training_run

INPUTS = ("devices", "days", "average_w", "pue", "intensity_g_per_kwh")
REACH_FRAC = 0.05


def run_case(inputs: Mapping[str, float]) -> dict[str, float]:
    """Tonnes and megawatt hours of a training run.

    Args:
        inputs: ``devices``, ``days``, ``average_w`` of one device before PUE, ``pue``, ``intensity_g_per_kwh``.

    Returns:
        ``carbon_t`` and ``energy_mwh``, both with PUE.
    """
    raw: dict[str, Any] = {
        "name": "run",
        "phase": "training",
        "devices": inputs["devices"],
        "hours": 24.0 * inputs["days"],
        "average_w": inputs["average_w"],
        "pue": inputs["pue"],
        "intensity_g_per_kwh": inputs["intensity_g_per_kwh"],
        "signal": "average",
        "basis": "direct",
    }
    account = phase_lines([PhaseSpec.from_mapping(raw)])
    whole = bill(account.lines, account.factors, functional_unit="run", units=1, boundary="site", draws=100)
    joules = sum(item.energy_j.value for item in whole.items if item.energy_j)
    return {"carbon_t": whole.total.value / 1e6, "energy_mwh": joules * inputs["pue"] / 3.6e9}


@pytest.mark.parametrize("name", TITLES)
def test_a_published_run_is_met(name: str) -> None:
    rows = table(TABLE)
    found = run_case({key: rows[f"{name}.{key}"].value for key in INPUTS})
    assert found["carbon_t"] == pytest.approx(rows[f"{name}.reported_t"].value, rel=REACH_FRAC)
    assert found["energy_mwh"] == pytest.approx(rows[f"{name}.reported_mwh"].value, rel=REACH_FRAC)
    library = recompute(training_run(name))
    assert library.carbon_t == pytest.approx(found["carbon_t"], rel=1e-12)
    assert library.low_t < library.reported_t < library.high_t


def test_the_table_of_all_five() -> None:
    found = recompute_all()
    assert [run.model for run in found] == list(TITLES.values())
    assert max(abs(run.difference_frac) for run in found) < 0.02


def test_every_row_names_source_and_licence() -> None:
    for key, row in table(TABLE).items():
        assert "arXiv" in row.source, key
        assert row.low <= row.value <= row.high


def test_the_page_prints_what_the_code_answers() -> None:
    page = (Path(__file__).parents[2] / "docs/method/scaling.md").read_text("utf-8")
    for r in recompute_all():
        cells = (f"{r.carbon_t:.1f}", f"{r.low_t:.1f} to {r.high_t:.1f}", f"{r.reported_t:.1f}")
        assert f"| {r.model} | {' | '.join(cells)} | {100 * r.difference_frac:+.1f} % |" in page


def test_a_run_that_is_not_published_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'gpt3'"):
        training_run("gpt-3")


def test_other_runs_by_hand() -> None:
    # 100 devices x 10 days x 24 h x 250 W = 6 MWh; x 1.5 x 200 g/kWh = 1.8 t
    found = run_case({"devices": 100, "days": 10, "average_w": 250, "pue": 1.5, "intensity_g_per_kwh": 200})
    assert found == pytest.approx({"carbon_t": 1.8, "energy_mwh": 9.0})
