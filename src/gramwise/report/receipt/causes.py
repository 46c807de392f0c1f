"""What moved an account's grams, phase by phase: electricity as kWh x share x g/kWh x PUE, and made things by item.

The change of a product has no natural order: each of its terms gets its Shapley value, the mean of what it adds over
all orders in which the terms may change, and these sum to the change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from gramwise.core.footprint import EMBODIED
from gramwise.core.receipt import TOLERANCE
from gramwise.core.units import J_PER_KWH

Row = Mapping[str, Any]
_PLAYERS = ("energy", "placement", "intensity", "pue", "version")
"""What may change in electricity; ``version``: intensities whose source changed, not their value alone."""
_KIND = ("source", "method", "boundary", "signal", "basis")
"""What makes two rows of one factor different versions of it rather than different values."""


@dataclass(frozen=True, slots=True)
class _Wire:
    """Electricity of one component in one phase: kWh, grams of a kWh without PUE, PUE."""

    energy_kwh: float
    g_per_kwh: float
    pue: float


@dataclass(slots=True)
class Side:
    """One account with its factors, scaled to the total or to one unit."""

    book: Row
    factors: Row
    scale: float
    by_phase: dict[str, list[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in self.book["items"]:
            self.by_phase.setdefault(row["phase"], []).append(row)

    def has(self, phase: str) -> bool:
        """Whether the account counts the phase."""
        return phase in self.by_phase

    def rows(self, phase: str) -> list[Row]:
        """Its items of a phase; none where it does not count it."""
        return self.by_phase.get(phase, [])

    def grams(self, rows: Iterable[Row]) -> float:
        """Their sum, of the account or of one unit, as the comparison is."""
        return math.fsum(row["carbon"]["value"] for row in rows) * self.scale

    def wires(self, phase: str) -> dict[str, _Wire]:
        """Electricity by component; what has no joules is not in it."""
        by_component: dict[str, list[Row]] = {}
        for row in self.rows(phase):
            if _electric(row):
                by_component.setdefault(row["component"], []).append(row)
        return {name: self._wire(rows) for name, rows in by_component.items()}

    def _wire(self, rows: list[Row]) -> _Wire:
        energy_kwh = math.fsum(row["energy_j"]["value"] for row in rows) / J_PER_KWH
        pues = [self._pue(row) for row in rows]
        charged_j = math.fsum(row["energy_j"]["value"] * pue for row, pue in zip(rows, pues, strict=True))
        pue = pues[0] if len(set(pues)) == 1 else charged_j / J_PER_KWH / energy_kwh
        met = math.fsum(row["carbon"]["value"] for row in rows) / (charged_j / J_PER_KWH)
        keys = {row["intensity"] for row in rows}
        known = self.factors[keys.pop()]["value"] if len(keys) == 1 and None not in keys else met
        # The recorded value where it is that but for rounding: else rounding would pass for a change.
        return _Wire(
            energy_kwh * self.scale, known if math.isclose(known, met, rel_tol=TOLERANCE) else met, pue
        )

    def _pue(self, row: Row) -> float:
        return float(self.factors[row["pue"]]["value"]) if row["pue"] else 1.0

    def intensity(self, phase: str, component: str) -> Row | None:
        """The intensity that a component's items of a phase rest on, where it is one."""
        keys = {r["intensity"] for r in self.rows(phase) if r["component"] == component}
        key = keys.pop() if len(keys) == 1 else None
        return None if key is None else {"key": key, **self.factors[key]}


def _electric(row: Row) -> bool:
    return row["energy_j"] is not None and row["energy_j"]["value"] > 0.0


def phase_parts(phase: str, a: Side, b: Side, notes: list[str]) -> Iterator[tuple[str, float]]:
    """Cause and grams of every part of a phase's change."""
    if a.has(phase) != b.has(phase):
        side, sign, which = (a, -1.0, "first") if a.has(phase) else (b, 1.0, "second")
        notes.append(
            f"Only the {which} account counts the phase {phase!r}; its grams are a change of boundary."
        )
        yield "method", sign * side.grams(side.rows(phase))
    elif phase in EMBODIED:
        yield from _made(phase, a, b, notes)
    else:
        yield from _electricity(phase, a, b)
        rest = [side.grams(r for r in side.rows(phase) if not _electric(r)) for side in (a, b)]
        yield "other", rest[1] - rest[0]


