"""Timing kernels with onnxruntime where they run: one thread, beside others, and each beside a reference.

A rack of cells (`gramwise.runtime.kernelcells`) is run with the runtime's own profiler, which tells what each kernel
took; a fixed reference network runs before every one of these runs. Seconds are given at the pace at which the
reference takes its nominal time, so that a processor that slows down, or a neighbour that shares it, cancels out as
far as it slows both alike. docs/method/kernels.md
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.graph.library import onnx_library
from gramwise.power.kernels.tolls import Rack, Sample
from gramwise.runtime.fused import optimise, origins_of, read_kernels
from gramwise.runtime.kernelcells import Cell, emit
from gramwise.runtime.kernelgraphs import Sketch
from gramwise.runtime.session import Session, load_session

if TYPE_CHECKING:
    import numpy.typing as npt

Feeds = Mapping[str, "npt.NDArray[Any]"]

WARM_UPS = 3

_CALM = 1.15
"""A run counts when the reference was at most so much slower than in the calmer quarter of them."""

_LUCKY = 1.5
"""Faster by more than this is no calm but a clock that stood still."""

_MANY = 17
"""Inputs of an empty run, beside one with a single input."""

_KERNEL = "_kernel_time"
"""What the profiler puts behind a node's name."""

_LEAST_S = 2e-7
"""Below the profiler's microsecond a kernel took less than half of one; half of that is as good as any figure."""


class Reference:
    """A fixed small network, whose time tells the pace of the processor.

    Convolutions and products that fit the caches: what they take moves with the clock and with whoever shares the core.

    Attributes:
        nominal_s: CPU seconds that it took when it was made: the pace at which all seconds are given. Passed by a
            caller who goes on from an earlier calibration.
    """

    def __init__(self, nominal_s: float | None = None) -> None:
        sketch = Sketch(1, "reference")
        x = sketch.input(1, 32, 28, 28)
        for _ in range(2):
            x = sketch.act(sketch.conv(x, 64, 3), "relu")
        x = sketch.act(sketch.conv(x, 128, 1), "relu")
        sketch.output(sketch.gemm(sketch.flatten(sketch.pool(x, "MaxPool", 3, 2)), 32))
        self._session, self._feeds = session_of(sketch), sketch.feeds
        for _ in range(20):
            self.run()
        self.nominal_s = nominal_s or float(np.median([self.run() for _ in range(100)]))

    def run(self) -> float:
        """CPU seconds of one run, above 0."""
        while True:
            seconds = self._session.run(self._feeds)[1]
            if seconds > 0:  # the thread clock of a virtual machine may stand still for a moment
                return seconds

    def slowness(self, times: int = 2) -> float:
        """How much longer than nominal it takes: the least of ``times`` runs, since others disturb."""
        return min(self.run() for _ in range(times)) / self.nominal_s


def session_of(sketch: Sketch) -> Session:
    """A sketch, loaded as nodes load their models."""
    with tempfile.TemporaryDirectory(prefix="gramwise-kernels-") as folder:
        file = Path(folder) / "model.onnx"
        onnx_library().save_model(sketch.model(), str(file))
        return Session(str(file))


