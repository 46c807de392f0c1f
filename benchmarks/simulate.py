"""A hundred thousand requests on ten nodes in virtual time: the seconds a policy takes, and that equal seeds give equal
bytes whatever the interpreter's hash seed.

The seconds are of this machine; what they are made of (one decision, one snapshot) is reported beside them.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from gramwise.runtime.assembly import read_scenario
from gramwise.sim.simulate import simulate
from record import finish, row

POLICIES = ("fastest", "grams", "fractions", "predictive")
REQUESTS = 100_000
ZONES = ("DE", "FR", "ES", "GB", "PL", "CH", "FI", "BE", "NL", "SE")
LIMIT_S = 30.0


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ten-nodes.toml"
        file.write_text(scenario(REQUESTS), encoding="utf-8")
        document = simulate(read_scenario(file), policies=POLICIES)
        small = Path(folder) / "small.toml"
        small.write_text(scenario(5_000), encoding="utf-8")
        digests = [digest(small, seed) for seed in ("0", "1")]
    rows = [
        row(
            f"{document['requests']} requests, 10 nodes, {each['name']} (s)",
            f"<= {LIMIT_S:g}",
            each["wall_s"],
            each["wall_s"] <= LIMIT_S,
        )
        for each in document["timing"]
    ]
    rows += [
        row(f"  {each['name']}, one decision p50 (us)", "reported", each["decision_s"]["p50"] * 1e6, None)
        for each in document["timing"]
    ]
    answered = all(each["completed"] == document["requests"] for each in document["policies"])
    rows.append(row("every request answered", "all", answered, answered))
    rows.append(row("same seed, same bytes", "equal", digests[0][:12], digests[0] == digests[1]))
    finish("simulate", rows, details=document["timing"])


def digest(file: Path, hash_seed: str) -> str:
    """SHA-256 of the document that another process makes."""
    code = (
        "import json, sys; from gramwise.runtime.assembly import read_scenario;"
        "from gramwise.sim.simulate import simulate;"
        f"print(json.dumps(simulate(read_scenario(sys.argv[1]), policies={POLICIES!r}, timing=False)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )
    return hashlib.sha256(done.stdout).hexdigest()


def scenario(requests: int) -> str:
    """Ten nodes of three kinds, a day, two classes, 40 % of one can wait; costs are made up for the load they make."""
    kinds = {"n100": (2.0, 30.0), "pi5": (4.0, 36.0), "pi4": (6.0, 26.0)}
    nodes = "".join(
        f'\n[nodes.n{i}]\ndevice = "{list(kinds)[i % 3]}"\nzone = "{zone}"\ncpu_share = 1.0\nmemory = "1 GiB"\n'
        for i, zone in enumerate(ZONES)
    )
    costs = "".join(
        f'\n[[costs]]\nmodel = "digits"\nvariant = "fp32"\ndevice = "{device}"\nlatency_s = {latency_s}\n'
        f'energy_j = {energy_j}\nsource = "made up for this benchmark"\n'
        for device, (latency_s, energy_j) in kinds.items()
    )
    per_s = requests / 86_400.0
    return f"""schema = 1
name = "ten-nodes"
baseline_node = "n0"
[models.digits]
reference = "fp32"
[models.digits.variants.fp32]
file = "package:digits-fp32.onnx"
{nodes}{costs}
[[traffic]]
name = "live"
model = "digits"
rate_per_s = {per_s / 2}
deadline_s = 60.0
swing_frac = 0.25
[[traffic]]
name = "archive"
model = "digits"
rate_per_s = {per_s / 2}
deadline_s = 600.0
deferrable_frac = 0.4
deferrable_s = 21600.0
[simulation]
hours = 24.0
"""


if __name__ == "__main__":
    sys.exit(main())
