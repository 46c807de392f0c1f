"""What sort of problem it is, and what made it so: the class that routing and reports go by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from .affine import ground
from .milp import of_grounded

if TYPE_CHECKING:
    from ..typed.bind import Bound

Class: TypeAlias = Literal["LP", "MILP", "convex", "mixed convex", "non-convex"]


@dataclass(frozen=True, slots=True)
class Structure:
    """The class of a problem.

    Attributes:
        written: kinds of terms as they stand, such as ``bilinear`` or ``power``; empty where all is linear.
        kind: its class after rewrites.
        exact: the matrix form's optimum is the problem's (tangents brought close count).
        real: every variable is real.
        notes, relaxed: rewrites, and what could only be relaxed.
        reason: the class in words.
    """

    written: tuple[str, ...]
    kind: Class
    exact: bool
    real: bool
    notes: tuple[str, ...]
    relaxed: tuple[str, ...]
    reason: str


def structure(bound: Bound) -> Structure:
    """Classify a problem.

    Raises:
        Refused: it does not compile (E103, E404, E704).
    """
    grounded = ground(bound)
    forms = [grounded.objective, *(r.form for r in grounded.rows)]
    written = {a.kind for a in grounded.columns.atoms if a.kind != "product"}
    binary = grounded.columns.binary
    if any(a.kind == "product" for a in grounded.columns.atoms):
        written.add("product of more than two")
    for form in forms:
        if len(form.qrow):
            both = binary[form.qa] & binary[form.qb]
            one = binary[form.qa] | binary[form.qb]
            names = np.where(both, "binary*binary", np.where(one, "binary*real", "bilinear"))
            written |= set(names.tolist())
    milp = of_grounded(grounded)
    real = not any(v.domain != "real" for v in bound.variables.values())
    whole = bool(milp.integrality.any())
    kind: Class
    if milp.relaxed:
        kind = "non-convex"
    elif milp.curves:
        kind = "mixed convex" if whole else "convex"
    else:
        kind = "MILP" if whole else "LP"
    reason = {
        "LP": "every term is linear and every variable real.",
        "MILP": "every term is linear after exact rewrites, with whole variables.",
        "convex": "every curve bends the way the optimum presses, so that tangents close in on it.",
        "mixed convex": "whole variables, and every curve bends the way the optimum presses.",
        "non-convex": "a matrix can only relax it, which gives a bound: " + " ".join(milp.relaxed),
    }[kind]
    return Structure(tuple(sorted(written)), kind, milp.exact, real, milp.notes, milp.relaxed, reason)
