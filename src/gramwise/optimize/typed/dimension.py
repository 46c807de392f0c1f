"""What kind of thing an expression is: dimensions inferred through its tree, decibels apart.

Sums and comparisons need the same dimension (counts are ignored: one request is one), ``ln`` and ``exp`` need none,
``sqrt`` halves it. ``log2`` may count bits, as in Shannon's rate ``B*log2(1 + snr)``: its result is a pure number or
bits, whichever the place asks for; hertz are per second or cycles per second likewise. Decibels add to decibels, and
only ``db_to_linear`` makes a factor of them. A literal 0 is nothing of any kind and fits everywhere. Method: generative
planning, section 5.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from .bind import Bound
from .findings import Finding, Refused
from .nodes import Binary, Call, Compare, Node, Number, Power, Ref, Sum
from .units import BASES, NONE, Dimension, Unit, alike, parse_unit, spell

_BIT, _CYCLE = BASES.index("bit"), BASES.index("cycle")
_HERTZ = {"Hz", "kHz", "MHz", "GHz", "THz"}
_GRAMS = parse_unit("gCO2e").dims


Span = tuple[float, float]
EXACT: Span = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Kind:
    """Dimension of a value.

    Attributes:
        dims: exponents over the base units.
        log: decibels; ``dims`` is then that of the linear value (W for dBm).
        bits: range of further powers of a bit that may be read into it (``log2``).
        cycles: the same of a cycle (a clock given in Hz).
        zero: the literal 0, which fits every kind.
    """

    dims: Dimension
    log: bool = False
    bits: Span = EXACT
    cycles: Span = EXACT
    zero: bool = False

    def fits(self, other: Kind) -> bool:
        """Whether both may be added or compared."""
        if self.zero or other.zero:
            return True
        if self.log != other.log:
            return False
        spare = {_BIT: (self.bits, other.bits), _CYCLE: (self.cycles, other.cycles)}
        pairs = enumerate(zip(self.dims[:-1], other.dims[:-1], strict=True))
        return all(_reaches(b - a, *spare.get(i, (EXACT, EXACT))) for i, (a, b) in pairs)

    @property
    def sure(self) -> bool:
        """Whether nothing more may be read into it."""
        return self.bits == EXACT and self.cycles == EXACT

    def __str__(self) -> str:
        return ("decibels of " if self.log else "") + spell(self.dims)


@dataclass(frozen=True, slots=True)
class Inferred:
    """Kinds of the named terms, and what is wrong with units."""

    derived: dict[str, Kind]
    findings: list[Finding]


def infer(bound: Bound) -> Inferred:
    """Dimensions of every derived term, the objective and both sides of every constraint.

    Returns:
        Findings E301 (unlike things added, compared or declared), E302 (decibels as a factor), E303 (the objective is
        no carbon), each with the fragment of text; at most one a declaration.
    """
    kinds: dict[str, Kind] = {}
    findings: list[Finding] = []
    for name, term in bound.derived.items():
        # A term that is wrong itself is taken as declared, so that one fault is not told twice.
        kinds[name] = _declared(term.unit)
        try:
            _must_be(kind_of(term.body, bound, kinds), kinds[name], f"the declared {term.unit.symbol}")
        except Refused as refused:
            findings.append(refused.at(f"derived {name}"))
    findings += _objective(bound, kinds)
    for constraint in bound.constraints:
        try:
            left, right = (kind_of(side, bound, kinds) for side in (constraint.lhs, constraint.rhs))
            _conditions_of(constraint.scope.where, bound, kinds)
            _must_be(left, right, "the right-hand side")
        except Refused as refused:
            findings.append(refused.at(f"constraint {constraint.record.name}"))
    return Inferred(kinds, findings)


def _objective(bound: Bound, kinds: dict[str, Kind]) -> list[Finding]:
    try:
        kind = kind_of(bound.objective, bound, kinds)
    except Refused as refused:
        return [refused.at("objective")]
    unit = bound.problem.objective.unit
    if kind.log or not kind.fits(Kind(_GRAMS)) or not alike(parse_unit(unit).dims, _GRAMS):
        message = f"the objective is {kind}, declared in {unit}; it must be grams CO2e."
        return [Finding(code="E303", where="objective", message=message, fix=_carbon_fix(kind.dims))]
    return []


def _carbon_fix(dims: Dimension) -> str:
    if spell((*dims[:-1], 0)) == "J":
        return "Multiply the energy by the carbon intensity."
    return "Write energy times carbon intensity, or grams."


def kind_of(node: Node, bound: Bound, derived: dict[str, Kind]) -> Kind:
    """Dimension of a tree.

    Args:
        node: an expression of ``bound``.
        bound: where its names are declared.
        derived: kinds of the derived terms that it may use.

    Raises:
        Refused: E301 or E302 at the first fault.
    """
    match node:
        case Number():
            return _literal(node)
        case Ref():
            return _named(node.name, bound, derived)
        case Sum():
            _conditions_of(node.scope.where, bound, derived)
            return _no_level("sum", kind_of(node.body, bound, derived))
        case Power():
            return _powered(kind_of(node.base, bound, derived), node.exponent)
        case Call():
            return _called(node.name, [kind_of(a, bound, derived) for a in node.args])
        case Binary():
            left, right = kind_of(node.left, bound, derived), kind_of(node.right, bound, derived)
            return _added(node.op, left, right) if node.op in "+-" else _multiplied(node.op, left, right)


def _literal(node: Number) -> Kind:
    unit = parse_unit(node.unit)
    if not math.isfinite(unit.to_base(node.value)):
        raise Refused("E103", f"{node.value:g} {unit.symbol} leaves the range of numbers.")
    return replace(_declared(unit), zero=node.value == 0 and not unit.log)


def _named(name: str, bound: Bound, derived: dict[str, Kind]) -> Kind:
    if name in derived:
        return derived[name]
    held = bound.params.get(name) or bound.variables.get(name)
    # A binder stands for its position, which is a pure number.
    return Kind(NONE) if held is None else _declared(held.unit)


def _conditions_of(conditions: tuple[Compare, ...], bound: Bound, derived: dict[str, Kind]) -> None:
    for condition in conditions:
        left, right = (kind_of(side, bound, derived) for side in (condition.left, condition.right))
        _must_be(left, right, "the other side of the condition")


def _must_be(found: Kind, wanted: Kind, what: str) -> None:
    if found.fits(wanted):
        return
    if found.log != wanted.log:
        raise Refused(
            "E302",
            f"{found} against {what} ({wanted}): decibels are not a plain number.",
            fix="Write db_to_linear(...).",
        )
    raise Refused("E301", f"{found} against {what} ({wanted}).", fix=_fix(found.dims, wanted.dims))


def _fix(a: Dimension, b: Dimension) -> str:
    apart = [x - y for x, y in zip(a[:-1], b[:-1], strict=True)]
    if apart[_CYCLE] and not any(e for i, e in enumerate(apart) if i != _CYCLE):
        return "Give clocks in cycle/s, as Gcycle/s for GHz, and work in cycles."
    if spell((*apart, 0)) in ("s", "s^-1"):
        return "One side is a rate or a power, the other an amount: a duration is missing."
    return ""


def _added(op: str, left: Kind, right: Kind) -> Kind:
    if left.log and right.log:
        return _decibels(op, left, right)
    if left.log != right.log and not (left.zero or right.zero):
        raise Refused(
            "E302", f"{left} and {right} are added: decibels add to decibels.", fix="Write db_to_linear(...)."
        )
    if not left.fits(right):
        verb = "added to" if op == "+" else "subtracted from"
        raise Refused("E301", f"{right} is {verb} {left}.", fix=_fix(left.dims, right.dims))
    if left.zero:
        return replace(right, zero=left.zero and right.zero)
    # Of two readings the more definite one holds for the sum.
    return left if left.sure or right.zero else right


def _decibels(op: str, left: Kind, right: Kind) -> Kind:
    if op == "-" and alike(left.dims, right.dims):
        return Kind(NONE, log=True)
    if alike(right.dims, NONE):
        return left
    if op == "+" and alike(left.dims, NONE):
        return right
    raise Refused("E302", f"{left} and {right} do not add: at most one of them is a level such as dBm.")


def _multiplied(op: str, left: Kind, right: Kind) -> Kind:
    if left.log or right.log:
        raise Refused(
            "E302",
            "decibels stand as a factor.",
            fix="Write db_to_linear(...) where the quantity is a factor.",
        )
    sign = 1 if op == "*" else -1
    return Kind(
        tuple(a + sign * b for a, b in zip(left.dims, right.dims, strict=True)),
        bits=_plus(left.bits, _times(right.bits, sign)),
        cycles=_plus(left.cycles, _times(right.cycles, sign)),
        zero=left.zero or (right.zero and op == "*"),
    )


def _powered(base: Kind, exponent: float) -> Kind:
    if base.log:
        raise Refused(
            "E302",
            "decibels are raised to a power.",
            fix="Write db_to_linear(...) where the quantity is a factor.",
        )
    return Kind(
        tuple(exponent * d for d in base.dims),
        bits=_times(base.bits, exponent),
        cycles=_times(base.cycles, exponent),
        zero=base.zero,
    )


def _called(name: str, args: list[Kind]) -> Kind:
    first = args[0]
    if name in ("min", "max"):
        for other in args[1:]:
            first = _common(name, first, other)
        return _no_level(name, first)
    if name == "pwl":
        _must_be(first, args[1], "the corners of pwl")
        return args[2]
    if name == "db_to_linear":
        if not first.log:
            raise Refused(
                "E302", f"db_to_linear takes decibels, not {first}.", fix="Declare the unit as dB or dBm."
            )
        return Kind(first.dims)
    if name == "abs":
        return _no_level(name, first)
    if first.log:
        raise Refused("E302", f"{name} of decibels.", fix="Write db_to_linear(...) inside it.")
    if name == "sqrt":
        return _powered(first, 0.5)
    if not first.fits(Kind(NONE)):
        raise Refused("E301", f"{name} takes a pure number, not {first}.")
    return Kind(NONE, bits=(0.0, 1.0) if name == "log2" else (0.0, 0.0))


def _no_level(name: str, kind: Kind) -> Kind:
    # What 0 dBm stands for is followed through + and - only; see `compiled`.
    if kind.log and not alike(kind.dims, NONE):
        raise Refused("E302", f"{name} of levels such as dBm.", fix="Write db_to_linear(...) inside it.")
    return kind


def _common(name: str, left: Kind, right: Kind) -> Kind:
    if not left.fits(right):
        raise Refused("E301", f"{name} of {left} and {right}.", fix=_fix(left.dims, right.dims))
    return right if left.zero else left


def _declared(unit: Unit) -> Kind:
    # A processor's clock in GHz counts cycles, a radio's bandwidth does not: the place decides.
    return Kind(unit.dims, unit.log, cycles=(0.0, 1.0) if unit.symbol in _HERTZ else EXACT)


def _plus(a: Span, b: Span) -> Span:
    return (a[0] + b[0], a[1] + b[1])


def _times(span: Span, factor: float) -> Span:
    low, high = sorted((span[0] * factor, span[1] * factor))
    return (low, high)


def _reaches(apart: float, a: Span, b: Span) -> bool:
    """Whether two kinds that are ``apart`` in a base can be read as equal."""
    return a[0] - b[1] - 1e-9 <= apart <= a[1] - b[0] + 1e-9


def reference_of(node: Node, bound: Bound) -> float:
    """What 0 decibels of a tree stand for in base units: 1, or 0.001 J/s for dBm; sums multiply, differences divide."""
    match node:
        case Number():
            unit = parse_unit(node.unit)
            return unit.factor if unit.log else 1.0
        case Ref():
            held = bound.params.get(node.name) or bound.derived.get(node.name)
            return held.unit.factor if held is not None and held.unit.log else 1.0
        case Binary(op="+"):
            return reference_of(node.left, bound) * reference_of(node.right, bound)
        case Binary(op="-"):
            return reference_of(node.left, bound) / reference_of(node.right, bound)
        case _:
            return 1.0
