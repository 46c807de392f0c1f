"""What a user installs: the base from wheels alone on both architectures, and under its size. Needs a registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("RUN_NETWORK_TESTS"), reason="needs a package registry: RUN_NETWORK_TESTS=1"
)
def test_the_base_is_small_and_has_wheels_for_both_architectures() -> None:
    benchmark = ROOT / "benchmarks" / "install_size.py"
    done = subprocess.run([sys.executable, str(benchmark)], check=True, capture_output=True, text=True)
    rows = json.loads(done.stdout)["rows"]
    assert len(rows) == 3
    assert [row["what"] for row in rows if not row["met"]] == []


def test_constraints_pin_every_dependency_exactly() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 30
    assert all("==" in pin and "@" not in pin for pin in pins)
