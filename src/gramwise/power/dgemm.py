"""A program of its own: times dense matrix products or copies in memory and prints their rates, one a line.

`gramwise.power.model.rate_of_host` runs it as a child process, because the number of BLAS threads can only be set
before NumPy is loaded. It imports nothing of gramwise, so it needs no path but NumPy's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

SIDE = 512
"""Three matrices of this side take 6 MiB: bound by arithmetic, and done in milliseconds."""

COPY_BYTES = 64 * 2**20
"""Source and target together are larger than most caches, and small enough for a board of 512 MiB."""

FEWEST_REPEATS = 5


def product(dtype: type[np.floating]) -> tuple[Callable[[], object], float]:
    """One product of square matrices, and its ``2 n^3`` FLOP (the convention of BLAS and LINPACK)."""
    left, right = np.random.default_rng(0).random((2, SIDE, SIDE)).astype(dtype)
    return partial(np.matmul, left, right, out=np.empty_like(left)), 2.0 * SIDE**3


def copy() -> tuple[Callable[[], object], float]:
    """One copy, and the bytes that it reads and writes (the convention of STREAM)."""
    source = np.ones(COPY_BYTES // 8)
    return partial(np.copyto, np.empty_like(source), source), 2.0 * COPY_BYTES


KINDS: dict[str, Callable[[], tuple[Callable[[], object], float]]] = {
    "double": partial(product, np.float64),
    "single": partial(product, np.float32),
    "copy": copy,
}


def rates_per_s(kind: str, seconds: float) -> list[float]:
    """Amount per CPU-second of this process in each of at least five repeats, after one that is not counted.

    Args:
        kind: key of `KINDS`.
        seconds: CPU seconds to spend.

    Returns:
        FLOP/s of products, byte/s of copies.
    """
    work, amount = KINDS[kind]()
    work()
    rates: list[float] = []
    start_s = begin_s = time.process_time()
    while len(rates) < FEWEST_REPEATS or begin_s - start_s < seconds:
        work()
        end_s = time.process_time()
        rates.append(amount / (end_s - begin_s))
        begin_s = end_s
    return rates


if __name__ == "__main__":
    print("\n".join(str(rate) for rate in rates_per_s(sys.argv[1], float(sys.argv[2]))))
