"""Every decision of a real run is explained by deciding again, and agrees."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gramwise.core.errors import ConfigError, RunDirectoryError
from gramwise.runtime.assembly import read_scenario
from gramwise.runtime.bench import bench
from gramwise.runtime.explain import explain

Write = Callable[..., Path]
POLICIES = (
    *("monolithic", "round-robin", "fastest", "greenest-zone", "amp4ec"),
    *("carbonedge-performance", "carbonedge-balanced", "carbonedge-green", "grams", "grams+variants"),
)


@pytest.fixture
def run(write_scenario: Write, tmp_path: Path) -> Callable[..., Path]:
    def run(*changes: str) -> Path:
        read = read_scenario(
            write_scenario(
                *('policies = ["monolithic", "round-robin", "grams"]', f"policies = {list(POLICIES)}"),
                *("[workload]", "[goals]\ndeadline_s = 0.05\naccuracy_floor_frac = 0.2\n\n[workload]"),
                *('kind = "processes"', 'kind = "in-process"'),
                *("requests = 10", "requests = 6"),
                *changes,
            )
        )
        return Path(asyncio.run(bench(read, out=tmp_path / "runs"))["run_dir"])

    return run


def outcomes(path: Path) -> list[dict[str, str]]:
    with (path / "outcomes.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_it_agrees_with_every_decision_of_a_run(run: Callable[..., Path]) -> None:
    path = run('arrivals = "closed"', 'arrivals = "closed"\nconcurrency = 4')
    rows = outcomes(path)
    assert len(rows) == len(POLICIES) * 6 * 2
    assert len({row["request"] for row in rows}) == len(rows)
    for row in rows:
        document = explain(path, row["request"])
        assert document["schema"] == "gramwise.explain/1"
        assert document["outcome"] == row
        (decision,) = document["decisions"]
        assert decision["agrees"] is True
        assert len(decision["verdicts"]) == 6
        (chosen,) = [v for v in decision["verdicts"] if v["chosen"]]
        assert (chosen["node"], chosen["variant"]) == (row["node"], row["variant"])
        assert f"chose {row['node']} with {row['variant']}" in decision["sentence"]
        assert all(v["rejected_by"] or v["scores"] for v in decision["verdicts"])


def test_a_fallback_is_told_as_one(run: Callable[..., Path]) -> None:
    path = run("deadline_s = 0.05", "deadline_s = 1e-9")
    grams = [row for row in outcomes(path) if row["policy"] == "grams"]
    assert {row["fallback"] for row in grams} == {"1"}
    (decision,) = explain(path, grams[0]["request"])["decisions"]
    assert decision["fallback"] is True
    assert decision["policy"] == "fastest"
    assert "as the fallback" in decision["sentence"]


def test_nodes_that_spend_nothing_are_explained_too(run: Callable[..., Path]) -> None:
    path = run("busy_w = 12.0", "busy_w = 2.0")
    (decision,) = explain(path, "grams-0-0")["decisions"]
    assert decision["agrees"]
    assert "chose" in decision["sentence"]


def test_what_is_not_there_is_named(run: Callable[..., Path], tmp_path: Path) -> None:
    path = run()
    with pytest.raises(ConfigError, match=r"decisions\.jsonl: no decision about .*Did you mean 'grams-0-1'"):
        explain(path, "gram-0-1")
    with pytest.raises(RunDirectoryError, match="not a run directory"):
        explain(tmp_path, "grams-0-0")


def test_what_a_stopped_run_holds_can_be_explained(run: Callable[..., Path]) -> None:
    path = run()
    for name, cut in (("decisions.jsonl", 60), ("outcomes.csv", 30)):
        whole: Any = (path / name).read_bytes()
        (path / name).write_bytes(whole[:-cut])
    document = explain(path, "monolithic-0-0")
    assert document["decisions"][0]["agrees"]
    assert document["outcome"]["status"] == "completed"
