"""Published microcontroller energies put to the library's own prediction, one cell left out at a time.

Rows are measurements of two forms, told apart by ``set``: ``mlperf_tiny`` (round, submitter, system, workload, energy,
throughput) and ``microgreen`` (device, workload, latency, energy, supply range). Nothing here knows a row by name. What
is asked of a set are its shared workloads, those measured on more than half as many systems as the commonest; predicted
are the cells of systems that have all of them in one configuration, so a board whose accelerator ran some workloads and
whose processor ran the others is two half-measured systems and is left out. A system re-published unchanged in a
later round is the same measurement and never helps to predict itself.

The measurements that come with the package join the rows as the pool that is learned from, but for those of the system
that is asked about, by name, in any round: of that system only what the rows themselves hold is looked at, so a row
left out is left out of the package too. Asked are cells of the rows only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from gramwise.core.errors import DataError
from gramwise.footprint.operational.measured import FixedTime, PowerFit, active_power_w, fit_power, fixed_time
from gramwise.footprint.operational.shipped import Measurement, measurements, same_name
from gramwise.footprint.operational.similar import Reference, similar

Row = Mapping[str, Any]
T = TypeVar("T")
Key = tuple[str, str, str]
"""Round, submitter and system, however they are spelled."""

Cells = dict[Key, dict[str, float]]
"""A column of the rows: value by workload, by system."""

Error = tuple[str, float]
"""System, and |predicted / measured - 1|."""

REPEATED_FRAC = 1e-3
"""Energies of two systems that differ by no more than this on every workload are one measurement, printed twice."""


def evaluate(
    rows: Iterable[Row], shipped: Iterable[Row] | None = None
) -> dict[str, dict[str, float | int | None]]:
    """Errors of the three predictions that can be checked with these rows.

    Args:
        rows: measurements whose cells are asked.
        shipped: measurements that are learned from beside them; None means those of the package.

    Returns:
        ``power_latency``, ``power_latency_fixed`` and ``no_latency``, each with ``mape_frac``, ``median_frac`` (None
        without a prediction) and ``n``.
    """
    rows, pool = list(rows), _pool(shipped)
    return {name: _summary(found(rows, pool)) for name, found in CHECKS.items()}


def spread(
    rows: Iterable[Row], shipped: Iterable[Row] | None = None, draws: int = 2000, seed: int = 0
) -> dict[str, tuple[float, float] | None]:
    """5th and 95th percentile of each mean error when systems are drawn again with replacement."""
    rows, pool = list(rows), _pool(shipped)
    answer: dict[str, tuple[float, float] | None] = {}
    stream = np.random.default_rng(seed)
    for name, found in CHECKS.items():
        by_system: dict[str, list[float]] = {}
        for system, error in found(rows, pool):
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


def power_latency(rows: Sequence[Row], shipped: Sequence[Row] = ()) -> list[Error]:
    """Power learned from a system's other workloads, times the measured latency of the one left out."""
    rows, shipped = ([r for r in part if r.get("throughput_inf_s")] for part in (rows, shipped))
    energy, every = _joined(rows, shipped, "mlperf_tiny", lambda r: _scaled(r, "energy_uJ", 1e-6))
    latency, every_s = _joined(rows, shipped, "mlperf_tiny", lambda r: 1.0 / r["throughput_inf_s"])
    power, every_w = _ratio(energy, latency), _ratio(every, every_s)
    errors = []
    for system, workload in _complete(energy, every):
        others = list(_others(system, power, every_w, energy, every).values())
        watts = active_power_w(_but(power[system], workload), others, workload)
        errors.append(_error(system, watts * latency[system][workload], energy[system][workload]))
    return errors


def no_latency(rows: Sequence[Row], shipped: Sequence[Row] = (), same_submitter: bool = True) -> list[Error]:
    """Energy of a cell from like systems only; with ``same_submitter`` false, from those of other submitters only."""
    energy, every = _joined(rows, shipped, "mlperf_tiny", lambda r: _scaled(r, "energy_uJ", 1e-6))
    errors = []
    for system, workload in _complete(energy, every):
        others = [
            Reference(energy_j=cells, runtime=_software(key))
            for key, cells in _others(system, energy, every, energy, every).items()
            if same_submitter or key[1] != system[1]
        ]
        known = Reference(energy_j=_but(energy[system], workload), runtime=_software(system))
        try:
            found = similar(known, others, workload)
        except DataError:  # no other system to compare with: no prediction, which `n` shows
            continue
        errors.append(_error(system, found.energy_j, energy[system][workload]))
    return errors


def power_latency_fixed(
    rows: Sequence[Row], shipped: Sequence[Row] = (), family_prior: bool = True
) -> list[Error]:
    """``E = P t + E_fixed`` from a board's other workloads; boards of one supply range teach each other ``E_fixed``."""
    energy, every = _joined(rows, shipped, "microgreen", lambda r: _scaled(r, "energy_mJ", 1e-3))
    latency, every_s = _joined(rows, shipped, "microgreen", lambda r: _scaled(r, "latency_us", 1e-6))
    supply = {_key(r): (r.get("v_min"), r.get("v_max")) for r in (*shipped, *rows)}
    fits = _boards(every_s, every, every) | _boards(
        latency, energy, every
    )  # a given board by its given runs alone
    shared, errors = _shared(energy, every), []
    for board, workload in _complete(energy, every):
        kin = [fit for b, fit in fits.items() if b != board and supply[b] == supply[board]]
        names = [w for w in shared if w != workload]
        if len(names) < 2:  # two unknowns
            continue
        fit = _fit(latency[board], energy[board], names, fixed_time(kin) if family_prior else None)
        predicted = float(fit.energy_j(latency[board][workload]))
        errors.append(_error(board, predicted, energy[board][workload]))
    return errors


