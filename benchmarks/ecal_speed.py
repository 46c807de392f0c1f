"""eCAL: the authors' PyPI package beside ours, on the same 80 configurations in the same run, and a million at once.

The package needs torch and its own interpreter: ``python3.11 -m venv theirs; theirs/bin/pip install ecal-energy==0.1.0
torch torchvision calflops transformers``, then ``python benchmarks/ecal_speed.py --python theirs/bin/python``. Imports
are left out on both sides. The two sides take turns, round after round, and ratios are of one round; the answers are
compared first, bit for bit.

Two sets of 80: ``designs`` are 80 shapes of one network, as somebody choosing one would compare; ``mixed`` are four
kinds of model x five numbers of inferences x four numbers of samples, where nothing is shared. Ours takes each set in
one call with arrays; as a list of documents and one by one are reported too. The package has no other way than one by
one. Ours is repeated within a round, so that both sides run about as long and neither pays for waking up. No answer is
remembered between calls, only the constants of the tables.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gramwise.footprint.ecal import compat
from record import finish, row

ROUNDS = 25
REPEATS = 30
MILLION = 1_000_000
KINDS = ("MLP", "CNN", "KAN", "Transformer")
INFERENCES = (1, 100, 1000, 10_000, 100_000)
SAMPLES = (256, 512, 1000, 2000)
WIDTHS, GRIDS = range(4, 12), range(3, 13)

Documents = list[dict[str, Any]]

SETS: dict[str, Documents] = {
    "designs": [
        {"model_type": "KAN", "model_params": {"din": d, "grid_size": g}} for d in WIDTHS for g in GRIDS
    ],
    "mixed": [
        {"model_type": k, "num_inferences": n, "num_samples": s}
        for k in KINDS
        for n in INFERENCES
        for s in SAMPLES
    ],
}


def columns(documents: Documents) -> dict[str, Any]:
    """The same documents as one, with arrays; what all share stays single."""

    def column(values: list[Any]) -> Any:
        if isinstance(values[0], dict):
            return {key: column([v[key] for v in values]) for key in values[0]}
        return (
            values[0] if len(set(values)) == 1 else values if isinstance(values[0], str) else np.array(values)
        )

    return {key: column([d[key] for d in documents]) for key in documents[0]}


NAMES = {
    "transmission": "transmission_J",
    "preprocessing": "preprocessing_J",
    "training": "training_J",
    "evaluation": "evaluation_J",
    "inference": "inference_J",
    "inference_process": "inference_process_J",
    "total": "total_J",
    "ecal_j_per_bit": "ecal_J_per_bit",
    "Ed bits": "dev_bits",
    "inf_proc_bits": "inference_bits",
    "total_bits": "total_bits",
}
"""The package's output names, and ours."""

PEER = """
import json, sys, time
import ecal
sets = json.loads(sys.stdin.readline())
print(json.dumps({name: [ecal.estimate(**d) for d in each] for name, each in sets.items()}), flush=True)
for line in sys.stdin:
    documents = sets[line.strip()]
    start = time.perf_counter()
    for d in documents:
        ecal.estimate(**d)
    print(time.perf_counter() - start, flush=True)
"""

HOW = (
    "the authors' package needs an interpreter of its own: python3.11 -m venv theirs; theirs/bin/pip install "
    "ecal-energy==0.1.0 torch torchvision calflops transformers; then pass --python theirs/bin/python"
)