def quantise(source: Path, target: Path, feeds: Feeds) -> None:
    """A model in QDQ form by onnxruntime's static quantisation: unsigned activations, signed weights a channel.

    Args:
        source: ONNX file in fp32.
        target: file to write.
        feeds: the inputs that ranges are taken from.

    Raises:
        SourceUnavailable: onnx is not installed.
    """
    onnx_library()
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter([dict(feeds)])

        def get_next(self) -> dict[str, Any] | None:
            return next(self._left, None)

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it would like the model to be optimised first
    try:
        with contextlib.redirect_stdout(sys.stderr):
            quantize_static(
                str(source),
                str(target),
                Reader(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                weight_type=QuantType.QInt8,
                activation_type=QuantType.QUInt8,
            )
    finally:
        logging.disable(before)


def time_rack(
    cells: Sequence[Cell], precision: str, reference: Reference, *, seed: int, runs: int = 16
) -> tuple[Rack, list[int]]:
    """Measure every kernel of a few cells side by side, and the whole rack.

    Args:
        cells: at least one.
        precision: ``"fp32"`` or ``"int8"``.
        reference: of this calibration.
        seed: of weights and inputs.
        runs: that count, after three that do not.

    Returns:
        The rack, and for each of its kernels the position of the cell that it comes from, -1 where it is not known.

    Raises:
        SourceUnavailable: onnx is not installed.
    """
    sketch = Sketch(seed, "rack")
    owners: list[int] = []
    for i, cell in enumerate(cells):
        emit(cell, sketch)
        owners += [i] * (len(sketch.feeds) - len(owners))
    with tempfile.TemporaryDirectory(prefix="gramwise-kernels-") as folder:
        file = Path(folder) / "rack.onnx"
        onnx_library().save_model(sketch.model(), str(file))
        if precision == "int8":
            quantised = Path(folder) / "rack-int8.onnx"
            quantise(file, quantised, sketch.feeds)
            file = quantised
        optimised = Path(folder) / "optimised.onnx"
        model = optimise(file, optimised)
        kernels, origins = read_kernels(model, file), origins_of(model)
        plain = Session(str(file))
        taken, wholes = _side_by_side(plain, optimised, sketch.feeds, reference, runs, Path(folder))
    timed: list[Sample] = []
    cells_of: list[int] = []
    first = 0
    began = next(iter(taken), "")
    for i, kernel in enumerate(kernels):
        values = taken.get(f"k{i}", [])
        if f"k{i}" == began:
            first = len(timed)
        if values:  # else it was taken out when the file was loaded again, and costs nothing
            timed.append(Sample(kernel, *_typical(values)))
            cells_of.append(owners[origins[i]] if origins[i] >= 0 else -1)
    return Rack(tuple(timed), first, _typical(wholes)[0], len(sketch.feeds)), cells_of


def whole_s(
    session: Session, feeds: Feeds, reference: Reference, *, runs: int = 15, least_s: float = 0.5
) -> float:
    """CPU seconds of a whole run at the pace of the reference: the typical one of at least ``runs`` and ``least_s``."""
    for _ in range(WARM_UPS):
        session.run(feeds)
    values: list[float] = []
    paces: list[float] = []
    before = reference.slowness()
    while len(values) < runs or sum(values) < least_s:
        values.append(session.run(feeds)[1])
        after = reference.slowness()
        paces.append(math.sqrt(before * after))
        before = after
    return _typical([values[i] / paces[i] for i in _calm(paces)])[0]


def _typical(values: Sequence[float]) -> tuple[float, float]:
    """Mean of the calmer half, and its relative standard error: a run is only ever disturbed."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    calm = ordered[: max(1, (len(ordered) + 1) // 2)]
    mean = max(float(calm.mean()), _LEAST_S)
    return mean, float(calm.std() / math.sqrt(len(calm)) / mean)


def time_empty(reference: Reference) -> tuple[float, float]:
    """CPU seconds of a run that does nothing, and of each tensor passed in with a value that comes out for it."""
    seconds = []
    for inputs in (1, _MANY):
        sketch = Sketch(0, "empty")
        for _ in range(inputs):
            sketch.output(sketch.same("Neg", sketch.input(1, 1)))
        seconds.append(whole_s(session_of(sketch), sketch.feeds, reference, runs=200, least_s=0.0))
    input_s = max(0.0, (seconds[1] - seconds[0]) / (_MANY - 1))
    return max(0.0, seconds[0] - input_s), input_s


def _side_by_side(
    plain: Session, optimised: Path, feeds: Feeds, reference: Reference, runs: int, folder: Path
) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds of every node, and of whole runs without the profiler, in turns, at the pace of the reference."""
    # Optimised already: once more could fuse what its nodes are named for.
    profiled = load_session(str(optimised), "disabled", {}, profile=str(folder / "profile"))
    for _ in range(WARM_UPS):
        profiled.run(None, dict(feeds))
        plain.run(feeds)
    paces: list[tuple[float, float]] = []
    wholes = []
    before = reference.slowness()
    for _ in range(runs):
        profiled.run(None, dict(feeds))
        between = reference.slowness()
        wholes.append(plain.run(feeds)[1])
        after = reference.slowness()
        paces.append((math.sqrt(before * between), math.sqrt(between * after)))
        before = after
    events = json.loads(Path(profiled.end_profiling()).read_text(encoding="utf-8"))
    seen: dict[str, list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(_KERNEL):
            seen.setdefault(event["name"][: -len(_KERNEL)], []).append(event["dur"] * 1e-6)
    calm = _calm([pace for pace, _ in paces]), _calm([pace for _, pace in paces])
    return {
        name: [values[WARM_UPS + i] / paces[i][0] for i in calm[0]]
        for name, values in seen.items()
        if len(values) == runs + WARM_UPS
    }, [wholes[i] / paces[i][1] for i in calm[1]]


def _calm(paces: Sequence[float]) -> list[int]:
    """Which runs to count: those at about the usual best pace; a neighbour slows kernels in unlike ways."""
    usual = float(np.quantile(paces, 0.25))
    found = [i for i, pace in enumerate(paces) if usual / _LUCKY <= pace <= usual * _CALM]
    return found or [int(np.argmin(np.abs(np.asarray(paces) - usual)))]