CHECKS: dict[str, Callable[[Sequence[Row], Sequence[Row]], list[Error]]] = {
    "power_latency": power_latency,
    "power_latency_fixed": power_latency_fixed,
    "no_latency": no_latency,
}


def packaged() -> list[Row]:
    """The measurements that come with the package, in the form of the rows."""
    return [_row(m) for m in measurements()]


def _row(m: Measurement) -> Row:
    if m.set == "microgreen":
        return {
            "set": m.set,
            "device": m.system,
            "workload": m.workload,
            "latency_us": None if m.latency_s is None else 1e6 * m.latency_s,
            "energy_mJ": 1e3 * m.energy_j,
            "v_min": m.v_min_v,
            "v_max": m.v_max_v,
        }
    return {
        "set": m.set,
        "round": m.round,
        "submitter": m.submitter,
        "system": m.system,
        "workload": m.workload,
        "energy_uJ": 1e6 * m.energy_j,
        "throughput_inf_s": None if m.latency_s is None else 1.0 / m.latency_s,
    }


def _pool(shipped: Iterable[Row] | None) -> list[Row]:
    return packaged() if shipped is None else list(shipped)


def _joined(
    rows: Sequence[Row], shipped: Sequence[Row], which: str, value: Callable[[Row], float | None]
) -> tuple[Cells, Cells]:
    """A column of the rows, and the same beside the shipped measurements; where both have a cell, the rows' counts."""
    given, pool = (_cells([r for r in part if r.get("set") == which], value) for part in (rows, shipped))
    return given, given | {key: cells | given.get(key, {}) for key, cells in pool.items()}


def _others(system: Key, given: dict[Key, T], every: dict[Key, T], own: Cells, all_: Cells) -> dict[Key, T]:
    """What may be learned from for one system: the rows' others, and of the shipped ones those with another name.

    Args:
        given, every: the column that is learned from, of the rows and with the shipped ones.
        own, all_: energies likewise; whose energies are the same numbers is the same measurement.
    """
    found = {}
    for key in every:
        if key == system or (key[2] == system[2] and key not in given):
            continue
        column, energy = (given, own) if key[2] == system[2] else (every, all_)
        if not _repeated(energy[key], own[system]):
            found[key] = column[key]
    return found


def _repeated(cells: Mapping[str, float], own: Mapping[str, float]) -> bool:
    return all(abs(cells[w] / own[w] - 1.0) <= REPEATED_FRAC for w in cells.keys() & own.keys())


def _boards(latency: Cells, energy: Cells, every: Cells) -> dict[Key, PowerFit]:
    """Fits of the boards with all shared workloads, from these."""
    shared = _shared(energy, every)
    boards = dict.fromkeys(b for b, _ in _complete(energy, every))
    return {b: _fit(latency[b], energy[b], shared) for b in boards}


def _ratio(energy: Cells, latency: Cells) -> Cells:
    return {s: {w: e / latency[s][w] for w, e in cells.items()} for s, cells in energy.items()}


def _fit(
    latency: Mapping[str, float],
    energy: Mapping[str, float],
    names: Sequence[str],
    prior: FixedTime | None = None,
) -> PowerFit:
    return fit_power([latency[w] for w in names], [energy[w] for w in names], prior)


def _key(row: Row) -> Key:
    if "device" in row:
        return "", "", same_name(str(row["device"]))
    return str(row.get("round")), str(row.get("submitter")).lower(), same_name(str(row.get("system")))


def _software(key: Key) -> tuple[str, str]:
    return key[1], key[0]


def _scaled(row: Row, key: str, by: float) -> float | None:
    return None if row.get(key) is None else by * row[key]


def _cells(rows: Sequence[Row], value: Callable[[Row], float | None]) -> Cells:
    """Median where a cell was measured more than once."""
    found: dict[Key, dict[str, list[float]]] = {}
    for row in rows:
        number = value(row)
        if number is not None:
            found.setdefault(_key(row), {}).setdefault(row["workload"], []).append(number)
    return {s: {w: float(np.median(v)) for w, v in cells.items()} for s, cells in found.items()}


def _shared(given: Cells, every: Cells) -> list[str]:
    """The given rows' workloads that are measured widely: beside the shipped ones, where these are of the same kind."""
    counts, wide = (Counter(w for cells in part.values() for w in cells) for part in (given, every))
    commonest = [w for w, n in counts.items() if n == max(counts.values())]
    if all(2 * wide[w] <= max(wide.values()) for w in commonest):
        wide = counts
    return [w for w in counts if 2 * wide[w] > max(wide.values())]


def _complete(given: Cells, every: Cells) -> list[tuple[Key, str]]:
    """Cells of given systems with every shared workload; a single workload leaves nothing to learn from."""
    shared = _shared(given, every)
    if len(shared) < 2:
        return []
    return [(s, w) for s, cells in given.items() if all(w in cells for w in shared) for w in shared]


def _but(cells: Mapping[str, float], workload: str) -> dict[str, float]:
    return {w: v for w, v in cells.items() if w != workload}


def _error(system: Key, predicted: float, measured: float) -> Error:
    return " / ".join(system), abs(predicted / measured - 1.0)


def _summary(errors: Sequence[Error]) -> dict[str, float | int | None]:
    sizes = np.array([e for _, e in errors])
    if not sizes.size:
        return {"mape_frac": None, "median_frac": None, "n": 0}
    return {"mape_frac": float(sizes.mean()), "median_frac": float(np.median(sizes)), "n": int(sizes.size)}
