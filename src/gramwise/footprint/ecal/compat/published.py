"""The data behind the authors' published figure, recomputed: IEEE JSAC 44 (2026) 2427-2443, Fig. 13.

The authors' website stores 24 points of eCAL over the number of inferences for four small models. With the inputs of
their case study the tool of May 2025 gives every one of them, and so does compat mode. `figure_data` sets both side by
side, with the ratios that the paper's abstract is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gramwise.footprint.factors import table

from . import estimate, run

TABLE = "ecal_figure13"

CASE_STUDY: dict[str, Any] = {
    "NUM_SAMPLES": 256,
    "SAMPLE_SIZE": 10,
    "FLOAT_PRECISION": 64,
    "EVALUATION_STRATEGY": "train_test_split",
    "SPLIT_RATIO": 0.8,
    "NUM_EPOCHS": 50,
    "PREPROCESSING_TYPE": "normalization",
    "PROCESSOR_FLOPS_PER_SECOND": 1e10,
    "PROCESSOR_MAX_POWER": 140,
    "VIRTUALIZATION_OVERHEAD": 0.1,
}
"""What the four models share: Generic protocols, no loss, 1.4e-8 J/FLOP. Found by matching the website's data."""

INPUT_SHAPES: dict[str, list[int]] = {"SimpleCNN": [1, 1, 10]}
"""Where the shipped shape does not fit the model."""

RATIOS = ((100, 1000), (100, 10_000))
"""Numbers of inferences whose eCAL are put in proportion."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the figure: ours, theirs, and their relative difference."""

    model: str
    inferences: int
    ecal_j_per_bit: float
    published_j_per_bit: float

    @property
    def relative_difference(self) -> float:
        """``ours / published - 1``."""
        return self.ecal_j_per_bit / self.published_j_per_bit - 1.0


@dataclass(frozen=True, slots=True)
class Ratio:
    """eCAL at few inferences over eCAL at many, and the highest that any model could reach with these samples."""

    model: str
    few: int
    many: int
    ratio: float
    ceiling: float


@dataclass(frozen=True, slots=True)
class Figure:
    """Points and ratios, in the table's order; plain data for a chart or a document."""

    points: tuple[Point, ...]
    ratios: tuple[Ratio, ...]

    def document(self) -> dict[str, Any]:
        """As JSON would hold it."""
        return {
            "schema": "gramwise.ecal-figure/1",
            "source": next(iter(table(TABLE).values())).source,
            "inputs": CASE_STUDY,
            "points": [
                {
                    "model": p.model,
                    "inferences": p.inferences,
                    "ecal_j_per_bit": p.ecal_j_per_bit,
                    "published_j_per_bit": p.published_j_per_bit,
                    "relative_difference": p.relative_difference,
                }
                for p in self.points
            ],
            "ratios": [
                {"model": r.model, "few": r.few, "many": r.many, "ratio": r.ratio, "ceiling": r.ceiling}
                for r in self.ratios
            ],
        }


def figure_data() -> Figure:
    """The 24 points and the table of ratios."""
    wanted: dict[str, dict[int, float]] = {}
    for key, factor in table(TABLE).items():
        model, inferences = key.rsplit(".", 1)
        wanted.setdefault(model, {})[int(inferences)] = factor.value
    points: list[Point] = []
    for model, published in wanted.items():
        curve = estimate("legacy", _inputs(model, list(published)))["ecal_J_per_bit"].tolist()
        points += [Point(model, n, ours, published[n]) for n, ours in zip(published, curve, strict=True)]
    return Figure(tuple(points), tuple(_ratio(m, few, many) for m in wanted for few, many in RATIOS))


def _inputs(model: str, inferences: int | list[int]) -> dict[str, Any]:
    shape = {"INPUT_SIZE": INPUT_SHAPES[model]} if model in INPUT_SHAPES else {}
    return {**CASE_STUDY, **shape, "MODEL_NAME": model, "NUM_INFERENCES": inferences}


def _ratio(model: str, few: int, many: int) -> Ratio:
    ours, later = (run("legacy", _inputs(model, n))["ecal_J_per_bit"] for n in (few, many))
    samples = int(CASE_STUDY["NUM_SAMPLES"])
    return Ratio(model, few, many, ours / later, ceiling(samples, few, many))


def ceiling(samples: int, few: int, many: int) -> float:
    """What the ratio of eCAL at ``few`` and ``many`` inferences tends to as development outweighs inference.

    ``eCAL(a) / eCAL(b) = (N rho + a)(N + b) / ((N + a)(N rho + b))``, with rho the development's J/bit over the
    inference's; its limit for endless rho is ``(N + b) / (N + a)``.
    """
    return (samples + many) / (samples + few)
