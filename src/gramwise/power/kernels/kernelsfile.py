"""The file of a machine's kernels (``gramwise.kernels/1``): what was measured, and the lengths that were fitted to it.

A predictor is made from it in seconds and in the same way on every reading. `gramwise.runtime.calibrate` writes it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gramwise.core.errors import ConfigError

from .predictor import Predictor
from .tolls import Sample, Toll

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = "gramwise.kernels/1"


class FamilyFit(msgspec.Struct, frozen=True):
    """How well a family is known.

    Attributes:
        samples: kernels measured; those beyond a few hundred are not in the file.
        seen_frac: median relative error on the samples that were fitted.
        unseen_frac: the same, each predicted from the others.
        unseen_p90_frac: nine in ten are within that.
        time_frac: share of the measured time.
        hyper: natural logarithms of the length of each feature, of the signal and of the noise; None for a family of
            too few samples.
    """

    samples: int
    seen_frac: float
    unseen_frac: float
    unseen_p90_frac: float
    time_frac: float
    hyper: list[float] | None = None


class KernelsFile(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document.

    Attributes:
        schema: `SCHEMA`.
        machine, onnxruntime, gramwise, made: where, with what and when (UTC).
        level: of onnxruntime's graph optimisation.
        seed: of everything that was drawn.
        reference_s: CPU seconds of the reference network; all seconds are given at that pace.
        racks: models that were timed.
        wall_s: seconds that the measuring took.
        toll: of the profiler and of a run; already taken off the samples.
        families: by name.
        samples: kernels, of all families.
    """

    schema: str
    machine: str
    onnxruntime: str
    gramwise: str
    made: str
    level: str
    seed: int
    reference_s: float
    racks: int
    wall_s: float
    toll: Toll
    families: dict[str, FamilyFit]
    samples: list[Sample]

    def predictor(self) -> Predictor:
        """Ready to answer."""
        hypers = {name: fit.hyper for name, fit in self.families.items() if fit.hyper is not None}
        return Predictor(self.samples, self.toll, hypers)


def check_place(path: Path) -> None:
    """Refuse a place before minutes are spent on what would be written there.

    Raises:
        ConfigError: it holds something that is no kernels file, or it cannot be written.
    """
    fix = "Name a file in a directory that you may write."
    if path.exists():
        try:
            read_kernels_file(path)
        except ConfigError as fault:
            raise ConfigError(
                "it holds something else than kernels, which would be lost.",
                file=path,
                fix="Name another file.",
            ) from fault
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ConfigError("the kernels cannot be written there.", file=path, fix=fix)


def write_kernels(file: KernelsFile, path: Path) -> None:
    """Write the document, or leave what is there as it was.

    Raises:
        ConfigError: the place cannot be written.
    """
    data = msgspec.json.encode(file)
    beside = path.with_name(path.name + ".new")
    try:
        beside.write_bytes(data + b"\n")
        beside.replace(path)
    except OSError as fault:
        raise ConfigError(
            f"the kernels cannot be written there: {fault.strerror or fault}.",
            file=path,
            fix="Name a file in a directory that you may write.",
        ) from fault


def read_kernels_file(path: Path) -> KernelsFile:
    """Read a document.

    Raises:
        ConfigError: missing, no such document, or one of another version.
    """
    anew = "Measure this machine: gramwise calibrate --kernels."
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise ConfigError(f"cannot be read: {fault.strerror or fault}.", file=path, fix=anew) from fault
    try:
        schema = msgspec.json.decode(data, type=dict[str, msgspec.Raw]).get("schema")
        found = msgspec.json.decode(schema, type=str) if schema is not None else None
        if found != SCHEMA:
            raise ConfigError(
                f"holds {found or 'no schema'}, not {SCHEMA}.", file=path, key="schema", fix=anew
            )
        file = msgspec.json.decode(data, type=KernelsFile)
    except msgspec.DecodeError as fault:
        raise ConfigError(f"is no kernels file: {fault}.", file=path, fix=anew) from fault
    if not file.samples:
        raise ConfigError("holds no samples.", file=path, key="samples", fix=anew)
    _check(file.samples, path)
    return file


def _check(samples: Sequence[Sample], path: Path) -> None:
    for i, sample in enumerate(samples):
        if not 0 < sample.seconds < float("inf"):
            raise ConfigError(
                f"{sample.seconds} is no time.",
                file=path,
                key=f"samples[{i}].seconds",
                fix="Write seconds above 0.",
            )
        if not sample.kernel.outputs:
            raise ConfigError(
                "a kernel without outputs.",
                file=path,
                key=f"samples[{i}].kernel.outputs",
                fix="Give its shapes.",
            )
