"""Run directories as the bench writes them, small and exact, for the tests of the report.

The numbers are made up so that they can be checked by hand: three nodes with fixed joules and grams per
inference, and each policy a fixed pattern of nodes. Nothing here was measured.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

J_PER_KWH = 3.6e6
NODES = {
    "lyon": ("FR", "raspberry-pi-4", 0.4, 44.0, 0.05),
    "essen": ("DE", "jetson-nano", 0.6, 334.0, 0.012),
    "krakow": ("PL", "nuc-i5", 1.0, 594.0, 0.09),
}
PATTERNS = {
    "monolithic": ["essen"],
    "round-robin": ["lyon", "essen", "krakow"],
    "fastest": ["krakow"],
    "greenest-zone": ["lyon"],
    "amp4ec": ["krakow", "essen"],
    "carbonedge-performance": ["krakow"],
    "carbonedge-green": ["lyon", "lyon", "essen"],
    "carbonedge-green-corrected": ["lyon"],
    "grams": ["lyon"],
}
LATENCY_S = {"lyon": 0.110, "essen": 0.074, "krakow": 0.041}
COUNT, REQUESTS, REPEATS = 8, 20, 3

Make = Callable[..., Path]


def quantity(value: float, unit: str, method: str, source: str, spread: float = 0.2) -> dict[str, Any]:
    low, high = value * (1 - spread), value * (1 + spread)
    return {
        "value": value,
        "low": low,
        "high": high,
        "unit": unit,
        "method": method,
        "boundary": "board",
        "source": source,
    }


def grams(node: str) -> float:
    _, _, _, intensity, joules = NODES[node]
    return joules * intensity / J_PER_KWH


def policy_row(name: str) -> dict[str, Any]:
    pattern = PATTERNS[name]
    mean = sum(grams(n) for n in pattern) / len(pattern)
    base, b1 = grams("essen"), grams("lyon")
    change = mean / base - 1
    latencies = sorted(LATENCY_S[n] for n in pattern)
    row: dict[str, Any] = {
        "name": name,
        "requests": 60,
        "completed": 60,
        "late": 0,
        "fallback": 0,
        "accuracy_frac": 0.985,
        "latency_s": {"p50": latencies[len(latencies) // 2], "p95": latencies[-1]},
        "throughput_per_s": COUNT / latencies[0],
        "energy_j_per_inference": sum(NODES[n][4] for n in pattern) / len(pattern),
        "idle_g_per_inference": 2.1e-5,
        "transfer_g_per_inference": None,
        "carbon_g_per_inference": mean,
        "inferences_per_g": 1 / mean,
        "change_frac": change,
        "change_low_frac": change - 0.02,
        "change_high_frac": change + 0.02,
        "node_share": {n: pattern.count(n) / len(pattern) for n in NODES},
        "decision_s": {"p50": 4.1e-6, "p99": 9.3e-6},
        "variant_share": {"fp32": 1.0},
        "gap_b1_frac": mean / b1 - 1,
        "captured_b0_frac": (base - mean) / (base - b1),
        "captured_b1_frac": (base - mean) / (base - b1),
        "carbon": quantity(mean, "g", "modelled", "CPU seconds x device watts x zone intensity"),
    }
    if name == "monolithic":
        row.update(change_frac=0.0, change_low_frac=0.0, change_high_frac=0.0)
    return row


def summary_document() -> dict[str, Any]:
    return {
        "schema": "gramwise.bench/1",
        "scenario": "three-sites",
        "caps": "cgroup-v1",
        "baseline": "monolithic",
        "baseline_node": "essen",
        "policies": [policy_row(name) for name in PATTERNS],
        "bounds": {
            "b0_g_per_inference": grams("lyon"),
            "b1_g_per_inference": grams("lyon"),
            "b0_variants_g_per_inference": None,
            "b1_variants_g_per_inference": None,
        },
        "nodes": [
            {
                "name": name,
                "zone": zone,
                "device": device,
                "cpu_share": share,
                "intensity_g_per_kwh": intensity,
                "intensity": quantity(
                    intensity, "g/kWh", "assumed", "annual mean of the zone, a data table, 2024"
                ),
                "energy_j_per_inference": quantity(
                    joules, "J", "modelled", "CPU seconds x speed factor x (busy - idle) W"
                ),
                "idle_w": quantity(2.7, "W", "assumed", f"catalogue row {device}")
                if name != "krakow"
                else None,
            }
            for name, (zone, device, share, intensity, joules) in NODES.items()
        ],
        "balance": {"attributed_j": 12.3, "idle_j": 40.1, "overhead_j": 0.9, "metered_j": 53.2},
        "energy_closure_frac": 53.3 / 53.2,
        "dynamic_closure_frac": 0.996,
        "provenance": [
            "CPU seconds were measured with each thread's clock.",
            "Joules were modelled from catalogue watts; intensities are annual means.",
        ],
        "run_dir": "runs/r1",
    }


def outcome_rows() -> list[dict[str, Any]]:
    rows = []
    for policy, pattern in PATTERNS.items():
        for k in range(REPEATS * REQUESTS):
            node = pattern[k % len(pattern)]
            jitter = 1 + 0.05 * ((k * 7) % 11 - 5) / 5
            energy_j = NODES[node][4] * COUNT * jitter
            start_s = 1000.0 + k
            rows.append(
                {
                    "request": f"{policy}-{k}",
                    "policy": policy,
                    "repeat": k // REQUESTS,
                    "seq": k % REQUESTS,
                    "status": "completed",
                    "node": node,
                    "variant": "fp32",
                    "count": COUNT,
                    "correct": COUNT - (k % 10 == 0),
                    "arrival_s": start_s,
                    "start_s": start_s,
                    "end_s": start_s + LATENCY_S[node] * jitter,
                    "latency_s": LATENCY_S[node] * jitter,
                    "attempts": 1,
                    "late": False,
                    "fallback": False,
                    "cpu_s": 0.03,
                    "energy_j": energy_j,
                    "carbon_g": energy_j * NODES[node][3] / J_PER_KWH,
                    "method": "modelled",
                    "decision_s": (40 + k % 5) / 1e7,
                }
            )
    return rows


def window_rows() -> list[dict[str, Any]]:
    return [
        {
            "policy": policy,
            "repeat": 0,
            "block": 0,
            "node": node,
            "window_s": 2.0,
            "attributed_j": 1.5,
            "idle_j": 5.4,
            "overhead_j": 0.1,
            "metered_j": 7.02,
            "attributed_s": 0.5,
            "overhead_s": 0.03,
            "metered_s": 0.535,
        }
        for policy in PATTERNS
        for node in NODES
    ]


def run_toml(scenario: str, caps: str, finished: bool) -> str:
    return f"""schema = 1

