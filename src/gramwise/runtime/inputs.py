"""What the requests of a workload carry: real images with labels, or seeded random tensors."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from gramwise.core.errors import ConfigError

if TYPE_CHECKING:
    import numpy.typing as npt

Spec = Mapping[str, tuple[tuple[int | None, ...], str]]
"""Shape (None for a free dimension) and NumPy type by input name."""

_DISTINCT_RANDOM = 4
"""Random tensors made per run, then taken in turn: values do not change the work, memory does."""

_DIGIT_LEVELS = 16.0
_DIGIT_REPEAT = 12
"""The digits have 8x8 pixels of 0 to 16; the shipped models take 96x96 of 0 to 1 (docs/method/digits.md)."""


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Input tensors by position in the stream, with labels where there are any.

    Attributes:
        name: of the model's input.
        images: (n, ...) as the model takes them.
        labels: (n,) integers, or None.
        count: inferences a request.
        description: for reports.
    """

    name: str
    images: npt.NDArray[np.generic]
    labels: npt.NDArray[np.integer[Any]] | None
    count: int
    description: str

    def request(self, seq: int) -> dict[str, npt.NDArray[np.generic]]:
        """Tensors of request ``seq``: the next ``count`` images, round and round."""
        return {self.name: self.images[self._rows(seq)]}

    def correct(self, seq: int, outputs: Mapping[str, npt.NDArray[Any]] | None) -> int | None:
        """How many answers of request ``seq`` have the label as their largest output; None without labels."""
        if self.labels is None or not outputs:
            return None
        scores = next(iter(outputs.values()))
        return int((scores.reshape(self.count, -1).argmax(axis=1) == self.labels[self._rows(seq)]).sum())

    def _rows(self, seq: int) -> npt.NDArray[np.int64]:
        return np.arange(seq * self.count, (seq + 1) * self.count) % len(self.images)


def load_inputs(what: str, count: int, seed: int, spec: Spec, base: Path, source: str | Path) -> Inputs:
    """Inputs for a model.

    Args:
        what: ``package:digits``, ``random``, or an ``.npz`` with arrays ``images`` (as the model takes them) and,
            if known, ``labels``.
        count: inferences a request.
        seed: of the random tensors.
        spec: of the model's inputs; one input.
        base: directory of the scenario.
        source: the scenario, for errors.

    Raises:
        ConfigError: missing or unreadable file, or images that do not fit the model.
    """
    if len(spec) != 1:
        raise ConfigError(
            f"the model takes {len(spec)} inputs ({', '.join(spec)}).",
            file=source,
            key="workload.inputs",
            fix="bench feeds models of one input; call gramwise.open() for others.",
        )
    name, (shape, dtype) = next(iter(spec.items()))
    if shape and shape[0] not in (None, count):
        raise ConfigError(
            f"{count} inferences a request do not fit a model that takes exactly {shape[0]} at a time.",
            file=source,
            key="workload.count",
            fix=f"Write count = {shape[0]}, or export the model with an open batch dimension.",
        )
    if what == "random":
        rng = np.random.default_rng(seed)
        size = (_DISTINCT_RANDOM * count, *(d or 1 for d in shape[1:]))
        images = rng.standard_normal(size, dtype=np.float32).astype(dtype)
        return Inputs(name, images, None, count, f"random tensors, seed {seed}")
    path, description = _locate(what, base, source)
    images, labels = _read(path, source)
    if what == "package:digits":
        images = digits_as_input(images)
    _fit(images, shape, dtype, source)
    return Inputs(name, images.astype(dtype, copy=False), labels, count, description)


def digits_as_input(images: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """8x8 digits of 0 to 16, (n, 8, 8), as the shipped models take them: (n, 1, 96, 96) of 0 to 1."""
    scaled = images.astype(np.float32) / np.float32(_DIGIT_LEVELS)
    tall = np.repeat(scaled, _DIGIT_REPEAT, axis=1)
    return np.ascontiguousarray(np.repeat(tall, _DIGIT_REPEAT, axis=2)[:, None])


def _locate(what: str, base: Path, source: str | Path) -> tuple[Path, str]:
    if what == "package:digits":
        path = Path(str(importlib.resources.files("gramwise") / "data" / "digits" / "heldout.npz"))
        return path, "held-out handwritten digits (UCI), never seen in training"
    path = base / what
    if not path.is_file():
        raise ConfigError(
            f"there is no file {path}.",
            file=source,
            key="workload.inputs",
            fix='Write "package:digits", "random", or the path of an .npz with an array "images".',
        )
    return path, path.name


def _read(
    path: Path, source: str | Path
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.integer[Any]] | None]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            images, labels = data["images"], data["labels"].astype(np.int64) if "labels" in data else None
    except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as fault:
        raise ConfigError(
            f"{path.name} is not an .npz with an array 'images' of numbers: {str(fault).rstrip('.')}.",
            file=source,
            key="workload.inputs",
            fix="Write one with numpy.savez(file, images=..., labels=...).",
        ) from fault
    if images.dtype.kind not in "biuf" or (labels is not None and labels.shape != images.shape[:1]):
        have = "no labels" if labels is None else f"labels of shape {labels.shape}"
        raise ConfigError(
            f"{path.name} holds images of shape {images.shape} and type {images.dtype} with {have}.",
            file=source,
            key="workload.inputs",
            fix="Give images as numbers, and one label an image or none.",
        )
    return images, labels


def _fit(
    images: npt.NDArray[np.generic], shape: tuple[int | None, ...], dtype: str, source: str | Path
) -> None:
    wanted = shape[1:]
    fits = images.ndim == len(shape) and all(
        w is None or w == g for w, g in zip(wanted, images.shape[1:], strict=True)
    )
    if not fits or not len(images):
        raise ConfigError(
            f"images of shape {images.shape} do not fit a model that takes {('n', *wanted)} {dtype}.",
            file=source,
            key="workload.inputs",
            fix="Give at least one image of the model's shape.",
        )
