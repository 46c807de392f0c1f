"""What a user installs: the base from wheels alone on both architectures, and under its size. Needs a registry."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
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


def test_planning_from_words_needs_no_autodiff_no_vector_database_and_no_llm_framework() -> None:
    """Neither as a dependency of the base and ``plan``, nor loaded by the way while a plan is made."""
    unwanted = "jax jaxlib torch tensorflow faiss lancedb qdrant_client chromadb langchain litellm openai"
    unwanted += " ortools highspy cma"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["plan"]]
    names = {re.split(r"[^A-Za-z0-9_-]", need)[0].replace("-", "_") for need in needed}
    assert not names & set(unwanted.split())
    code = (
        "import sys\n"
        "from gramwise.runtime.words import formulator_of, plan_from_words\n"
        "text = 'Two jobs run in Lyon or in Essen. The scan takes 2 kWh, the report 3 kWh, wherever they run. The '\n"
        "text += 'grid emits 50 g/kWh in Lyon and 400 g/kWh in Essen. Least CO2.'\n"
        "plan_from_words(text, formulator=formulator_of('offline'))\n"
        f"print(*(set({unwanted!r}.split()) & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
