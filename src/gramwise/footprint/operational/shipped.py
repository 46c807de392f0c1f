"""Measured microcontrollers that come with the package: a pool for who has one new device and nothing beside it.

Rows of ``data/measured_mcu.csv``: energies per inference of MLPerf Tiny (closed division, median of the energy log;
Apache-2.0) and MicroGreen (Nordic PPK2 under TFLite-Micro; MIT), each with round, submitter, system and the file it is
in. Workloads bear the names of their sets: ``ad``, ``ic``, ``kws``, ``vww`` are MLPerf Tiny's four reference networks,
no others of like purpose.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import median
from typing import Literal, cast

from .similar import Reference

Set = Literal["mlperf_tiny", "microgreen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measured energy.

    Attributes:
        set: which collection it is from.
        round, division, submitter: of MLPerf Tiny; empty for MicroGreen.
        system: board or chip, as published.
        workload: network, as named by the set.
        energy_j: per inference.
        latency_s: per inference; None where it was not published beside the energy.
        v_min_v, v_max_v: supply range of the board; None where it was not published.
        file: result file inside the source.
        source: repository and commit.
        licence: of the source.
    """

    set: Set
    round: str
    division: str
    submitter: str
    system: str
    workload: str
    energy_j: float
    latency_s: float | None
    v_min_v: float | None
    v_max_v: float | None
    file: str
    source: str
    licence: str


@cache
def measurements() -> tuple[Measurement, ...]:
    """Every shipped measurement, in the table's order."""
    text = (files("gramwise") / "data" / "measured_mcu.csv").read_text("utf-8")
    return tuple(_measurement(row) for row in csv.DictReader(text.splitlines()))


@cache
def references() -> tuple[Reference, ...]:
    """The shipped measurements as devices to compare with: one for each system in each round."""
    found: dict[tuple[str, ...], dict[str, list[float]]] = {}
    for m in measurements():
        key = (m.submitter.lower(), m.round, m.set, m.system)
        found.setdefault(key, {}).setdefault(m.workload, []).append(m.energy_j)
    return tuple(
        Reference(energy_j={w: median(j) for w, j in cells.items()}, runtime=key[:2] if key[0] else ())
        for key, cells in found.items()
    )


def same_name(system: str) -> str:
    """What two spellings of one system's name have in common: ``NUCLEO-H7A3ZI-Q`` and ``nucleo_h7a3zi_q`` are one."""
    return "".join(c for c in system.lower() if c.isalnum())


def _measurement(row: Mapping[str, str]) -> Measurement:
    latency_us, per_s = _number(row["latency_us"]), _number(row["throughput_per_s"])
    return Measurement(
        set=cast(Set, row["set"]),
        round=row["round"],
        division=row["division"],
        submitter=row["submitter"],
        system=row["system"],
        workload=row["workload"],
        energy_j=1e-6 * float(row["energy_uj"]),
        latency_s=1.0 / per_s if per_s else None if latency_us is None else 1e-6 * latency_us,
        v_min_v=_number(row["v_min_v"]),
        v_max_v=_number(row["v_max_v"]),
        file=row["file"],
        source=row["source"],
        licence=row["licence"],
    )


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