def _made(phase: str, a: Side, b: Side, notes: list[str]) -> Iterator[tuple[str, float]]:
    """Embodied grams by item: a change of versions alone is one of method, any other one of hardware."""
    left, right = ({row["name"]: row for row in side.rows(phase)} for side in (a, b))
    for name in dict.fromkeys((*left, *right)):
        grams = [side.grams([rows[name]] if name in rows else []) for side, rows in ((a, left), (b, right))]
        kinds = _kinds(left.get(name), right.get(name), a, b)
        if kinds == {"version", "value"}:
            notes.append(f"{name}: values and sources changed together; the change is put to hardware.")
        yield ("method" if kinds == {"version"} else "hardware"), grams[1] - grams[0]


def _kinds(left: Row | None, right: Row | None, a: Side, b: Side) -> set[str]:
    """How the factors of an item changed: in version, in value alone, or by being others."""
    if left is None or right is None:
        return {"value"}
    found = set()
    for key in dict.fromkeys((*left["factors"], *right["factors"])):
        before, after = a.factors.get(key), b.factors.get(key)
        if key not in left["factors"] or key not in right["factors"]:
            found.add("value")
        elif before["version"] != after["version"]:  # type: ignore[index]  # both name it, so both hold it
            found.add("version" if reversioned(before, after) else "value")
    return found


def reversioned(before: Row | None, after: Row | None) -> bool:
    """Whether a factor is known in another way than it was, rather than being another number."""
    return before is not None and after is not None and any(before.get(k) != after.get(k) for k in _KIND)


def _electricity(phase: str, a: Side, b: Side) -> Iterator[tuple[str, float]]:
    """Shapley values of the electricity of a phase: kWh x share x g/kWh x PUE, summed over components."""
    wires = a.wires(phase), b.wires(phase)
    names = list(dict.fromkeys((*wires[0], *wires[1])))
    if not names:
        return
    whole = [math.fsum(wire.energy_kwh for wire in side.values()) for side in wires]
    versions = {name for name in names if _other_version(a.intensity(phase, name), b.intensity(phase, name))}

    def wire(name: str, changed: bool) -> _Wire:
        # A component that only one side used has no rate on the other: its own stands in, so that only joules moved.
        first, second = (wires[1], wires[0]) if changed else wires
        return first.get(name) or second[name]

    def share(name: str, changed: bool) -> float:
        side = changed if whole[changed] else not changed
        found = wires[side].get(name)
        return found.energy_kwh / whole[side] if found else 0.0

    def grams(changed: Collection[str]) -> float:
        return whole["energy" in changed] * math.fsum(
            share(name, "placement" in changed)
            * wire(name, ("version" if name in versions else "intensity") in changed).g_per_kwh
            * wire(name, "pue" in changed).pue
            for name in names
        )

    as_method = _known_otherwise(a.rows(phase), b.rows(phase))
    for player, value in _shapley(grams).items():
        method = player == "version" or (player == "energy" and as_method)
        yield "method" if method else player, value


def _shapley(worth: Callable[[Collection[str]], float]) -> dict[str, float]:
    """Shapley values of a set function over `_PLAYERS` (Shapley, 1953): they sum to worth(all) - worth(none)."""
    n = len(_PLAYERS)
    values = {}
    for player in _PLAYERS:
        rest = [p for p in _PLAYERS if p != player]
        values[player] = math.fsum(
            (worth((*group, player)) - worth(group)) / (n * math.comb(n - 1, size))
            for size in range(n)
            for group in combinations(rest, size)
        )
    return values


def _other_version(before: Row | None, after: Row | None) -> bool:
    """Whether an intensity of the same place is known in another way: another place is a change of the grid met."""
    if before is None or after is None:
        return False
    places = [row.get("zone") or row["key"] for row in (before, after)]
    return places[0] == places[1] and reversioned(before, after)


def _known_otherwise(before: list[Row], after: list[Row]) -> bool:
    """Whether joules of a component are known in another way: measured not modelled, at the wall not the chip."""
    ways: list[dict[str, set[tuple[str, str]]]] = [{}, {}]
    for found, rows in zip(ways, (before, after), strict=True):
        for row in filter(_electric, rows):
            found.setdefault(row["component"], set()).add(
                (row["energy_j"]["method"], row["energy_j"]["boundary"])
            )
    return any(ways[0][name] != ways[1][name] for name in ways[0].keys() & ways[1].keys())
