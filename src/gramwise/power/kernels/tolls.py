"""What timing adds: the profiler's own seconds are found and taken off the kernels that it timed.

Racks of kernels run with and without the profiler; the difference, over many racks, tells what it adds to each
kernel and to each of a kernel's tensors, whose shapes it notes. docs/method/kernels.md
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from .fit import non_negative
from .kernel import Kernel

_DISTURBED = 0.05
"""A rack whose two runs differ by more than this share, tolls taken off, was disturbed between them."""

_MOST_SCALING = 1.25
"""By which the kernels of a rack are made to sum to its whole run, at most: beyond it, something went wrong."""

_LEAST_S = 3e-7
"""No kernel is taken for shorter: the profiler counts whole microseconds and cannot tell such times apart."""


class Sample(msgspec.Struct, frozen=True):
    """A kernel that was measured: thread seconds of one call, their relative standard error."""

    kernel: Kernel
    seconds: float
    spread_frac: float


class Rack(msgspec.Struct, frozen=True):
    """Kernels that were timed side by side in one model, and the whole model beside them.

    Attributes:
        kernels: their seconds as the runtime's profiler gave them.
        first: position of the one that ran first: the profiler's own beginning falls on it.
        cpu_s: CPU seconds of a whole run without the profiler.
        inputs: tensors that were passed in; as many values came out.
    """

    kernels: tuple[Sample, ...]
    first: int
    cpu_s: float
    inputs: int


class Toll(msgspec.Struct, frozen=True):
    """What the profiler adds to what it times, and what a run costs beside its kernels.

    Attributes:
        kernel_s: added to each kernel.
        tensor_s: added for each tensor that a kernel reads or writes: the profiler notes its shape.
        first_s: added to the kernel that runs first.
        run_s: cost of a run.
        input_s: cost of each tensor passed in, and of the one value that came out for it.
    """

    kernel_s: float
    tensor_s: float
    first_s: float
    run_s: float
    input_s: float

    def net_s(self, sample: Sample) -> float:
        """Seconds of a kernel without the profiler, first or not."""
        return max(sample.seconds - self.kernel_s - self.tensor_s * sample.kernel.tensors, _LEAST_S)


def toll_of(racks: Sequence[Rack], run_s: float, input_s: float) -> Toll:
    """Fit what the profiler adds to racks that ran with and without it.

        whole = sum of the kernels - kernel_s n - tensor_s tensors - first_s + run_s + input_s inputs

    Args:
        racks: at least one; least squares of the relative error, nothing below 0, a rack that was disturbed between
            the two counting less.
        run_s, input_s: cost of a run and of each of its inputs, as timed by themselves.
    """
    rows = np.array(
        [[len(r.kernels), sum(s.kernel.tensors for s in r.kernels), 1.0] for r in racks], dtype=np.float64
    )
    total = np.array([r.cpu_s for r in racks])
    added = (
        np.array([math.fsum(s.seconds for s in r.kernels) + run_s + input_s * r.inputs for r in racks])
        - total
    )
    weight = 1.0 / total
    for _ in range(10):
        found = non_negative(rows * weight[:, None], added * weight)
        off = (added - rows @ found) / total
        weight = 1.0 / total / (1.0 + (off / _DISTURBED) ** 2)
    kernel_s, tensor_s, first_s = (float(value) for value in found)
    return Toll(kernel_s, tensor_s, first_s, run_s, input_s)


def net_samples(racks: Sequence[Rack], toll: Toll) -> list[Sample | None]:
    """Kernels without the tolls, those of a rack scaled so that they sum to its whole run.

    Returns:
        One for each kernel of each rack in order; None for those that ran first, whose share is not known well.
    """
    found: list[Sample | None] = []
    for rack in racks:
        net = [toll.net_s(sample) for sample in rack.kernels]
        net[rack.first] = max(net[rack.first] - toll.first_s, _LEAST_S)
        whole_s = rack.cpu_s - toll.run_s - toll.input_s * rack.inputs
        factor = min(max(whole_s / math.fsum(net), 1 / _MOST_SCALING), _MOST_SCALING)
        found += [
            None if i == rack.first else msgspec.structs.replace(sample, seconds=seconds * factor)
            for i, (sample, seconds) in enumerate(zip(rack.kernels, net, strict=True))
        ]
    return found
