"""Whether two typed problems of one description mean the same: their optima under 20 random draws of the numbers.

An equal optimum on the numbers as given can hide a wrong model. So each number of the text is multiplied by a
factor of its own, drawn between 0.7 and 1.3 and common to both problems (decibels are shifted; counts, positions
and sizes are kept), and on every draw the optima must agree to 1e-6. Where the variables of one correspond to
those of the other, each optimal decision must also be feasible in the other problem at equal grams; where no such
correspondence is found, the verdict rests on the optima alone and says so. `same_region` and `fingerprint` are
second opinions. Method: generative planning, section 7.5.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from gramwise.core.errors import GramwiseError
from gramwise.optimize.typed.bind import Bound, bind
from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.record import Param, Problem, SetDecl
from gramwise.optimize.typed.units import Unit, parse_unit

from .expand import Affine, NotAffine, Program, expand, grams, solve, violations

Span = tuple[int, int]
Ints = NDArray[np.int64]
CLOSE = 1e-6
LOW, HIGH = 0.7, 1.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the comparison of two problems says.

    Attributes:
        same: equivalent by the definition above.
        why: what differs; empty where nothing does.
        draws: draws compared; ``feasible`` of them with an optimum.
        decisions: whether optimal decisions were carried over, or the optima alone were compared.
        same_region: whether random prices on the corresponding variables have equal optima in both, so that no
            constraint is missing that happens not to bind; None without a correspondence.
        same_print: whether both have the same `fingerprint`.
    """

    same: bool
    why: str = ""
    draws: int = 0
    feasible: int = 0
    decisions: bool = False
    same_region: bool | None = None
    same_print: bool = False


def equivalent(
    truth: Problem, other: Problem, *, kept: Sequence[Span] = (), draws: int = 20, seed: int = 0
) -> Verdict:
    """Compare ``other`` with ``truth``.

    Args:
        truth: whose spans name the numbers of the text.
        other: judged; its spans are matched with the truth's by overlap. A number from a passage that the truth
            does not use gets a factor of its own, so that using it shows.
        kept: spans of counts, positions and sizes, never scaled.
        draws: with an optimum; infeasible ones must be infeasible in both and do not count, up to twice as many.
        seed: of the factors.
    """
    book = _Book(truth, kept)
    rng = np.random.default_rng(seed)
    pairing: _Pairing | None = None
    seen = found = 0
    same_print = False
    for draw in range(3 * draws):
        factors = _Factors(book, rng if draw else None)
        left, right = _solved(factors.apply(truth)), _solved(factors.apply(other))
        if left.fault or right.fault:
            return Verdict(same=False, why=right.fault or left.fault, draws=seen, feasible=found)
        if draw == 0:
            pairing = _pair(left, right)
            same_print = _printed(left) == _printed(right)
        seen += 1
        why = _differ(left, right, pairing)
        if why:
            region = _regions_agree(left, right, pairing, rng) if pairing and draw == 0 else None
            return Verdict(
                same=False,
                why=f"draw {draw}: {why}",
                draws=seen,
                feasible=found,
                decisions=pairing is not None,
                same_region=region,
                same_print=same_print,
            )
        if draw == 0 and pairing is not None:
            region_first = _regions_agree(left, right, pairing, rng)
        found += left.optimum is not None
        if found >= draws:
            break
    return Verdict(
        same=found > 0,
        why="" if found else "no draw was feasible",
        draws=seen,
        feasible=found,
        decisions=pairing is not None,
        same_region=region_first if pairing is not None else None,
        same_print=same_print,
    )


def fingerprint(problem: Problem) -> str:
    """A hash that ignores names and order: colours of variables and rows, refined over the matrix they form.

    Raises:
        ValueError: the problem does not bind or is not affine.
    """
    stated = _solved(problem)
    if stated.program is None:
        raise ValueError(stated.fault)
    return _printed(stated)


# ------------------------------------------------------------------ factors


def spans(source: str | tuple[str, ...]) -> Iterator[Span | None]:
    """The characters of each source; None where it is not of the text."""
    for one in (source,) if isinstance(source, str) else source:
        found = re.fullmatch(r"text:(\d+)-(\d+)", one)
        yield (int(found[1]), int(found[2])) if found else None


