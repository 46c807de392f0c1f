"""Published microcontroller energies put to the library's own prediction, one cell left out at a time.

Rows are measurements of two forms, told apart by ``set``: ``mlperf_tiny`` (round, submitter, system, workload, energy,
throughput) and ``microgreen`` (device, workload, latency, energy, supply range). Nothing here knows a row by name. What
is asked of a set are its shared workloads, those measured on more than half as many systems as the commonest; predicted
are the cells of systems that have all of them in one configuration, so a board whose accelerator ran some workloads and
whose processor ran the others is two half-measured systems and is left out. A system re-published unchanged in a
later round is the same measurement and never helps to predict itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from gramwise.core.errors import DataError
from gramwise.footprint.operational.measured import FixedTime, PowerFit, active_power_w, fit_power, fixed_time
from gramwise.footprint.operational.similar import Reference, similar

Row = Mapping[str, Any]
T = TypeVar("T")
Cells = dict[str, dict[str, float]]
"""A column of the rows: value by workload, by system."""

Error = tuple[str, float]
"""System, and |predicted / measured - 1|."""


def evaluate(rows: Iterable[Row]) -> dict[str, dict[str, float | int | None]]:
    """Errors of the three predictions that can be checked with these rows.

    Returns:
        ``power_latency``, ``power_latency_fixed`` and ``no_latency``, each with ``mape_frac``, ``median_frac`` (None
        without a prediction) and ``n``.
    """
    rows = list(rows)
    return {name: _summary(found(rows)) for name, found in CHECKS.items()}


def spread(rows: Iterable[Row], draws: int = 2000, seed: int = 0) -> dict[str, tuple[float, float] | None]:
    """5th and 95th percentile of each mean error when systems are drawn again with replacement."""
    rows = list(rows)
    answer: dict[str, tuple[float, float] | None] = {}
    stream = np.random.default_rng(seed)
    for name, found in CHECKS.items():
        by_system: dict[str, list[float]] = {}
        for system, error in found(rows):
            by_system.setdefault(system, []).append(error)
        groups = [np.array(v) for v in by_system.values()]
        if not groups:
            answer[name] = None
            continue
        sums = np.array([[g.sum(), g.size] for g in groups])
        drawn = sums[stream.integers(0, len(groups), (draws, len(groups)))].sum(axis=1)
        low, high = np.percentile(drawn[:, 0] / drawn[:, 1], (5, 95))
        answer[name] = (float(low), float(high))
    return answer


def power_latency(rows: Sequence[Row]) -> list[Error]:
    """Power learned from a system's other workloads, times the measured latency of the one left out."""
    tiny = [r for r in rows if r.get("set") == "mlperf_tiny" and r.get("throughput_inf_s")]
    energy = _cells(tiny, _system, lambda r: _scaled(r, "energy_uJ", 1e-6))
    latency = _cells(tiny, _system, lambda r: 1.0 / r["throughput_inf_s"])
    power = {s: {w: e / latency[s][w] for w, e in cells.items()} for s, cells in energy.items()}
    errors = []
    for system, workload in _complete(energy):
        others = _without(energy, system, power)
        watts = active_power_w(_but(power[system], workload), others, workload)
        errors.append(_error(system, watts * latency[system][workload], energy[system][workload]))
    return errors


def no_latency(rows: Sequence[Row], same_submitter: bool = True) -> list[Error]:
    """Energy of a cell from like systems only; with ``same_submitter`` false, from those of other submitters only."""
    tiny = [r for r in rows if r.get("set") == "mlperf_tiny"]
    energy = _cells(tiny, _system, lambda r: _scaled(r, "energy_uJ", 1e-6))
    software = {_system(r): (str(r.get("submitter", "")).lower(), str(r.get("round", ""))) for r in tiny}
    systems = {s: Reference(energy_j=cells, runtime=software[s]) for s, cells in energy.items()}
    errors = []
    for system, workload in _complete(energy):
        others = [
            other
            for other in _without(energy, system, systems)
            if same_submitter or other.runtime[0] != software[system][0]
        ]
        known = Reference(energy_j=_but(energy[system], workload), runtime=software[system])
        try:
            found = similar(known, others, workload)
        except DataError:  # no other system to compare with: no prediction, which `n` shows
            continue
        errors.append(_error(system, found.energy_j, energy[system][workload]))
    return errors


