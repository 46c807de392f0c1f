"""Measured runs as lines of a bill: each run's grams once, idle apart, and nothing twice.

A run's carbon is ``E x I x PUE / 3.6e6`` (joules, g/kWh): SCI, ISO/IEC 21031:2024, ``O = E x I``. Runs of one
zone share the factor of its intensity, so what is uncertain about it stays common to them. Two ways of counting twice
are closed: a run inside another is part of that one and gets no line, and two runs that each charge the whole of one
machine at the same time are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gramwise.core.errors import DataError, MixedKinds
from gramwise.core.footprint import Factor, Phase, factor_of
from gramwise.core.phase import MODELLED_CPU, PhaseRun
from gramwise.core.quantity import Quantity
from gramwise.core.units import J_PER_KWH
from gramwise.footprint.bill import Line, Value, Values


def ledger_lines(runs: Sequence[PhaseRun]) -> tuple[list[Line], list[Factor]]:
    """Lines and factors of measured runs, for `gramwise.footprint.bill.bill`.

    Args:
        runs: of a ledger, or some of them. Those without an energy or an intensity get no line; `left_out` names them.

    Returns:
        For each counted run a line of its phase, and one of the phase ``idle`` where its idle energy is known.

    Raises:
        DataError: two runs charge the whole of one machine at the same time, two records have one id, or a
            run is inside itself.
        MixedKinds: intensities of two kinds.
    """
    counted = [run for run in _outermost(runs) if _why_not(run) is None]
    _one_kind(counted)
    _no_machine_twice(counted)
    factors: dict[str, Factor] = {}
    lines = []
    for run in counted:
        lines += _lines(run, factors)
    return lines, list(factors.values())


def left_out(runs: Sequence[PhaseRun]) -> tuple[str, ...]:
    """What the lines do not tell of these runs, a sentence each: for ``not_included`` of a bill."""
    told = []
    for run in _outermost(runs):
        why = _why_not(run)
        if why is not None:
            told.append(f"{_title(run)}: {why}.")
        elif run.status == "unknown":
            told.append(f"{_title(run)}: what it spent after its last sign of life; its end is unknown.")
        if why is None and run.idle is None and all(part.component == MODELLED_CPU for part in run.parts):
            told.append(f"{_title(run)}: its machine's idle energy, which is unknown.")
    return tuple(told)


def _outermost(runs: Sequence[PhaseRun]) -> list[PhaseRun]:
    """The runs that no other one contains.

    A parent of another ledger contains a run as well: it is billed there. A parent that had ended before the run began
    (it left a process behind) or whose energy is unknown contains nothing.
    """
    by_id: dict[str, PhaseRun] = {}
    for run in runs:
        if by_id.setdefault(run.id, run) is not run:
            raise DataError(f"the run {run.id} is given twice.")
    return [run for run in runs if not _contained(run, by_id)]


def _contained(run: PhaseRun, by_id: Mapping[str, PhaseRun]) -> bool:
    seen, above, inside = {run.id}, run.parent, False
    while above is not None:
        if above in seen:
            raise DataError(f"parent: the run {run.id} is said to be inside itself.")
        seen.add(above)
        outer = by_id.get(above)
        if outer is None:
            return True
        over = outer.ended_s is not None and outer.ended_s < run.started_s
        inside = inside or (_why_not(outer) is None and not over)
        above = outer.parent
    return inside


def _why_not(run: PhaseRun) -> str | None:
    """Why a run cannot be billed; None when it can."""
    if run.energy is None:
        return "its energy is unknown"
    return "its grid's intensity is unknown" if run.intensity is None else None


def _one_kind(runs: Sequence[PhaseRun]) -> None:
    kinds = {(run.signal, run.basis): run for run in runs}
    if len(kinds) > 1:
        first, second = list(kinds.values())[:2]
        raise MixedKinds(
            f"{_title(first)} has {first.signal} {first.basis} intensities and {_title(second)} has "
            f"{second.signal} {second.basis} ones; the two are not comparable. Bill them apart."
        )


def _no_machine_twice(runs: Sequence[PhaseRun]) -> None:
    whole = sorted((run for run in runs if _charged(run)), key=lambda run: run.started_s)
    for i, run in enumerate(whole):
        for later in whole[i + 1 :]:
            if later.started_s >= run.seen_s:
                break
            if _charged(run) & _charged(later):
                raise DataError(
                    f"{_title(run)} and {_title(later)} ran on one machine at the same time and each is charged with "
                    "the whole of it. Leave one out, measure one inside the other, or measure with tracking='process'."
                )


def _charged(run: PhaseRun) -> set[tuple[str | None, str]]:
    """Machine and component that a run is charged with as a whole."""
    return {(run.host.get("id"), part.component) for part in run.parts if part.whole_machine}


def _lines(run: PhaseRun, factors: dict[str, Factor]) -> list[Line]:
    assert run.energy is not None
    assert run.intensity is not None
    shared = [_grid(run.zone or "declared", run.intensity, factors), *_pue(run.pue, factors)]
    lines = [_line(_title(run), run.phase, f"ledger.{run.id}.energy", run.energy, shared, factors)]
    if run.idle is not None:
        key = f"ledger.{run.id}.idle"
        lines.append(_line(f"{_title(run)}, idle", "idle", key, run.idle, shared, factors))
    return lines


def _line(
    name: str, phase: Phase, key: str, energy: Quantity, shared: Sequence[str], factors: dict[str, Factor]
) -> Line:
    factors[key] = factor_of(key, energy)
    keys = (key, *shared)

    def grams(v: Values) -> Value:
        product: Value = 1.0 / J_PER_KWH
        for k in keys:
            product = product * v[k]
        return product

    def joules(v: Values) -> Value:
        return v[key]

    return Line(
        name=name, phase=phase, factors=keys, carbon_g=grams, energy_j=joules, boundary=energy.boundary
    )


def _pue(pue: float, factors: dict[str, Factor]) -> list[str]:
    """Key of a site's PUE; none for 1, which is no factor."""
    if pue == 1.0:
        return []
    key = f"ledger.pue.{pue:g}"
    factors[key] = Factor(
        key=key,
        value=pue,
        low=pue,
        high=pue,
        unit="1",
        method="assumed",
        source="declared when the run was measured",
        spread="exact",
    )
    return [key]


def _grid(zone: str, intensity: Quantity, factors: dict[str, Factor]) -> str:
    """Key of an intensity: one a zone while the value is the same, and numbered where hours differ."""
    number = 0
    while True:
        number += 1
        key = f"ledger.grid.{zone}" + (f".{number}" if number > 1 else "")
        new = factor_of(key, intensity)
        if factors.setdefault(key, new) == new:
            return key


def _title(run: PhaseRun) -> str:
    """Name with the beginning of the id: names repeat."""
    return f"{run.name} ({run.id[:8]})"