def elements(param: Param) -> list[tuple[float, str]]:
    """Each stored number in base units with its source; one number for all elements is one."""
    if param.values is None:
        return []
    unit = parse_unit(param.unit)
    numbers = [unit.to_base(float(v)) for v in np.asarray(param.values, dtype=float).reshape(-1)]
    sources = [param.source] if isinstance(param.source, str) else list(param.source)
    if len(sources) == 1:
        sources = sources * len(numbers)
    return list(zip(numbers, (sources + [""] * len(numbers))[: len(numbers)], strict=True))


class _Book:
    """The numbers of the text that the truth uses, by span."""

    def __init__(self, truth: Problem, kept: Sequence[Span]) -> None:
        self.kept = [(a, b) for a, b in kept]
        self.numbers: dict[Span, float] = {}
        self.units: dict[Span, Unit] = {}
        for param in truth.params:
            for value, source in elements(param):
                span = next(spans(source))
                if span:
                    self.numbers[span] = value
                    self.units[span] = parse_unit(param.unit)

    def key(self, source: str, value: float, unit: Unit) -> str | None:
        """What names the factor of a number; None where it is kept.

        A text may say a number twice: a passage that the truth does not cite stands for the only number of the truth
        with the same value and kind of unit.
        """
        span = next(spans(source))
        if span is None:
            return None if source in ("structure", "") else source
        if any(_overlap(span, k) for k in self.kept):
            return None
        near = [(s, _overlap(span, s)) for s in self.numbers if _overlap(span, s)]
        if not near:
            again = [
                s
                for s, v in self.numbers.items()
                if math.isclose(v, value, rel_tol=CLOSE) and self.units[s].same(unit)
            ]
            if again and all(any(_overlap(s, k) for k in self.kept) for s in again):
                return None
            return f"text:{again[0][0]}-{again[0][1]}" if len(again) == 1 else source
        best = max(near, key=lambda s: (math.isclose(self.numbers[s[0]], value, rel_tol=CLOSE), s[1]))[0]
        return f"text:{best[0]}-{best[1]}"


def _overlap(a: Span, b: Span) -> int:
    return max(0, min(a[1], b[1]) - max(a[0], b[0]))


class _Factors:
    """One factor for each number, the same in both problems; all 1 without ``rng``."""

    def __init__(self, book: _Book, rng: np.random.Generator | None) -> None:
        self.book = book
        self.salt = None if rng is None else int(rng.integers(2**62))

    def of(self, source: str, value: float, unit: Unit) -> float:
        key = self.book.key(source, value, unit)
        if self.salt is None or key is None:
            return 1.0
        digest = hashlib.sha256(f"{self.salt}|{key}".encode()).digest()
        return LOW + (HIGH - LOW) * int.from_bytes(digest[:7], "big") / 2**56

    def apply(self, problem: Problem) -> Problem:
        return problem.model_copy(update={"params": tuple(self._param(p) for p in problem.params)})

    def _param(self, param: Param) -> Param:
        if param.values is None or self.salt is None:
            return param
        unit = parse_unit(param.unit)
        factors = [self.of(source, value, unit) for value, source in elements(param)]
        given = np.asarray(param.values, dtype=float)
        shifted = given.reshape(-1) + 10 * np.log10(factors) if unit.log else given.reshape(-1) * factors
        values = shifted.reshape(given.shape).tolist() if given.ndim else float(shifted[0])
        return Param.model_validate({**param.model_dump(), "values": values})


# ------------------------------------------------------------------ solving


@dataclass(slots=True)
class _Solved:
    """A problem on one draw; ``x`` and ``optimum`` are None where nothing is feasible."""

    bound: Bound | None = None
    program: Program | None = None
    optimum: float | None = None
    x: NDArray[np.float64] | None = None
    fault: str = ""


def _solved(problem: Problem) -> _Solved:
    bound, findings = bind(problem)
    if bound is None:
        return _Solved(fault=f"does not bind: {findings[0] if findings else ''}")
    if any(p.values is None for p in bound.params.values()):
        return _Solved(bound=bound, fault="has an open parameter")
    try:
        program = expand(bound)
        answer = solve(program)
    except NotAffine:
        return _curved(bound)
    except (RuntimeError, Refused, OverflowError, ValueError) as fault:
        return _Solved(bound=bound, fault=f"cannot be solved: {fault}")
    return _Solved(bound, program, *(answer or (None, None)))