def power_latency_fixed(rows: Sequence[Row], family_prior: bool = True) -> list[Error]:
    """``E = P t + E_fixed`` from a board's other workloads; boards of one supply range teach each other ``E_fixed``."""
    green = [r for r in rows if r.get("set") == "microgreen"]
    energy = _cells(green, _device, lambda r: _scaled(r, "energy_mJ", 1e-3))
    latency = _cells(green, _device, lambda r: _scaled(r, "latency_us", 1e-6))
    supply = {_device(r): (r.get("v_min"), r.get("v_max")) for r in green}
    shared, complete = _shared(energy), list(_complete(energy))
    fits = {b: _fit(latency[b], energy[b], shared) for b in dict.fromkeys(b for b, _ in complete)}
    errors = []
    for board, workload in complete:
        kin = [fit for b, fit in fits.items() if b != board and supply[b] == supply[board]]
        names = [w for w in shared if w != workload]
        if len(names) < 2:  # two unknowns
            continue
        fit = _fit(latency[board], energy[board], names, fixed_time(kin) if family_prior else None)
        predicted = float(fit.energy_j(latency[board][workload]))
        errors.append(_error(board, predicted, energy[board][workload]))
    return errors


CHECKS: dict[str, Callable[[Sequence[Row]], list[Error]]] = {
    "power_latency": power_latency,
    "power_latency_fixed": power_latency_fixed,
    "no_latency": no_latency,
}


def _fit(
    latency: Mapping[str, float],
    energy: Mapping[str, float],
    names: Sequence[str],
    prior: FixedTime | None = None,
) -> PowerFit:
    return fit_power([latency[w] for w in names], [energy[w] for w in names], prior)


def _system(row: Row) -> str:
    return " / ".join(str(row.get(key)) for key in ("round", "submitter", "system"))


def _device(row: Row) -> str:
    return str(row["device"])


def _scaled(row: Row, key: str, by: float) -> float | None:
    return None if row.get(key) is None else by * row[key]


def _cells(rows: Sequence[Row], key: Callable[[Row], str], value: Callable[[Row], float | None]) -> Cells:
    """Median where a cell was measured more than once."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        number = value(row)
        if number is not None:
            found.setdefault(key(row), {}).setdefault(row["workload"], []).append(number)
    return {s: {w: float(np.median(v)) for w, v in cells.items()} for s, cells in found.items()}


def _shared(energy: Cells) -> list[str]:
    counts = Counter(w for cells in energy.values() for w in cells)
    return [w for w, n in counts.items() if 2 * n > max(counts.values())]


def _complete(energy: Cells) -> Iterable[tuple[str, str]]:
    """Cells of systems with every shared workload; a single workload leaves nothing to learn from."""
    shared = _shared(energy)
    if len(shared) < 2:
        return []
    return [(s, w) for s, cells in energy.items() if all(w in cells for w in shared) for w in shared]


def _without(energy: Cells, system: str, column: Mapping[str, T]) -> list[T]:
    """The others' column, without the system and without any whose energies are the same numbers."""
    own = energy[system]
    return [
        column[s]
        for s, cells in energy.items()
        if s != system and not all(cells[w] == own[w] for w in cells.keys() & own.keys())
    ]


def _but(cells: Mapping[str, float], workload: str) -> dict[str, float]:
    return {w: v for w, v in cells.items() if w != workload}


def _error(system: str, predicted: float, measured: float) -> Error:
    return system, abs(predicted / measured - 1.0)


def _summary(errors: Sequence[Error]) -> dict[str, float | int | None]:
    sizes = np.array([e for _, e in errors])
    if not sizes.size:
        return {"mape_frac": None, "median_frac": None, "n": 0}
    return {"mape_frac": float(sizes.mean()), "median_frac": float(np.median(sizes)), "n": int(sizes.size)}
