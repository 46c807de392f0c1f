"""What a bare number counts, and what an energy is spent per, as far as that tells one symbol from another.

"At least three of the five clinics" counts clients, "3000 samples" counts data, "6 people on call" counts neither;
"2 J" under the heading "energy per sample" is no energy of a whole round. A noun that no list knows says nothing.
"""

from __future__ import annotations

import re

from gramwise.optimize.knowledge.entry import Symbol

from .assemble_cues import stem
from .assemble_groups import Frame
from .assemble_quantity import COUNTED
from .statement import Figure, Reading

_NEVER_COUNTED = frozenset(
    map(
        stem,
        [
            "person",
            "people",
            "employee",
            "colleague",
            "cat",
            "dog",
            "child",
            "team",
            "page",
            "router",
            "car",
            "floor",
            "office",
            "rack",
            "server",
            "core",
        ],
    )
)
_COPIES = frozenset(map(stem, ["instance", "copy", "pod", "helper", "container"]))
_ENERGIES = frozenset(("J", "kJ", "MJ", "mJ", "uJ", "Wh", "mWh", "kWh"))
_PERIODS = frozenset(("h", "hour", "d", "day", "week", "month", "year", "night"))
_WHOLES = frozenset(("round", "replica", "client", "user", "job"))
"""What an energy of a member may be told per, while it is still the member's energy."""
_PER = re.compile(r"\b(?:per|each|every)\s+(\w+)")


def count_others(a: Figure, b: Figure) -> bool:
    """Whether two bare numbers count different things."""
    return bool(not a.unit and not b.unit and a.noun and b.noun and stem(a.noun) != stem(b.noun))


def per_others(a: Figure, b: Figure) -> bool:
    """Whether one is told per thing and the other not, or per another thing: 150 Wh, and 6 mWh per request."""
    mine, theirs = _told_per(a), _told_per(b)
    return mine != theirs and "?" not in (mine, theirs)


def is_load(figure: Figure, reading: Reading) -> bool:
    """Whether an energy is told per thing that this number counts: then it is an amount of work."""
    noun = stem(figure.noun)
    return bool(noun) and any(
        f.unit in _ENERGIES and f.each and stem(f.noun) == noun for f in reading.figures
    )


def told_per_thing(figure: Figure, symbol: Symbol) -> bool:
    """Whether an energy is told per something that may be what ``symbol`` is told per: "an answer consumes 0.9 Wh"."""
    noun = _per(figure)
    energy = figure.unit.partition("/")[0] in _ENERGIES
    return symbol.unit.startswith("J/") and bool(noun) and noun not in _WHOLES and energy


def of_load_cost(figure: Figure, symbol: Symbol, reading: Reading) -> float:
    """More where an energy told per thing that the text counts ("3 Wh per question", of 900 questions) is tried as the
    energy of a whole, less where as the energy per thing."""
    noun, top = stem(figure.noun) if figure.each else "", symbol.unit.partition("/")
    if not noun or noun in _WHOLES or figure.unit not in _ENERGIES or top[0] != "J":
        return 0.0
    load = [f for f in reading.figures if not f.each and f.unit not in _ENERGIES and f.value > 1]
    counted = any(stem(f.noun) == noun for f in load)
    return 0.0 if not counted else -0.2 if top[2] in COUNTED else 0.5 if not top[2] else 0.0


def over_period(figure: Figure, symbol: Symbol) -> bool:
    """Whether an energy for a period ("1.5 kWh a day") is tried as one per thing, which it never is."""
    energy, _, period = figure.unit.partition("/")
    return energy in _ENERGIES and period in _PERIODS and symbol.unit.partition("/")[2] in COUNTED


def _told_per(figure: Figure) -> str:
    below = figure.unit.partition("/")[2]
    if below in COUNTED:
        return below
    if figure.unit not in _ENERGIES:
        return "?"
    return stem(_per(figure)) or ("?" if figure.each else "")


def counted_cost(figure: Figure, symbol: Symbol, frame: Frame) -> float:
    """What the counted noun, or the noun behind "per", adds to the cost of taking ``figure`` for ``symbol``."""
    if not figure.unit:
        noun = figure.noun or _headed(figure)
        return _of_count(stem(noun), symbol, frame, figure.value) if noun else 0.0
    noun = _per(figure)
    if not noun or figure.unit.partition("/")[0] not in _ENERGIES:
        return 0.0
    top, _, below = symbol.unit.partition("/")
    if top != "J":
        return 0.0
    if stem(below) == stem(noun):
        return -0.3
    if below and noun not in COUNTED:
        return -0.2
    return 0.6 if not below and noun in COUNTED - _WHOLES else 0.0


def _of_count(noun: str, symbol: Symbol, frame: Frame, figure_value: float) -> float:
    if symbol.unit not in COUNTED:
        return 0.0
    members = any(
        noun in {stem(n.split()[-1]) for n in (m.noun, *m.nouns) if n} for m in frame.members.values()
    )
    if noun == stem(symbol.unit) or (members and symbol.unit == "client"):
        return -0.15
    if noun in _COPIES:
        return -0.15 if symbol.unit == "replica" else 0.6
    other = noun in {stem(unit) for unit in COUNTED - {"item", "query", "image", "frame"}}
    if (
        symbol.unit == "client"
        and not members
        and figure_value > max((m.size for m in frame.members.values()), default=0)
    ):
        return 2.0  # no more can be chosen than there are
    strange = members and symbol.unit in ("sample", "round", "replica")
    return 1.0 if other or strange or noun in _NEVER_COUNTED else 0.0


def _headed(figure: Figure) -> str:
    """What the heading of a bare table cell counts: "pods min", "max replicas"."""
    words = re.findall(r"[a-z]+", figure.column.lower())
    if not figure.row or "per" in words:
        return ""
    return next((w for w in words if stem(w) in _COPIES or stem(w) in map(stem, COUNTED)), "")


def _per(figure: Figure) -> str:
    """The noun that a quantity is told per: in its heading, or behind it in the text."""
    below = figure.unit.partition("/")[2]
    if below:
        return below if below in COUNTED else ""
    told = _PER.search(figure.column.lower().replace("_", " "))
    if told is not None:
        return told[1]
    return figure.noun if figure.each else ""