def _curved(bound: Bound) -> _Solved:
    """What is not affine goes through the package's own solver, whose rewrites are exact or bounded."""
    from gramwise.optimize.solvers.milp import MilpSolver

    try:
        solution: Any = MilpSolver().solve(bound, time_limit_s=20.0)
    except (Refused, GramwiseError) as fault:
        return _Solved(bound=bound, fault=f"cannot be solved: {fault}")
    if solution.status == "infeasible":
        return _Solved(bound=bound)
    if solution.status != "optimal" or solution.grams is None:
        return _Solved(bound=bound, fault=f"not solved: {solution.status}")
    return _Solved(bound=bound, optimum=float(solution.grams))


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=CLOSE, abs_tol=1e-12)


def _differ(left: _Solved, right: _Solved, pairing: _Pairing | None) -> str:
    if (left.optimum is None) != (right.optimum is None):
        return f"only the {'truth' if left.optimum is not None else 'other'} is feasible"
    if left.optimum is None or right.optimum is None:
        return ""
    if not _near(left.optimum, right.optimum):
        return f"{right.optimum:.9g} g against {left.optimum:.9g} g"
    if pairing is None or left.program is None or right.program is None or left.x is None or right.x is None:
        return ""
    carried, back = left.x[pairing.to_left], right.x[pairing.to_right]
    for name, program, x, optimum in (
        ("the truth's decision", right.program, carried, left.optimum),
        ("the other's decision", left.program, back, right.optimum),
    ):
        broken = violations(program, x)
        if broken:
            return f"{name} breaks {broken[0]} of the other problem"
        if not _near(grams(program, x), optimum):
            return f"{name} costs other grams in the other problem"
    return ""


# ------------------------------------------------------------ correspondence


@dataclass(slots=True)
class _Pairing:
    """``to_left[i]``: which scalar of the truth is scalar i of the other; ``to_right`` the other way."""

    to_left: Ints
    to_right: Ints


def _pair(left: _Solved, right: _Solved) -> _Pairing | None:
    """The first correspondence that carries the optima over; else the first that fits by shape, domain and unit."""
    if left.bound is None or right.bound is None or left.program is None or right.program is None:
        return None
    first = None
    for pairing in itertools.islice(_pairings(left.bound, right.bound), 200):
        if not _differ(left, right, pairing):
            return pairing
        first = first or pairing
    return first


def _pairings(left: Bound, right: Bound) -> Iterator[_Pairing]:
    ours, theirs = left.problem.variables, right.problem.variables
    if len(ours) != len(theirs) or left.width != right.width:
        return
    for order in itertools.permutations(theirs):
        blocks: list[list[tuple[slice, Ints]]] = []
        for mine, yours in zip(ours, order, strict=True):
            a, b = left.variables[mine.name], right.variables[yours.name]
            same_kind = (a.domain == "real") == (b.domain == "real") and a.unit.same(b.unit)
            options = list(_axes(left, right, a.index, b.index)) if same_kind and a.size == b.size else []
            if not options:
                break
            numbers = np.arange(a.start, a.start + a.size).reshape(a.shape)
            blocks.append(
                [
                    (
                        slice(b.start, b.start + b.size),
                        np.transpose(numbers[np.ix_(*rows)] if rows else numbers, turn).reshape(-1),
                    )
                    for turn, rows in options
                ]
            )
        else:
            for picked in itertools.product(*blocks):
                to_left = np.zeros(left.width, dtype=np.int64)
                for part, numbers in picked:
                    to_left[part] = numbers
                yield _Pairing(to_left, np.argsort(to_left))


def _axes(
    left: Bound, right: Bound, ours: tuple[str, ...], theirs: tuple[str, ...]
) -> Iterator[tuple[tuple[int, ...], list[Ints]]]:
    """Ways to lay the axes of one array on those of the other: a transposition and the order of labels by axis."""
    if len(ours) != len(theirs):
        return
    declared = {s.name: s for s in left.problem.sets}, {s.name: s for s in right.problem.sets}
    for turn in itertools.permutations(range(len(ours))):
        rows: list[Ints | None] = [None] * len(ours)
        for place, axis in enumerate(turn):
            rows[axis] = match_labels(declared[0][ours[axis]], declared[1][theirs[place]])
        if all(r is not None for r in rows):
            yield turn, [r for r in rows if r is not None]


