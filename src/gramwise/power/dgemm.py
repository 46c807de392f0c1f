"""A program of its own: times dense double-precision matrix products and prints their rates, one a line.

`gramwise.power.model.host_rate_flop_per_s` runs it as a child process, because the number of BLAS threads can
only be set before NumPy is loaded. It imports nothing of gramwise, so it needs no path but NumPy's.
"""

from __future__ import annotations

import sys
import time

import numpy as np

SIDE = 512
"""Three matrices of this side take 6 MiB: bound by arithmetic, and done in milliseconds."""

FEWEST_REPEATS = 5


def rates_flop_per_s(seconds: float) -> list[float]:
    """FLOP per CPU-second of this process in each of at least five products, after one that is not counted.

    Args:
        seconds: CPU seconds to spend.

    Returns:
        ``2 n^3 / t_cpu`` of each repeat, FLOP/s (the convention of BLAS and LINPACK for an n x n product).
    """
    left, right = np.random.default_rng(0).random((2, SIDE, SIDE))
    product = np.empty_like(left)
    np.matmul(left, right, out=product)
    rates: list[float] = []
    start_s = begin_s = time.process_time()
    while len(rates) < FEWEST_REPEATS or begin_s - start_s < seconds:
        np.matmul(left, right, out=product)
        end_s = time.process_time()
        rates.append(2.0 * SIDE**3 / (end_s - begin_s))
        begin_s = end_s
    return rates


if __name__ == "__main__":
    print("\n".join(str(rate) for rate in rates_flop_per_s(float(sys.argv[1]))))
