"""Thread CPU seconds of networks that the calibration never saw, predicted and measured on this machine.

Calibrates (`gramwise.runtime.calibrate`: drawn kernels, no network), then predicts and measures the twelve networks of
kernel_models.HELD_OUT in fp32 and int8. Predictions are made before anything of a network is run. Run it alone:
neighbours on the machine slow kernels in unlike ways; its load is printed.

    python benchmarks/kernel_prediction.py [--seconds 300] [--kernels FILE] [--set held-out|development] [--seed 0]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from gramwise.power.kernels.kernelsfile import KernelsFile, read_kernels_file
from gramwise.runtime.calibrate import calibrate_kernels, predict_models
from gramwise.runtime.kernelbench import Feeds, Reference, quantise, whole_s
from gramwise.runtime.kernelgraphs import Sketch
from gramwise.runtime.session import Session
from kernel_models import DEVELOPMENT, HELD_OUT, Build
from record import finish, row

SETS = {"held-out": HELD_OUT, "development": DEVELOPMENT}
ROUNDS = 3
"""Each network is measured so often, the others in between: the median counts."""


class Network(NamedTuple):
    """A file to predict and to measure."""

    name: str
    precision: str
    file: Path
    feeds: Feeds


def main() -> None:
    """Calibrate, predict, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300.0, help="to calibrate in")
    parser.add_argument("--seed", type=int, default=0, help="of the calibration's draws")
    parser.add_argument("--kernels", type=Path, help="use this file instead of calibrating")
    parser.add_argument("--set", choices=sorted(SETS), default="held-out", dest="which")
    given = parser.parse_args()
    start_s, load = time.monotonic(), [os.getloadavg()]
    with tempfile.TemporaryDirectory(prefix="gramwise-kernels-") as folder:
        path, calibration = given.kernels, None
        if path is None:
            path = Path(folder) / "kernels.json"
            calibration = calibrate_kernels(path, seconds=given.seconds, seed=given.seed)
            print(f"calibrated in {time.monotonic() - start_s:.0f} s", file=sys.stderr, flush=True)
        kernels = read_kernels_file(path)
        networks = list(built(SETS[given.which], Path(folder)))
        load.append(os.getloadavg())
        found = compared(networks, kernels)
    load.append(os.getloadavg())
    report(found, given.which, calibration, load, time.monotonic() - start_s)


def built(models: dict[str, Build], folder: Path) -> Iterator[Network]:
    """Every model in both precisions, as files."""
    for name, build in models.items():
        sketch = Sketch(0, name)
        sketch.output(build(sketch))
        file, small = folder / f"{name}.onnx", folder / f"{name}-int8.onnx"
        onnx.save_model(sketch.model(), file)
        quantise(file, small, sketch.feeds)
        yield Network(name, "fp32", file, sketch.feeds)
        yield Network(name, "int8", small, sketch.feeds)


def compared(networks: list[Network], kernels: KernelsFile) -> list[dict[str, Any]]:
    """Predictions first; then what the networks take."""
    predicted = predict_models([network.file for network in networks], kernels)
    reference = Reference(kernels.reference_s)
    measured: list[list[float]] = [[] for _ in networks]
    for _ in range(ROUNDS):
        for network, values in zip(networks, measured, strict=True):
            session = Session(str(network.file))
            values.append(whole_s(session, network.feeds, reference, runs=12, least_s=0.2))
    return [
        {
            "model": network.name,
            "precision": network.precision,
            "measured_s": statistics.median(values),
            "rounds_s": values,
            "predicted_s": guess["cpu_s"],
            "error_frac": guess["cpu_s"] / statistics.median(values) - 1.0,
            "kernels": guess["kernels"],
            "unknown": guess["unknown"],
            "unknown_frac": guess["unknown_frac"],
        }
        for network, guess, values in zip(networks, predicted, measured, strict=True)
    ]


def report(
    found: list[dict[str, Any]],
    which: str,
    calibration: dict[str, Any] | None,
    load: list[Any],
    wall_s: float,
) -> None:
    """The table of the goal, and one line for each network."""
    off = np.array([abs(each["error_frac"]) for each in found])
    rows = [
        row(
            f"{which}: {len(found)} predictions, MAPE", "<= 10 %", float(off.mean()), bool(off.mean() <= 0.10)
        ),
        row(
            f"{which}: share within 20 %",
            ">= 0.90",
            float((off <= 0.2).mean()),
            bool((off <= 0.2).mean() >= 0.9),
        ),
        row(f"{which}: median error, worst error", "", [float(np.median(off)), float(off.max())], None),
    ]
    for precision in ("fp32", "int8"):
        some = [abs(each["error_frac"]) for each in found if each["precision"] == precision]
        rows.append(row(f"{which}, {precision}: MAPE", "", float(np.mean(some)), None))
    spread = [max(each["rounds_s"]) / min(each["rounds_s"]) - 1.0 for each in found]
    rows.append(row("measured: greatest over least of three rounds, median and worst network", "",
                    [statistics.median(spread), max(spread)], None))  # fmt: skip
    if calibration:
        rows.append(row("single kernels, seen and unseen, median error by time", "",
                        [calibration["seen_frac"], calibration["unseen_frac"]], None))  # fmt: skip
    for each in found:
        values = [1e3 * each["predicted_s"], 1e3 * each["measured_s"], each["error_frac"]]
        rows.append(
            row(f"{each['model']} {each['precision']}: predicted ms, measured ms, error", "", values, None)
        )
    rows.append(row("wall seconds of all this", "<= 540", wall_s, wall_s <= 540))
    finish("kernel_prediction", rows, load=load, networks=found, calibration=calibration)


if __name__ == "__main__":
    main()
