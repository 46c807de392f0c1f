"""`import gramwise`: seconds in fresh interpreters, a bare interpreter's start taken off, and what it drags in."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from record import finish, row

REPEATS = 15


def main() -> None:
    """Measure and print."""
    bare, ours = [], []
    for _ in range(REPEATS):
        bare.append(seconds("pass"))
        ours.append(seconds("import gramwise"))
    took = statistics.median(ours) - statistics.median(bare)
    loaded = subprocess.run(
        [sys.executable, "-c", "import gramwise, sys; print('onnxruntime' in sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    finish(
        "import_time",
        [
            row("import gramwise (s)", "<= 0.15", took, took <= 0.15),
            row("onnxruntime loaded by it", "no", loaded, loaded == "False"),
        ],
        interpreter_s=statistics.median(bare),
        repeats=REPEATS,
    )


def seconds(code: str) -> float:
    """Wall time of one interpreter."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
