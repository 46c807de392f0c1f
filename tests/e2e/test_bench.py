"""A real bench, measured: its document, its books, and a node killed in the middle of it."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gramwise.runtime.assembly import read_scenario

EXAMPLES = Path(__file__).parents[2] / "examples"

NUMBER_OR_NULL = (
    *("accuracy_frac", "throughput_per_s", "energy_j_per_inference", "idle_g_per_inference"),
    *("transfer_g_per_inference", "carbon_g_per_inference", "inferences_per_g", "change_frac"),
    *("change_low_frac", "change_high_frac", "gap_b1_frac", "captured_b0_frac", "captured_b1_frac"),
)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def test_the_document_has_every_field_that_others_rely_on(bench: Any) -> None:
    document = bench.done.document
    assert document["schema"] == "gramwise.bench/1"
    assert document["caps"] in ("cgroup-v1", "cgroup-v2", "virtual")
    assert Path(bench.run_dir).is_dir()
    assert [p["name"] for p in document["policies"]] == ["monolithic", "round-robin", "grams"]
    for policy in document["policies"]:
        assert policy["requests"] == policy["completed"] == 20
        for key in NUMBER_OR_NULL:
            assert policy[key] is None or is_number(policy[key]), key
        for group, parts in (("latency_s", ("p50", "p95")), ("decision_s", ("p50", "p99"))):
            assert sorted(policy[group]) == list(parts)
            assert all(value > 0 for value in policy[group].values())
        assert sorted(policy["node_share"]) == ["clean", "dirty", "middle"]
        assert sum(policy["node_share"].values()) == pytest.approx(1.0)
        assert policy["latency_s"]["p50"] <= policy["latency_s"]["p95"]
        assert policy["transfer_g_per_inference"] is None  # no link declares its energy: unknown, not 0
    assert all(is_number(document["bounds"][f"{b}_g_per_inference"]) for b in ("b0", "b1"))
    assert is_number(document["energy_closure_frac"])


def test_accuracy_is_what_the_labels_make_it(bench: Any) -> None:
    assert [p["accuracy_frac"] for p in bench.done.document["policies"]] == [pytest.approx(0.9)] * 3


def test_grams_goes_where_they_are_fewest_and_the_limit_says_so(bench: Any) -> None:
    policies = {p["name"]: p for p in bench.done.document["policies"]}
    assert policies["monolithic"]["node_share"] == {"clean": 0.0, "dirty": 1.0, "middle": 0.0}
    assert policies["grams"]["node_share"]["clean"] > 0.9
    assert policies["monolithic"]["change_frac"] == 0.0
    assert policies["monolithic"]["captured_b0_frac"] == 0.0
    ours = policies["grams"]
    assert ours["change_low_frac"] <= ours["change_frac"] <= ours["change_high_frac"] < -0.3
    assert ours["captured_b0_frac"] == pytest.approx(1.0, abs=0.15)  # its own joules against pooled ones
    assert ours["inferences_per_g"] == pytest.approx(1 / ours["carbon_g_per_inference"])
    bounds = bench.done.document["bounds"]
    assert bounds["b0_g_per_inference"] <= bounds["b1_g_per_inference"] * (1 + 1e-9)


def test_energy_closes_within_two_percent(bench: Any) -> None:
    document = bench.done.document
    assert document["energy_closure_frac"] == pytest.approx(1.0, abs=0.02)
    assert document["dynamic_closure_frac"] == pytest.approx(1.0, abs=0.03)
    balance = document["balance"]
    parts = balance["attributed_j"] + balance["idle_j"] + balance["overhead_j"]
    assert parts / balance["metered_j"] == pytest.approx(document["energy_closure_frac"])
    assert 0 < balance["overhead_j"] < 0.1 * balance["attributed_j"]


def test_what_is_attributed_is_what_the_requests_cost(bench: Any) -> None:
    outcomes, windows = rows(bench.run_dir / "outcomes.csv"), rows(bench.run_dir / "nodes.csv")
    price = read_scenario(bench.run_dir / "scenario.toml").devices["box"]
    j_per_s = price.busy_w - price.idle_w
    served: dict[tuple[str, str], float] = defaultdict(float)
    attributed: dict[tuple[str, str], float] = defaultdict(float)
    for row in outcomes:
        served[row["policy"], row["node"]] += float(row["cpu_s"]) * j_per_s
        assert float(row["energy_j"]) == pytest.approx(float(row["cpu_s"]) * j_per_s, rel=1e-9)
    for row in windows:
        attributed[row["policy"], row["node"]] += float(row["attributed_j"])
    for key, joules in attributed.items():
        assert joules == pytest.approx(served.get(key, 0.0), rel=1e-6, abs=1e-12), key
    assert set(served) <= set(attributed)
    total = sum(float(row["attributed_j"]) for row in windows)
    assert total == pytest.approx(bench.done.document["balance"]["attributed_j"], rel=1e-9)


def test_the_summary_is_the_sum_of_the_rows(bench: Any) -> None:
    outcomes = rows(bench.run_dir / "outcomes.csv")
    assert len({row["request"] for row in outcomes}) == len(outcomes) == 60
    for policy in bench.done.document["policies"]:
        own = [row for row in outcomes if row["policy"] == policy["name"]]
        inferences = sum(int(row["count"]) for row in own)
        for key, column in (("energy_j_per_inference", "energy_j"), ("carbon_g_per_inference", "carbon_g")):
            total = math.fsum(float(row[column]) for row in own)
            assert policy[key] == pytest.approx(total / inferences, rel=1e-9)
        assert policy["accuracy_frac"] == sum(int(row["correct"]) for row in own) / inferences
        share = Counter(row["node"] for row in own)
        assert policy["node_share"] == {n: share[n] / len(own) for n in ("dirty", "middle", "clean")}
        ordered = sorted(float(row["latency_s"]) for row in own)
        assert policy["latency_s"]["p50"] in ordered
        assert policy["latency_s"]["p95"] in ordered


def test_the_run_directory_is_whole(bench: Any) -> None:
    names = {path.name for path in bench.run_dir.iterdir()}
    assert names >= {"run.toml", "scenario.toml", "outcomes.csv", "decisions.jsonl", "nodes.csv"}
    assert names >= {"summary.json", "report.html"}
    text = (bench.run_dir / "run.toml").read_text("utf-8")
    assert "finished = true" in text
    assert "gramwise bench tiny.toml --json --out runs" in text
    page = (bench.run_dir / "report.html").read_text("utf-8")
    assert "<script src" not in page
    assert 'rel="stylesheet"' not in page


def test_the_shipped_models_are_as_accurate_as_they_say(cli: Any, tmp_path: Path) -> None:
    """All 797 held-out images (three of them twice) through the reference and through what each floor permits."""
    example = (EXAMPLES / "three-sites.toml").read_text("utf-8")
    models = example[example.index("[models.digits]") : example.index("[nodes.")]
    for floor in (0.5, 0.98):
        (tmp_path / "digits.toml").write_text(
            f'schema = 1\nname = "digits"\nbaseline_node = "here"\n{models}'
            '[nodes.here]\ndevice = "pi4"\nzone = "FR"\ncpu_share = 1.0\nmemory = "1 GiB"\nspeed_factor = 1.0\n'
            f"[goals]\naccuracy_floor_frac = {floor}\n"
            '[workload]\ninputs = "package:digits"\ncount = 32\nrequests = 25\nrepeats = 1\n'
            '[bench]\npolicies = ["grams", "grams+variants"]\n[executor]\nkind = "in-process"\n',
            "utf-8",
        )
        done = cli("bench", "digits.toml", "--json")
        assert done.code == 0, done.err
        scenario = read_scenario(tmp_path / "digits.toml")
        declared = {v.name: v.accuracy_frac for v in scenario.variant_records()}
        plain, loose = done.document["policies"]
        assert list(plain["variant_share"]) == ["fp32"]
        assert plain["accuracy_frac"] == pytest.approx(declared["fp32"], abs=0.005)
        (used,) = loose["variant_share"]
        assert used != "fp32"
        assert loose["accuracy_frac"] == pytest.approx(declared[used], abs=0.01)
        assert loose["accuracy_frac"] >= floor
        assert loose["energy_j_per_inference"] < plain["energy_j_per_inference"]


def wait_for_rows(folder: Path, wanted: int, process: subprocess.Popen[str]) -> None:
    end_s = time.monotonic() + 60
    while time.monotonic() < end_s:
        files = list(folder.glob("runs/*/outcomes.csv"))
        if files and len(files[0].read_text("utf-8").splitlines()) > wanted:
            return
        if process.poll() is not None:
            pytest.fail(f"it ended early: {process.communicate()}")
        time.sleep(0.02)
    pytest.fail("it never served a request")


def workers(parent: int, children_of: Callable[[int], set[int]]) -> list[int]:
    found = []
    for pid in sorted(children_of(parent)):
        if "gramwise.runtime.worker" in Path(f"/proc/{pid}/cmdline").read_text("utf-8").replace("\0", " "):
            found.append(pid)
    return found


@pytest.fixture
def long_scenario(write_scenario: Callable[..., Path]) -> Callable[..., Path]:
    def write(requests: int, *changes: str) -> Path:
        return write_scenario(
            *("count = 40", "count = 400", "requests = 10", f"requests = {requests}", "repeats = 2", ""),
            *changes,
        )

    return write


def test_a_node_killed_in_the_middle_loses_and_doubles_nothing(
    long_scenario: Callable[..., Path],
    tmp_path: Path,
    start: Callable[..., subprocess.Popen[str]],
    children_of: Callable[[int], set[int]],
) -> None:
    scenario = long_scenario(60, 'arrivals = "closed"', 'arrivals = "closed"\nrepeats = 2\nconcurrency = 3')
    process = start("bench", scenario.name, "--json")
    wait_for_rows(tmp_path, 20, process)
    nodes = workers(process.pid, children_of)
    assert len(nodes) == 3
    os.kill(nodes[0], signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    document = json.loads(out)
    (folder,) = tmp_path.glob("runs/*")
    outcomes = rows(folder / "outcomes.csv")
    asked = {
        f"{p}-{r}-{i}" for p in ("monolithic", "round-robin", "grams") for r in (0, 1) for i in range(60)
    }
    assert sorted(row["request"] for row in outcomes) == sorted(asked)
    assert {row["status"] for row in outcomes} == {"completed"}
    assert [p["completed"] for p in document["policies"]] == [120] * 3
    assert sum(p["retried"] for p in document["policies"]) > 0
    assert max(int(row["attempts"]) for row in outcomes) == 2
    attributed = math.fsum(float(row["attributed_j"]) for row in rows(folder / "nodes.csv"))
    assert attributed == pytest.approx(math.fsum(float(row["energy_j"]) for row in outcomes), rel=1e-6)


def test_every_node_killed_ends_with_what_was_served(
    long_scenario: Callable[..., Path],
    tmp_path: Path,
    start: Callable[..., subprocess.Popen[str]],
    children_of: Callable[[int], set[int]],
) -> None:
    process = start("bench", long_scenario(100_000).name, "--json")
    wait_for_rows(tmp_path, 10, process)
    for pid in workers(process.pid, children_of):
        os.kill(pid, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (4, "")
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
    assert "tiny.toml: nodes: no node is alive (dirty, middle, clean have died)" in err
    (folder,) = tmp_path.glob("runs/*")
    served = [row for row in rows(folder / "outcomes.csv") if row["status"] == "completed"]
    assert len(served) >= 10
    assert all(float(row["carbon_g"]) > 0 for row in served)


@pytest.mark.parametrize("whole_group", [False, True], ids=["the parent", "the whole terminal"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_stopped_from_outside_it_leaves_nothing_behind(
    long_scenario: Callable[..., Path],
    tmp_path: Path,
    start: Callable[..., subprocess.Popen[str]],
    children_of: Callable[[int], set[int]],
    groups_now: Callable[[], set[Path]],
    number: signal.Signals,
    whole_group: bool,
) -> None:
    process = start("bench", long_scenario(100_000).name, "--json")
    wait_for_rows(tmp_path, 10, process)
    nodes = workers(process.pid, children_of)
    assert len(nodes) == 3
    if whole_group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert "interrupted" in err
    assert not any(Path(f"/proc/{pid}").exists() for pid in nodes)
    assert not any(f"gramwise-{process.pid}-" in group.name for group in groups_now())
    (folder,) = tmp_path.glob("runs/*")
    assert len(rows(folder / "outcomes.csv")) >= 10
    assert "finished = false" in (folder / "run.toml").read_text("utf-8")