def match_labels(ours: SetDecl, theirs: SetDecl) -> Ints | None:
    """For each element of ``theirs`` the place of the same one in ``ours``: by label where alike, else by order."""
    if ours.count != theirs.count:
        return None
    if ours.labels is None or theirs.labels is None or ours.ordered or theirs.ordered:
        return np.arange(ours.count)
    cost = np.array([[1 - _alike(a, b) for b in ours.labels] for a in theirs.labels])
    rows, columns = linear_sum_assignment(cost)
    if float(cost[rows, columns].max()) > 0.6:
        return np.arange(ours.count)
    return np.asarray(columns, dtype=np.int64)


def plain_label(label: str) -> str:
    """A label in lower case, letters and digits only."""
    return re.sub(r"[^a-z0-9]+", " ", label.lower()).strip()


def _alike(a: str, b: str) -> float:
    a, b = plain_label(a), plain_label(b)
    words, others = set(a.split()), set(b.split())
    shared = len(words & others) / max(1, min(len(words), len(others)))
    return max(shared, difflib.SequenceMatcher(None, a, b).ratio())


# ----------------------------------------------------------- second opinions


def _regions_agree(
    left: _Solved, right: _Solved, pairing: _Pairing, rng: np.random.Generator, trials: int = 10
) -> bool | None:
    """Equal optima under prices that crowd everything into one element of a set, or drive it out, with some noise."""
    if left.program is None or right.program is None or left.bound is None:
        return None
    crowds = [
        np.moveaxis(np.arange(v.start, v.start + v.size).reshape(v.shape), axis, 0)[place].reshape(-1)
        for v in left.bound.variables.values()
        for axis, size in enumerate(v.shape)
        for place in range(size)
    ] or [np.arange(left.bound.width)]
    for crowd in rng.permutation(len(crowds))[:trials]:
        for sign in (-1.0, 1.0):
            prices = rng.uniform(-0.3, 0.3, left.bound.width)
            prices[crowds[crowd]] += sign
            prices /= np.maximum(left.program.upper, 1e-12)
            a = solve(_priced(left.program, prices))
            b = solve(_priced(right.program, prices[pairing.to_left]))
            if (a is None) != (b is None):
                return False
            if a is not None and b is not None and not math.isclose(a[0], b[0], rel_tol=CLOSE, abs_tol=1e-6):
                return False
    return True


def _priced(program: Program, prices: NDArray[np.float64]) -> Program:
    cost = Affine(0.0, {i: float(p) for i, p in enumerate(prices)})
    return Program(cost, program.rows, program.lower, program.upper, program.whole)


def rows(program: Program) -> list[tuple[str, str, dict[int, float]]]:
    """Rows as constraint name, head (relation and right side) and coefficients, each scaled to its largest one.

    What can never fail (no variable left) is dropped, ``>=`` is turned round, and equalities start positive.
    """
    out = []
    for name, affine, rel in program.rows:
        weights = {i: w for i, w in affine.weights.items() if abs(w) > 1e-15}
        if not weights:
            continue
        size = max(abs(w) for w in weights.values())
        if rel == ">=" or (rel == "==" and sum(weights.values()) < 0):
            size = -size
        head = f"{'==' if rel == '==' else '<='}{_digits(-affine.constant / size)}"
        out.append((name, head, {i: w / size for i, w in weights.items()}))
    return out


def _digits(number: float) -> str:
    return f"{0.0 if abs(number) < 1e-12 else number:.6g}"


def _printed(stated: _Solved) -> str:
    if stated.program is None:
        return f"curved {id(stated)}"
    program = stated.program
    cost = program.cost.weights
    colour = [
        f"{program.whole[i]}|{_digits(cost.get(i, 0.0))}|{_digits(program.lower[i])}|{_digits(program.upper[i])}"
        for i in range(len(program.lower))
    ]
    table = rows(program)
    marks: list[str] = []
    for _ in range(4):
        colour = [_short(c) for c in colour]
        marks = [
            _short(h + str(sorted(f"{_digits(w)}{colour[i]}" for i, w in c.items()))) for _, h, c in table
        ]
        seen: list[list[str]] = [[] for _ in colour]
        for mark, (_, _, coefficients) in zip(marks, table, strict=True):
            for i, w in coefficients.items():
                seen[i].append(_digits(w) + mark)
        colour = [c + str(sorted(s)) for c, s in zip(colour, seen, strict=True)]
    return _short(
        str(sorted(_short(c) for c in colour)) + str(sorted(marks)) + _digits(program.cost.constant)
    )


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
