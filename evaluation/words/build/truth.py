"""From a marked description to an item: the typed problem with its spans, and what is expected of a reader."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from gramwise.optimize.typed.record import (
    Constraint,
    Derived,
    Meta,
    Objective,
    Param,
    Problem,
    SetDecl,
    Variable,
)

from .marks import Marked

Kind = Literal["plain", "long", "mixed", "under", "contradictory", "out"]
Status = Literal["formulated", "needs_input", "contradiction", "out_of_scope"]


@dataclass
class Truth:
    """A problem in the making, over the numbers of a description."""

    marks: Marked
    sets: list[SetDecl] = field(default_factory=list)
    params: list[Param] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    derived: list[Derived] = field(default_factory=list)
    constraints: list[Constraint] = field(default_factory=list)
    objective: str = ""
    boundary: Literal["operational", "operational+embodied"] = "operational"

    def has(self, *keys: str) -> bool:
        """Whether the description gives all of ``keys``."""
        return all(k in self.marks for k in keys)

    def group(self, name: str, labels: Sequence[str] | int, *, ordered: bool = False) -> None:
        """A set by labels or by size."""
        if isinstance(labels, int):
            self.sets.append(SetDecl(name=name, size=labels, ordered=ordered))
        else:
            self.sets.append(SetDecl(name=name, labels=tuple(labels), ordered=ordered))

    def param(self, name: str, key: str, index: str = "", unit: str = "") -> bool:
        """The numbers marked ``key`` as a parameter over ``index``; False where the description has none."""
        if key not in self.marks:
            return False
        numbers, spans = list(self.marks.values[key]), list(self.marks.spans[key])
        over = tuple(index.split())
        given = unit or self.marks.units[key]
        if len(numbers) == math.prod(self._sizes(over)) and not any(map(math.isnan, numbers)):
            self.marks.placed.discard(key)
        if key in self.marks.placed:
            places = [i for i, v in enumerate(numbers) if not math.isnan(v)]
            over = (self._some(index, places),)
            numbers, spans = [numbers[i] for i in places], [spans[i] for i in places]
        if key == "f":  # a clock counts cycles; a bare hertz would not
            given = given.replace("Hz", "cycle/s")
        sources = tuple(f"text:{a}-{b}" for a, b in spans)
        if len(numbers) == 1:
            made = Param(name=name, index=over, unit=given, values=numbers[0], source=sources[0])
        else:
            made = Param(
                name=name, index=over, unit=given, values=self._shaped(numbers, over), source=sources
            )
        self.params.append(made)
        return True

    def at(self, key: str, binder: str, scale: str = "{}") -> str:
        """``key`` at ``binder`` within ``scale``, or nothing where the description does not speak of the element."""
        if key not in self.marks.placed:
            return scale.format(f"{key}[{binder}]")
        some = next(p.index[0] for p in self.params if p.name == key)
        return f"(sum(q in {some}) in_{some}[{binder},q]*{scale.format(f'{key}[q]')})"

    def _some(self, index: str, places: list[int]) -> str:
        """The set of those elements that are spoken of, with the zeros and ones that tie it to the whole set."""
        whole = next(s for s in self.sets if s.name == index)
        labels = tuple(whole.label(i) for i in places)
        name = f"{index}_SOME"
        if any(s.name == name and s.labels == labels for s in self.sets):
            return name
        self.group(name, labels)
        self.pattern(
            f"in_{name}", f"{index} {name}", [float(i == j) for i in range(whole.count) for j in places]
        )
        return name

    def pattern(self, name: str, index: str, values: Sequence[float]) -> None:
        """Zeros and ones that the form of the problem brings."""
        over = tuple(index.split())
        self.params.append(
            Param(
                name=name, index=over, values=self._shaped(list(map(float, values)), over), source="structure"
            )
        )

    def variable(
        self,
        name: str,
        index: str,
        domain: Literal["binary", "integer", "real"] = "binary",
        upper: float | str = 1.0,
        unit: str = "1",
        lower: float | str = 0.0,
    ) -> None:
        """A decision."""
        self.variables.append(
            Variable(
                name=name, index=tuple(index.split()), domain=domain, lower=lower, upper=upper, unit=unit
            )
        )

    def derive(self, name: str, forall: str, unit: str, expr: str) -> None:
        """A derived term."""
        self.derived.append(Derived(name=name, forall=forall, unit=unit, expr=expr))

    def require(self, name: str, kind: str, forall: str, lhs: str, rel: str, rhs: str) -> None:
        """A constraint."""
        self.constraints.append(
            Constraint(name=name, kind=cast(Any, kind), forall=forall, lhs=lhs, rel=cast(Any, rel), rhs=rhs)
        )

    def problem(self, ident: str, family: str) -> Problem:
        """The record."""
        digest = hashlib.sha256(self.marks.text.encode()).hexdigest()
        return Problem(
            meta=Meta(id=ident, family=family, description_hash=digest),
            sets=tuple(self.sets),
            params=tuple(self.params),
            variables=tuple(self.variables),
            derived=tuple(self.derived),
            objective=Objective(expr=self.objective, boundary=self.boundary),
            constraints=tuple(self.constraints),
        )

    def _sizes(self, over: tuple[str, ...]) -> list[int]:
        return [next(s.count for s in self.sets if s.name == name) for name in over]

    def _shaped(self, numbers: list[float], over: tuple[str, ...]) -> Any:
        sizes = self._sizes(over)
        rows: list[Any] = list(numbers)
        for size in reversed(sizes[1:]):
            rows = [tuple(rows[i : i + size]) for i in range(0, len(rows), size)]
        if len(rows) != sizes[0]:
            raise ValueError(f"{len(numbers)} numbers for {sizes}")
        return tuple(rows)


@dataclass(kw_only=True)
class Item:
    """One description and what is expected.

    Attributes:
        family: as in the knowledge base, without ``family.``; two names are not there.
        kind, level: class of the item; 1 terms of art, 2 business words, 3 everyday story.
        marked: text with marks.
        model: builds the typed problem; None where the right answer is another.
        check: optimum in grams by enumeration, from the marked numbers alone.
        keep: keys whose numbers are counts, positions or sizes: never scaled.
        questions: (what about, unit) of what must be asked.
        conflict: the passages that cannot both hold, as shown in the text.
        why: why an answer other than a formulation is right.
        variants: other readings that are right too, in words, with their optimum where it differs.
    """

    family: str
    kind: Kind
    level: int
    marked: str
    model: Callable[[Truth], None] | None = None
    check: Callable[[Marked], float] | None = None
    keep: str = ""
    questions: tuple[tuple[str, str], ...] = ()
    conflict: tuple[str, ...] = ()
    why: str = ""
    variants: tuple[dict[str, Any], ...] = ()

    @property
    def status(self) -> Status:
        """What a reader should answer."""
        named: dict[Kind, Status] = {
            "under": "needs_input",
            "contradictory": "contradiction",
            "out": "out_of_scope",
        }
        return named.get(self.kind, "formulated")
