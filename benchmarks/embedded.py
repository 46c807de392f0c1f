"""The embedded path over raw onnxruntime: MobileNetV2 1.0 at 224, one thread, alternating calls in one process.

Each pair is one raw `session.run` and one `fleet.infer` on the same tensor, in an order that alternates; the figure is
the median of the pairs' ratios, so that a noisy second touches both sides. The node has a full core, so nothing sleeps.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # as gramwise sets it: both sides run the same library
import onnxruntime as ort

import gramwise
from gramwise.graph import zoo
from record import finish, row

PAIRS = 300
SCENARIO = """
schema = 1
name = "embedded"
baseline_node = "here"
[models.mobilenetv2]
reference = "fp32"
[models.mobilenetv2.variants.fp32]
file = "zoo:mobilenetv2-1.0-224"
[nodes.here]
device = "n100"
zone = "DE"
cpu_share = 1.0
memory = "1 GiB"
[nodes.there]
device = "pi5"
zone = "FR"
cpu_share = 1.0
memory = "1 GiB"
[executor]
kind = "in-process"
[workload]
inputs = "random"
count = 1
"""


def main() -> None:
    """Measure and print."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    raw = ort.InferenceSession(
        str(zoo.path("mobilenetv2-1.0-224")), options, providers=["CPUExecutionProvider"]
    )
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder) / "embedded.toml"
        scenario.write_text(SCENARIO, encoding="utf-8")
        with gramwise.open(scenario) as fleet:
            ratios, raw_s, ours_s = pairs(raw, fleet, image)
    ratio = statistics.median(ratios)
    quartiles = statistics.quantiles(ratios, n=4)
    finish(
        "embedded",
        [row("embedded path over raw onnxruntime, MobileNetV2 1.0", "<= 1.05", ratio, ratio <= 1.05)],
        quartiles=quartiles,
        raw_min_s=min(raw_s),
        ours_min_s=min(ours_s),
        ratio_of_minima=min(ours_s) / min(raw_s),
        pairs=PAIRS,
    )


def pairs(
    raw: ort.InferenceSession, fleet: gramwise.EmbeddedFleet, image: np.ndarray
) -> tuple[list[float], ...]:
    """Ratios and both times."""
    given = {"input": image}
    np.testing.assert_allclose(
        raw.run(None, given)[0], fleet.infer("mobilenetv2", given).outputs["logits"], rtol=1e-5
    )
    ratios, raw_s, ours_s = [], [], []
    for i in range(PAIRS):
        took = {}
        for side in ("raw", "ours") if i % 2 else ("ours", "raw"):
            start = time.perf_counter()
            raw.run(None, given) if side == "raw" else fleet.infer("mobilenetv2", given)
            took[side] = time.perf_counter() - start
        ratios.append(took["ours"] / took["raw"])
        raw_s.append(took["raw"])
        ours_s.append(took["ours"])
    return ratios, raw_s, ours_s


if __name__ == "__main__":
    main()
