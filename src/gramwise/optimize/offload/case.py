"""What a family of offloading problems offers to heuristics and learners alike: batched, in NumPy, in grams CO2e.

A `Case` is a family at one size. Its instances come in batches of ``n``, its candidate decisions ``k`` to an instance.
Solvers work on ``raw`` arrays in [-1, 1] of shape (n, k, dim); `Case.decode` makes feasible decisions of any such
array, so that no solver is compared by how well it guesses constraints. Decisions are integer or float arrays of shape
(n, k, ...), which `Case.encode` turns back into raw arrays (learners imitate those). Method: generative planning,
sections 2.4 and 6.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import numpy as np

from gramwise.core.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    from gramwise.optimize.typed.record import Problem

SIZES = ((6, 4), (16, 5), (50, 8), (200, 20))
"""Tasks by sites at which the case study is run."""

_I = TypeVar("_I", bound="Instances")


@dataclass(frozen=True, slots=True, eq=False)
class Instances:
    """A batch of problem data. Every field is an array whose first axis counts instances."""

    def __len__(self) -> int:
        return len(getattr(self, dataclasses.fields(self)[0].name))

    def take(self: _I, rows: Any) -> _I:
        """The instances that ``rows`` picks: an index array, a mask or a slice."""
        return type(self)(**{f.name: getattr(self, f.name)[rows] for f in dataclasses.fields(self)})


@dataclass(frozen=True, slots=True)
class Block:
    """Entries ``start .. start + width`` of a raw array, and how a solver should see them.

    ``choice``: the greatest of them names one of ``width`` options. ``switch``: one entry, on above 0. ``real``: one
    entry, mapped from [-1, 1] to its bounds.
    """

    kind: Literal["choice", "switch", "real"]
    start: int
    width: int


@dataclass(frozen=True, slots=True)
class Reference:
    """What each instance is compared with.

    Attributes:
        grams: best known cost, gCO2e, (n,).
        bound_g: nothing can be below this, gCO2e, (n,); NaN where no bound is known.
        proven: whether ``grams`` is the optimum, to 0.1 %, (n,).
        how: the method, in words.
    """

    grams: NDArray[np.float64]
    bound_g: NDArray[np.float64]
    proven: NDArray[np.bool_]
    how: str


class Case(Protocol):
    """A family at one size.

    Attributes:
        name: ``A-6x4``.
        dim: entries of a raw decision.
        blocks: how they are grouped, in order, without gaps.
    """

    name: str
    dim: int
    blocks: tuple[Block, ...]

    def sample(self, rng: Generator, n: int) -> Any:
        """``n`` instances; the same state of ``rng`` gives the same ones."""
        ...

    def features(self, instances: Any) -> NDArray[np.float32]:
        """What a learner sees of each instance, about 0 to 1, (n, F)."""
        ...

    def decode(self, raw: NDArray[Any], instances: Any) -> NDArray[Any]:
        """Feasible decisions, (n, k, ...), of any raw array (n, k, dim); it decides in order of confidence."""
        ...

    def encode(self, decisions: NDArray[Any]) -> NDArray[np.float32]:
        """A raw array in [-1, 1] that stands for each decision, (n, k, dim)."""
        ...

    def cost(self, decisions: NDArray[Any], instances: Any) -> NDArray[np.float64]:
        """gCO2e, (n, k). It knows nothing of constraints."""
        ...

    def violations(self, decisions: NDArray[Any], instances: Any) -> NDArray[np.int64]:
        """How many constraints a decision breaks, (n, k). Also takes decisions that no decoder made."""
        ...

    def polish(self, decisions: NDArray[Any], instances: Any, steps: int) -> NDArray[Any]:
        """Local search from each decision: feasible stays feasible, no cost rises. At most ``steps`` moves or steps."""
        ...

    def mutate(self, decisions: NDArray[Any], instances: Any, rng: Generator) -> NDArray[Any]:
        """A feasible neighbour of each decision."""
        ...

    def permute(self, instances: Any, decisions: NDArray[Any], rng: Generator) -> tuple[Any, NDArray[Any]]:
        """The same instances with their tasks in random order (each its own), and the decisions likewise."""
        ...

    def greedy(self, instances: Any, how: str) -> NDArray[Any]:
        """Feasible decisions (n, 1, ...) by a simple rule of the family: ``regret`` or ``cheapest``."""
        ...

    def reference(self, instances: Any) -> Reference:
        """What to compare with: exact where it can be had."""
        ...

    def problem(self, instances: Any, i: int) -> Problem:
        """Instance ``i`` as a typed problem whose optimum is that of the case."""
        ...


def naked(case: Case, raw: NDArray[Any]) -> NDArray[np.int64]:
    """The choices and switches that ``raw`` names before any decoder repairs them, (n, k, blocks); reals count as 0."""
    picked = [
        raw[..., b.start : b.start + b.width].argmax(-1)
        if b.kind == "choice"
        else (raw[..., b.start] > 0) & (b.kind == "switch")
        for b in case.blocks
    ]
    return np.stack(picked, axis=-1).astype(np.int64)


def gap_frac(grams: NDArray[Any], reference: Reference) -> NDArray[np.float64]:
    """Excess over the best known cost as a share of its size; (n,) or (n, k). Costs below 0 are savings (family C)."""
    best = reference.grams.reshape((-1,) + (1,) * (grams.ndim - 1))
    return np.asarray((grams - best) / np.abs(best), dtype=np.float64)


def best_of(grams: NDArray[Any]) -> NDArray[np.int64]:
    """Place of the cheapest of the k decisions of each instance, (n,)."""
    return np.asarray(grams.argmin(axis=1), dtype=np.int64)


def pick(decisions: NDArray[Any], places: NDArray[np.int64]) -> NDArray[Any]:
    """One decision an instance, kept as (n, 1, ...)."""
    return np.take_along_axis(decisions, places.reshape((-1, 1) + (1,) * (decisions.ndim - 2)), axis=1)


def create(family: str, tasks: int = 6, sites: int = 4) -> Case:
    """The case of a family: ``A`` assignment, ``B`` with clock and steps, ``C`` power control (tasks are links),
    ``D`` jobs that can wait. Family E is sequential: see `dispatch`.

    Raises:
        ConfigError: no such family.
    """
    from .assignment import Assignment
    from .deferral import Deferral
    from .levels import Levels
    from .powers import Powers

    made: dict[str, Callable[[], Case]] = {
        "A": lambda: Assignment(tasks, sites),
        "B": lambda: Levels(tasks, sites),
        "C": lambda: Powers(tasks),
        "D": lambda: Deferral(tasks, sites),
    }
    if family not in made:
        raise ConfigError(f"there is no offloading family {family!r}.", fix=did_you_mean(family, made))
    return made[family]()
