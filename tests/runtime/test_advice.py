"""From what was typed to the advice: which source is asked, and what cannot be asked."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gramwise.core.errors import ConfigError
from gramwise.runtime.advice import advise

START = datetime(2022, 1, 1, tzinfo=UTC)


def trace(directory: Path, *columns: str) -> Path:
    """A year of sunny days: clean at noon."""
    lines = [",".join(["time_utc", *columns])]
    for hour in range(8760):
        clean = 300.0 - 150.0 * math.sin(math.pi * (hour % 24 - 6) / 12.0) * (6 <= hour % 24 <= 18)
        moment = START + timedelta(hours=hour)
        lines.append(",".join([moment.strftime("%Y-%m-%dT%H:%M:%SZ"), *(f"{clean:.2f}" for _ in columns)]))
    (directory / "XX_2022.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return directory


def test_a_trace_with_both_bases_tells_the_sign_on_the_other(tmp_path: Path) -> None:
    both = trace(tmp_path, "lifecycle_g_per_kwh", "direct_g_per_kwh")
    said = advise("XX", hours=2, within=24, traces=both, at="2022-06-01T20:00Z", energy_kwh=2.0)
    assert said["verdict"].startswith("wait until")
    assert said["other_basis"] == {**said["other_basis"], "basis": "direct", "sign": "saves"}
    assert said["saving"]["g"] == pytest.approx(2.0 * said["saving"]["g_per_kwh"])


def test_a_trace_with_one_basis_says_that_the_other_is_unknown(tmp_path: Path) -> None:
    one = trace(tmp_path, "direct_g_per_kwh")
    said = advise("XX", hours=2, within=24, traces=one, at="2022-06-01T20:00Z", basis="direct")
    assert said["other_basis"]["sign"] is None
    assert said["basis"] == "direct"


def test_without_a_source_the_annual_mean_is_no_ground_for_waiting() -> None:
    said = advise("DE", hours=3, within=24)
    assert said["verdict"] == "not worth it"
    assert said["saving"] is None


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    folder = trace(tmp_path, "lifecycle_g_per_kwh")
    with pytest.raises(ConfigError, match="--at"):
        advise("XX", hours=2, within=24, traces=folder)
    with pytest.raises(ConfigError, match="two sources"):
        advise("XX", hours=2, within=24, traces=folder, provider="annual", at="2022-06-01T20:00Z")
    with pytest.raises(ConfigError, match="XY"):
        advise("XY", hours=2, within=24, traces=folder, at="2022-06-01T20:00Z")
    with pytest.raises(ConfigError, match="offset"):
        advise("XX", hours=2, within=24, traces=folder, at="2022-06-01T20:00")
