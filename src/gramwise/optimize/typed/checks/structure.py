"""Pass 7: a decision that carbon pulls one way and nothing pulls back is no decision.

Directions come from the tree (`intervals`): the objective only rises, or only falls, with a variable, whatever the
numbers are but for their signs. Such a variable goes to its bound unless some constraint is broken there and would be
mended by moving it back. Variables are pinned to their bounds together and released one by one, until those that are
left satisfy every constraint where they are: then doing nothing is best, and the problem says nothing. Numbers count
by their sign only, so that a choice which is easy on today's data is not called unopposed.
"""

from __future__ import annotations

import numpy as np

from ..bind import Bound
from ..findings import Finding
from ..ranges import Ranges

_PLACEHOLDER = 1e9
_ROUNDS = 32


def check_structure(bound: Bound) -> list[Finding]:
    """E701 (unopposed variable), E702 (only a placeholder bound holds the objective back)."""
    pulls = _pulls(bound)
    left = _unopposed(bound, dict.fromkeys(bound.variables, "lower") | {n: p for n, p in pulls.items() if p})
    found = []
    for name in pulls:
        if pulls[name] and name in left:
            finding = _judged(bound, name, pulls[name])
            if finding is not None:
                found.append(finding)
    return found


def _pulls(bound: Bound) -> dict[str, str]:
    """To which bound the objective pulls each variable that it holds: lower, upper, or neither for certain ("")."""
    objective = Ranges(bound, signs=True).objective()
    pulls = {}
    for name in objective.up:
        rises, falls = bool(objective.up[name].any()), bool(objective.down[name].any())
        if rises != falls:
            pulls[name] = "lower" if rises else "upper"
        elif rises:
            pulls[name] = ""
    return pulls


def _unopposed(bound: Bound, pins: dict[str, str]) -> dict[str, str]:
    objective = Ranges(bound, signs=True).objective()
    # Pulled both ways: free from the start.
    pins = {
        n: p
        for n, p in pins.items()
        if not (n in objective.up and objective.up[n].any() and objective.down[n].any())
    }
    for _ in range(_ROUNDS):
        opposed = {name for name in pins if _pushed_back(bound, pins, name)}
        if not opposed:
            break
        pins = {n: p for n, p in pins.items() if n not in opposed}
    return pins


def _pushed_back(bound: Bound, pins: dict[str, str], name: str) -> bool:
    """Whether a constraint may be broken with all of ``pins`` in place and mended by moving ``name`` away."""
    pinned = Ranges(bound, pins, signs=True)
    loose = Ranges(bound, {n: p for n, p in pins.items() if n != name}, signs=True)
    for c in bound.constraints:
        at, keep = pinned.excess(c)
        moved, _ = loose.excess(c)
        if name not in moved.up:
            continue
        above = keep & ((at.hi > 0) | at.gone) if c.rel != ">=" else np.zeros_like(keep)
        below = keep & ((at.lo < 0) | at.gone) if c.rel != "<=" else np.zeros_like(keep)
        rises, falls = (moved.up, moved.down) if pins[name] == "lower" else (moved.down, moved.up)
        if (above & falls[name]).any() or (below & rises[name]).any():
            return True
    return False


def _judged(bound: Bound, name: str, pull: str) -> Finding | None:
    record = next(v for v in bound.problem.variables if v.name == name)
    held = bound.variables[name]
    given = record.lower if pull == "lower" else record.upper
    ends = held.lower if pull == "lower" else held.upper
    sourced = isinstance(given, str) or record.source != "structure"
    if held.domain != "binary" and not isinstance(given, str) and abs(given) >= _PLACEHOLDER and not sourced:
        return Finding(
            code="E702",
            where=f"variable {name}",
            message=f"carbon falls without limit as {name} goes to its {pull} bound of {given:g}.",
            fix="Say what limits it.",
        )
    if held.domain != "binary" and (ends != 0).any() and (sourced or (pull == "lower" and (ends > 0).any())):
        return None  # a floor or a ceiling that somebody asked for is what pushes back
    direction, wanted = ("falls", "more") if pull == "lower" else ("rises", "less")
    return Finding(
        code="E701",
        where=f"variable {name}",
        message=f"carbon only falls as {name} {direction}, and no constraint asks for {wanted}: its {pull} bound is "
        "always best.",
        fix="A demand, a deadline or a quality goal is missing.",
    )