class Peer:
    """The package in a process of its own, asked for one round at a time."""

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [str(python), "-c", PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.answers: dict[str, list[dict[str, float]]] = json.loads(self._ask(json.dumps(SETS)))

    def seconds(self, name: str) -> float:
        """One round over the configurations of a set."""
        return float(self._ask(name))

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            sys.exit(f"the authors' package did not answer; {HOW}")
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def timed(work: Callable[[], object], repeats: int = 1) -> float:
    """Seconds of one call, the mean of some."""
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats


def differences(theirs: dict[str, list[dict[str, float]]]) -> int:
    """Answers, of all sets, configurations and names, that are not the same bits."""
    found = 0
    for name, documents in SETS.items():
        ours, listed = compat.estimate("pypi", columns(documents)), compat.estimate_many("pypi", documents)
        for index, (document, answer) in enumerate(zip(documents, theirs[name], strict=True)):
            single = compat.run("pypi", document)
            found += sum(
                not value == ours[NAMES[key]][index] == listed[NAMES[key]][index] == single[NAMES[key]]
                for key, value in answer.items()
            )
    return found


def rounds(peer: Peer, name: str) -> list[dict[str, float]]:
    """Seconds of each side, turn by turn: theirs, and ours with arrays, as a list and one by one."""
    documents, together = SETS[name], columns(SETS[name])
    compat.estimate("pypi", together)
    return [
        {
            "theirs_s": peer.seconds(name),
            "together_s": timed(lambda: compat.estimate("pypi", together), REPEATS),
            "listed_s": timed(lambda: compat.estimate_many("pypi", documents), REPEATS // 6),
            "one_by_one_s": timed(lambda: [compat.run("pypi", d) for d in documents]),
        }
        for _ in range(ROUNDS)
    ]


def times(each: list[dict[str, float]], ours: str) -> list[float]:
    """Median, smallest and largest ratio of theirs over ours."""
    ratios = [r["theirs_s"] / r[ours] for r in each]
    return [statistics.median(ratios), min(ratios), max(ratios)]


def million() -> dict[str, Any]:
    """A million configurations that differ in nine numbers."""
    chance = np.random.default_rng(0)

    def whole(low: int, high: int) -> np.ndarray:
        return chance.integers(low, high, MILLION)

    return {
        "model_type": "KAN",
        "num_inferences": whole(0, 10**6),
        "num_samples": whole(1, 10**5),
        "sample_size": whole(1, 100),
        "float_precision": chance.choice([8, 16, 32, 64], MILLION),
        "virtualization_overhead": chance.random(MILLION),
        "model_params": {
            "din": whole(1, 100),
            "num_layers": whole(1, 9),
            "grid_size": whole(1, 30),
        },
        "transmission_hops": [{"failure_rate": 0.9 * chance.random(MILLION)}],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, help="interpreter that has the authors' package")
    python = parser.parse_args().python
    if python is None or not python.is_file():
        sys.exit(HOW)
    peer = Peer(python)
    differing = differences(peer.answers)
    measured = {name: rounds(peer, name) for name in SETS}
    peer.close()
    lines = [row("answers that differ from the package's, of 1,760", "0", differing, differing == 0)]
    for name, each in measured.items():
        together = times(each, "together_s")
        lines += [
            row(f"times as fast, 80 {name} in one call", ">= 100", together[0], together[0] >= 100),
            row("  smallest and largest of the rounds", "reported", together[1:], None),
            row(f"times as fast, 80 {name} as a list", "reported", times(each, "listed_s")[0], None),
            row(f"times as fast, 80 {name} one by one", "reported", times(each, "one_by_one_s")[0], None),
        ]
    alone_s = statistics.median(r["theirs_s"] for r in measured["designs"]) / len(SETS["designs"])
    for count in (1000, 10_000):
        lines.append(
            row(
                f"times as fast, {count} designs in one call", "reported", count * alone_s / many(count), None
            )
        )
    everything = million()
    seconds = statistics.median(timed(lambda: compat.estimate("pypi", everything)) for _ in range(3))
    lines += [
        row("a million configurations (s)", "<= 2", seconds, seconds <= 2),
        row("times as fast, one among a million", "reported", MILLION * alone_s / seconds, None),
    ]
    finish("ecal_speed", lines, rounds=measured)


def many(count: int) -> float:
    """Median seconds of so many designs in one call."""
    widths = np.random.default_rng(0).integers(4, 100, count)
    document = {"model_type": "KAN", "model_params": {"din": widths}}
    return statistics.median(timed(lambda: compat.estimate("pypi", document)) for _ in range(ROUNDS))


if __name__ == "__main__":
    main()
