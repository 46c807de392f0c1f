"""Calibrating a machine: measure kernels, fit, measure more where the fit is worst, and write the file.

`predict_models` then says what models take that were never run. docs/method/kernels.md
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from gramwise.core.errors import ConfigError
from gramwise.footprint.factors import factor
from gramwise.power.kernels.kernel import describe
from gramwise.power.kernels.kernelsfile import (
    SCHEMA,
    FamilyFit,
    KernelsFile,
    check_place,
    read_kernels_file,
    write_kernels,
)
from gramwise.power.kernels.predictor import Prediction, Predictor
from gramwise.power.kernels.tolls import Rack, Sample, net_samples, toll_of
from gramwise.runtime.fused import kernels_of
from gramwise.runtime.kernelbench import Reference, time_empty, time_rack
from gramwise.runtime.kernelcells import RANGES, Cell, draw, near
from gramwise.runtime.profilefile import machine

Tell = Callable[[str, float], None]

FILE = Path("kernels.json")
"""Where the verb writes unless told otherwise."""

PRECISIONS = ("fp32", "int8")

_OFTEN: Mapping[str, int] = {
    "point": 4,
    "depthwise": 4,
    "conv": 3,
    "residual": 2,
    "gate": 2,
    "join": 2,
    "linear": 2,
    "feed": 2,
    "attention": 3,
}
"""How often a kind of cell is drawn, once when it is not here: where networks spend their time."""

_FIRST_SHARE = 0.65
"""Of the time: drawn at large. The rest goes where the error is largest."""

_WORST = 60
"""Cells near which more is drawn."""


class Timed(NamedTuple):
    """A rack and the cells that it was made of; ``origins`` says for each kernel which, -1 if that is not known."""

    rack: Rack
    cells: Sequence[Cell]
    origins: Sequence[int]


def calibrate_kernels(
    out: Path = FILE,
    *,
    seconds: float = 300.0,
    seed: int = 0,
    tell: Tell = lambda _text, _done: None,
) -> dict[str, Any]:
    """Measure this machine's kernels with onnxruntime and write what was learned.

    Args:
        out: file to write.
        seconds: wall seconds to measure, at least 5; fitting adds some ten.
        seed: of every draw.
        tell: hears what is going on, and how much of it is done, 0 to 1.

    Returns:
        The document without its samples, with ``file``, ``unseen_frac`` and ``seen_frac``: median errors of single
        kernels over all families, weighed by their time.

    Raises:
        ConfigError: too little time, a place that cannot be written, or that holds something else.
        SourceUnavailable: onnx is not installed.
    """
    if not seconds >= 5:
        raise ConfigError(
            f"{seconds:g} seconds are too few to measure in.",
            key="seconds",
            fix="Write 5 or more; 300 do well.",
        )
    check_place(out)
    start_s = time.monotonic()
    reference = Reference()
    bench = _Bench(reference, seed, start_s, seconds, tell)
    bench.at_large(_FIRST_SHARE * seconds)
    bench.where_worst(seconds)
    wall_s = time.monotonic() - start_s
    tell("fitting", 0.95)
    file = kernels_file([timed.rack for timed in bench.timed], bench.empty, reference.nominal_s, seed, wall_s)
    write_kernels(file, out)
    tell("done", 1.0)
    return summary(file, out)


class _Bench:
    """Draws cells, packs them into racks, has them timed."""

    def __init__(self, reference: Reference, seed: int, start_s: float, seconds: float, tell: Tell) -> None:
        self._reference, self._start_s, self._seconds, self._tell = reference, start_s, seconds, tell
        self._rng = np.random.default_rng(seed)
        self._kinds = [kind for kind in RANGES for _ in range(_OFTEN.get(kind, 1))]
        self._queue: list[str] = []
        self.timed: list[Timed] = []
        self.empty = time_empty(reference)

    def at_large(self, until_s: float) -> None:
        """Racks of cells of all kinds and sizes, at least one."""
        while not self.timed or self._spent_s() < until_s:
            # Half of the racks may hold kernels of more than a quarter of the largest size.
            scale = math.exp(math.log(0.01) * (1.0 - math.sqrt(self._rng.random())))
            self._time([draw(kind, self._rng, scale) for kind in self._next_kinds()])

    def where_worst(self, until_s: float) -> None:
        """Racks of cells near those whose kernels the others predict worst."""
        if self._spent_s() >= until_s:
            return
        worst = _worst(self.timed, self.empty, _WORST)
        while worst and self._spent_s() < until_s:
            some = self._rng.permutation(len(worst))[: self._count()]
            self._time([near(worst[i], self._rng) for i in some])

    def _time(self, cells: list[Cell]) -> None:
        for precision in PRECISIONS:
            number = len(self.timed)
            self._tell(
                f"timing {len(cells)} cells in {precision}", 0.9 * min(1.0, self._spent_s() / self._seconds)
            )
            rack, origins = time_rack(cells, precision, self._reference, seed=number)
            self.timed.append(Timed(rack, cells, origins))

    def _next_kinds(self) -> list[str]:
        count = self._count()
        while len(self._queue) < count:
            self._queue += [self._kinds[i] for i in self._rng.permutation(len(self._kinds))]
        taken, self._queue = self._queue[:count], self._queue[count:]
        return taken

    def _count(self) -> int:
        """Cells of a rack: a few, as in a network that stays in the caches, or many."""
        return round(math.exp(self._rng.uniform(math.log(4), math.log(24))))

    def _spent_s(self) -> float:
        return time.monotonic() - self._start_s


def _worst(timed: Sequence[Timed], empty: tuple[float, float], count: int) -> list[Cell]:
    """The cells whose kernels are off by most, each kernel predicted from all others."""
    racks = [each.rack for each in timed]
    toll = toll_of(racks, *empty)
    nets = net_samples(racks, toll)
    places = [(i, origin) for i, each in enumerate(timed) for origin in each.origins]
    known = [(place, net) for place, net in zip(places, nets, strict=True) if net and place[1] >= 0]
    samples = [net for _, net in known]
    off: dict[tuple[int, int], float] = {}
    for (place, net), error in zip(known, Predictor(samples, toll).left_out(samples), strict=True):
        # The root: a large kernel must not count as many small ones, nor a small one as much as it.
        off[place] = off.get(place, 0.0) + abs(error) * math.sqrt(net.seconds)
    ranked = sorted(off, key=lambda place: -off[place])[:count]
    return [timed[i].cells[origin] for i, origin in ranked]


def kernels_file(
    racks: Sequence[Rack], empty: tuple[float, float], reference_s: float, seed: int, wall_s: float
) -> KernelsFile:
    """Fit, and put everything into a document.

    Args:
        racks: at least one.
        empty: see `gramwise.runtime.kernelbench.time_empty`.
        reference_s: pace at which they were timed.
        seed, wall_s: for the record.
    """
    toll = toll_of(racks, *empty)
    nets = [net for net in net_samples(racks, toll) if net is not None]
    predictor = Predictor(nets, toll)
    errors = predictor.left_out(nets)
    total_s = math.fsum(sample.seconds for sample in nets)
    grouped: dict[str, list[int]] = {}
    for i, sample in enumerate(nets):
        grouped.setdefault(describe(sample.kernel).family, []).append(i)
    families, kept = {}, []
    for name, places in sorted(grouped.items()):
        group = [nets[i] for i in places]
        unseen = np.abs(np.expm1(-errors[places]))
        family = predictor.families[name]
        families[name] = FamilyFit(
            samples=len(group),
            seen_frac=round(family.seen_frac, 4),
            unseen_frac=round(float(np.median(unseen)), 4),
            unseen_p90_frac=round(float(np.quantile(unseen, 0.9)), 4),
            time_frac=round(math.fsum(s.seconds for s in group) / total_s, 5),
            hyper=None if family.hyper is None else [round(float(h), 4) for h in family.hyper],
        )
        kept += [_rounded(group[i]) for i in family.used]
    return KernelsFile(
        schema=SCHEMA,
        machine=machine(),
        onnxruntime=version("onnxruntime"),
        gramwise=version("gramwise"),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        level="all",
        seed=seed,
        reference_s=reference_s,
        racks=len(racks),
        wall_s=round(wall_s, 1),
        toll=toll,
        families=families,
        samples=kept,
    )


def _rounded(sample: Sample) -> Sample:
    return msgspec.structs.replace(
        sample, seconds=float(f"{sample.seconds:.5g}"), spread_frac=round(sample.spread_frac, 4)
    )


def summary(file: KernelsFile, path: Path) -> dict[str, Any]:
    """What the verb prints: the document without its samples, where it is, and median errors weighed by time."""
    document: dict[str, Any] = msgspec.to_builtins(file)
    samples = document.pop("samples")
    shares = [(fit.time_frac, fit.seen_frac, fit.unseen_frac) for fit in file.families.values()]
    total = math.fsum(share for share, _, _ in shares)
    for family in document["families"].values():
        del family["hyper"]
    return {
        **document,
        "samples": len(samples),
        "seen_frac": math.fsum(share * seen for share, seen, _ in shares) / total,
        "unseen_frac": math.fsum(share * unseen for share, _, unseen in shares) / total,
        "file": str(path),
    }


def predict_models(
    models: Sequence[str | Path],
    kernels: Path | KernelsFile = FILE,
    *,
    batch: int = 1,
    dims: Mapping[str, int] | None = None,
) -> list[dict[str, Any]]:
    """What models would take on the calibrated machine, without running them.

    Args:
        models: ONNX files.
        kernels: of this machine: the file or its path.
        batch: for open first dimensions.
        dims: sizes of other open dimensions, by name.

    Returns:
        For each: ``cpu_s`` at the calibration's pace with its interval ``low_s`` to ``high_s``, ``overhead_s`` of it
        beside the kernels, number of ``kernels``, ``families`` (CPU seconds by family, largest first), ``unknown``
        (families that were never measured, which others answered for) and ``unknown_frac`` (their share),
        ``kernels_spread_frac`` (relative standard deviation if the kernels' errors were independent, so a lower limit),
        ``method`` ``"modelled"`` and ``source``.

    Raises:
        ConfigError: no such file, one of another version, or of another onnxruntime, which fuses in other ways.
        ModelError, UnknownShape, SourceUnavailable: see `gramwise.runtime.fused.kernels_of`.
    """
    path = kernels if isinstance(kernels, Path) else None
    file = read_kernels_file(kernels) if isinstance(kernels, Path) else kernels
    if file.onnxruntime != version("onnxruntime"):
        raise ConfigError(
            f"was measured with onnxruntime {file.onnxruntime}, not with {version('onnxruntime')}.",
            file=path,
            key="onnxruntime",
            fix="Measure anew: gramwise calibrate --kernels.",
        )
    source = (
        f"{len(file.samples)} kernels timed {file.made} on {file.machine}, onnxruntime {file.onnxruntime}"
    )
    predictor = file.predictor()
    answers = []
    for model in models:
        inputs, found = kernels_of(model, batch=batch, dims=dims)
        answer = _answer(predictor.predict(found, inputs))
        answers.append({"model": str(model), **answer, "method": "modelled", "source": source})
    return answers


def _answer(prediction: Prediction) -> dict[str, Any]:
    families: dict[str, float] = {}
    for part in prediction.parts:
        families[part.family] = families.get(part.family, 0.0) + part.seconds
    unknown_s = math.fsum(part.seconds for part in prediction.parts if not part.known)
    band = factor("operational", "band.kernels").value
    return {
        "cpu_s": prediction.cpu_s,
        "low_s": prediction.cpu_s / band,
        "high_s": prediction.cpu_s * band,
        "overhead_s": prediction.overhead_s,
        "kernels": len(prediction.parts),
        "families": dict(sorted(families.items(), key=lambda item: -item[1])),
        "unknown": list(prediction.unknown),
        "unknown_frac": unknown_s / prediction.cpu_s,
        "kernels_spread_frac": math.hypot(*(part.seconds * part.deviation_frac for part in prediction.parts))
        / prediction.cpu_s,
    }
