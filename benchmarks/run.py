"""Runs every benchmark, one after the other, each in its own process; exits with 1 when a goal was missed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = (
    "flop",
    "import_time",
    "decision",
    "embedded",
    "cap_share",
    "paper_nodes",
    "three_sites",
    "install_size",
    "partition_gap",
    "partition_table",
    "profiled_split",
    "three_stages",
    "pieces",
    "forecast",
    "decision_ahead",
    "slot_program",
    "simulate",
    "year_sweep",
    "footprint_draws",
    "oracle_gap --quick --weeks 6",  # all of it takes more than an hour
    "offload_table --quick --cases A-6x4,C-8",  # all of it takes hours
    "diffusion_samplers --case C-8 --seeds 2 --rounds 20 --kinds diffusion,marginals",
    "diffusion_critics --quick",  # says so where JAX is absent
    "gateway_proxy",  # these need the extra serve, nginx and wrk
    "gateway_serve",
    "node_overhead",
    "ledger_rate",
    "fleet_saving --seconds 30 --blocks 4",
    "fleet_kill",
    "fleet_open_loop --seconds 120",  # the row is over ten minutes
)


def main() -> int:
    """Run them; the JSON documents lie under .cache/benchmarks."""
    missed = []
    for name in NAMES:
        print(f"== {name}", file=sys.stderr)
        done = subprocess.run(
            [sys.executable, str(HERE / f"{name.split()[0]}.py"), *name.split()[1:]],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            missed.append(name)
            continue
        missed += [f"{name}: {r['what']}" for r in json.loads(done.stdout)["rows"] if r["met"] is False]
    print("every goal was met" if not missed else "missed: " + "; ".join(missed), file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