[run]
scenario = {json.dumps(scenario)}
started = "2026-03-01T12:00:00+00:00"
gramwise = "0.1.0"
command = "gramwise bench three-sites.toml"
caps = "{caps}"
cfs_period_s = 0.01
seed = 7
python = "3.11.7"
host = "Linux x86_64, 4 CPUs, an example CPU"
finished = {str(finished).lower()}
"""


def write_csv(file: Path, rows: list[dict[str, Any]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: int(v) if isinstance(v, bool) else v for k, v in row.items()} for row in rows)


def write_run(
    folder: Path,
    *,
    summary: dict[str, Any] | str | None = "usual",
    finished: bool = True,
    scenario_toml: str = 'name = "three-sites"\nrequests = 20\n',
) -> Path:
    """Write a run directory; ``summary=None`` leaves the summary out, as stopped runs do."""
    folder.mkdir()
    shown = summary_document() if isinstance(summary, str) else summary
    facts = shown or summary_document()
    text = run_toml(facts["scenario"], facts["caps"], finished)
    (folder / "run.toml").write_text(text, encoding="utf-8")
    (folder / "scenario.toml").write_text(scenario_toml, encoding="utf-8")
    write_csv(folder / "outcomes.csv", outcome_rows())
    write_csv(folder / "nodes.csv", window_rows())
    if shown is not None:
        (folder / "summary.json").write_text(json.dumps(shown), encoding="utf-8")
    return folder
