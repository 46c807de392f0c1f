"""Faults put into a sound problem on purpose: to see what notices them, and to serve a formulator's mistakes at a rate.

Each kind is a mistake that people and language models make. The choice of place is blind: a constraint that never
binds may be dropped, and then the mutant may be the same problem; the report counts those apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from gramwise.optimize.typed.record import Constraint, Param, Problem

_Rng = np.random.Generator

_FORGOT_3600 = {
    "kWh": "kJ",
    "Wh": "J",
    "MWh": "MJ",
    "mWh": "mJ",
    "gCO2e/kWh": "gCO2e/kJ",
    "h": "s",
    "min": "s",
    "Wh/GB": "J/GB",
    "kWh/GB": "kJ/GB",
    "kWh/TB": "kJ/TB",
    "Wh/request": "J/request",
    "mWh/request": "mJ/request",
}
_OTHER_KIND = {
    "kWh": "kW",
    "Wh": "W",
    "J": "W",
    "kJ": "kW",
    "mJ": "mW",
    "W": "Wh",
    "kW": "kWh",
    "gCO2e/kWh": "gCO2e/kW",
    "s": "Hz",
    "ms": "kHz",
    "Gcycle": "Gcycle/s",
    "kgCO2e": "kg",
    "Mbit/s": "Mbit",
    "J/MB": "W/MB",
    "h": "kWh",
}
_PREFIX = {
    "kWh": "MWh",
    "Wh": "kWh",
    "J": "kJ",
    "kJ": "J",
    "mJ": "J",
    "W": "kW",
    "kW": "W",
    "GB": "MB",
    "MB": "Mbit",
    "kB": "kbit",
    "ms": "s",
    "s": "ms",
    "gCO2e/kWh": "kgCO2e/kWh",
    "kgCO2e": "gCO2e",
    "percent": "1",
    "Gcycle": "Mcycle",
    "Mcycle": "Gcycle",
    "J/MB": "J/Mbit",
    "Mbit": "MB",
    "Wh/GB": "kWh/GB",
    "TB": "GB",
}


def _drop(p: Problem, rng: _Rng) -> Problem | None:
    if not p.constraints:
        return None
    gone = int(rng.integers(len(p.constraints)))
    return _with(p, constraints=tuple(c for i, c in enumerate(p.constraints) if i != gone))


def _flip(p: Problem, rng: _Rng) -> Problem | None:
    if not p.constraints:
        return None
    turned = {"<=": ">=", ">=": "<=", "==": "<="}
    place = int(rng.integers(len(p.constraints)))
    c = p.constraints[place]
    return _constraint(p, place, c.model_copy(update={"rel": turned[c.rel]}))


def _units(table: dict[str, str]) -> Callable[[Problem, _Rng], Problem | None]:
    def change(p: Problem, rng: _Rng) -> Problem | None:
        places = [
            i for i, q in enumerate(p.params) if q.unit in table and q.values is not None and _used(p, q.name)
        ]
        if not places:
            return None
        place = int(rng.choice(places))
        q = p.params[place]
        return _param(p, place, q.model_copy(update={"unit": table[q.unit]}))

    return change


def _index(p: Problem, rng: _Rng) -> Problem | None:
    sets = {s.name: s.count for s in p.sets}
    index = {q.name: q.index for q in p.params} | {v.name: v.index for v in p.variables}
    places = []
    for where, text in _texts(p):
        for found in re.finditer(r"\b([A-Za-z_]\w*)\[([^\[\]]*)\]", text):
            subscripts = [s.strip() for s in found[2].split(",")]
            for axis, subscript in enumerate(subscripts):
                over = index.get(found[1], ())
                if axis < len(over) and sets[over[axis]] > 1 and re.fullmatch(r"[a-z]", subscript):
                    changed = [*subscripts[:axis], "1", *subscripts[axis + 1 :]]
                    new = f"{text[: found.start()]}{found[1]}[{','.join(changed)}]{text[found.end() :]}"
                    places.append((where, new))
    if not places:
        return None
    where, new = places[int(rng.integers(len(places)))]
    return _rewritten(p, where, new)


def _invent(p: Problem, rng: _Rng) -> Problem | None:
    places = [i for i, q in enumerate(p.params) if q.values is not None and q.source != "structure"]
    if not places:
        return None
    place = int(rng.choice(places))
    q = p.params[place]
    values = np.asarray(q.values, dtype=float)
    flat = values.reshape(-1).copy()
    flat[int(rng.integers(flat.size))] *= 1.37
    shaped: Any = flat.reshape(values.shape).tolist() if values.ndim else float(flat[0])
    return _param(p, place, Param.model_validate({**q.model_dump(), "values": shaped}))


def _syntax(p: Problem, rng: _Rng) -> Problem | None:
    del rng
    return _rewritten(p, ("objective", 0, "expr"), p.objective.expr + " )")


def _unknown(p: Problem, rng: _Rng) -> Problem | None:
    if not p.params:
        return None
    name = p.params[int(rng.integers(len(p.params)))].name
    texts = [(w, t) for w, t in _texts(p) if re.search(rf"\b{name}\b", t)]
    if not texts:
        return None
    where, text = texts[int(rng.integers(len(texts)))]
    return _rewritten(p, where, re.sub(rf"\b{name}\b", f"{name}_total", text, count=1))


def _orphan(p: Problem, rng: _Rng) -> Problem | None:
    places = [i for i, q in enumerate(p.params) if q.source != "structure"]
    if not places:
        return None
    place = int(rng.choice(places))
    return _param(p, place, p.params[place].model_copy(update={"source": ""}))


KINDS: dict[str, Callable[[Problem, _Rng], Problem | None]] = {
    "drop": _drop,
    "flip": _flip,
    "unit_3600": _units(_FORGOT_3600),
    "unit_kind": _units(_OTHER_KIND),
    "unit_prefix": _units(_PREFIX),
    "index": _index,
    "invent": _invent,
    "syntax": _syntax,
    "unknown": _unknown,
    "orphan": _orphan,
}
"""By name: a constraint dropped; a sense flipped; 3600 forgotten; another kind of quantity; another prefix; a subscript
fixed to the first element; a number changed; a parenthesis too many; a name that does not exist; a source lost."""


def corrupt(problem: Problem, kind: str, rng: np.random.Generator) -> Problem | None:
    """The problem with one fault of ``kind``, a key of `KINDS`; None where it has no place for it.

    Raises:
        KeyError: there is no such kind.
    """
    return KINDS[kind](problem, rng)


def _with(p: Problem, **update: Any) -> Problem:
    return p.model_copy(update=update)


def _param(p: Problem, place: int, new: Param) -> Problem:
    return _with(p, params=tuple(new if i == place else q for i, q in enumerate(p.params)))


def _constraint(p: Problem, place: int, new: Constraint) -> Problem:
    return _with(p, constraints=tuple(new if i == place else c for i, c in enumerate(p.constraints)))


_Where = tuple[str, int, str]


def _texts(p: Problem) -> list[tuple[_Where, str]]:
    """Every expression of the problem with its place."""
    out: list[tuple[_Where, str]] = [(("objective", 0, "expr"), p.objective.expr)]
    out += [(("derived", i, "expr"), d.expr) for i, d in enumerate(p.derived)]
    for i, c in enumerate(p.constraints):
        out += [(("constraints", i, "lhs"), c.lhs), (("constraints", i, "rhs"), c.rhs)]
    return out


def _used(p: Problem, name: str) -> bool:
    return any(re.search(rf"\b{name}\b", text) for _, text in _texts(p))


def _rewritten(p: Problem, where: _Where, new: str) -> Problem:
    part, place, side = where
    if part == "objective":
        return _with(p, objective=p.objective.model_copy(update={"expr": new}))
    records = list(getattr(p, part))
    records[place] = records[place].model_copy(update={side: new})
    return _with(p, **{part: tuple(records)})
