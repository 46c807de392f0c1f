"""The tree of an expression: seven kinds of node, frozen, with no behaviour but their shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

FUNCTIONS = {
    "log2": (1, 1),
    "ln": (1, 1),
    "exp": (1, 1),
    "sqrt": (1, 1),
    "abs": (1, 1),
    "min": (2, 16),
    "max": (2, 16),
    "db_to_linear": (1, 1),
    "pwl": (3, 3),
}
"""The closed list of functions, with the fewest and most arguments. ``pwl(x, xs, ys)``: two parameters of one index."""

COMPARISONS = ("<=", ">=", "==", "!=", "<", ">")


@dataclass(frozen=True, slots=True)
class Number:
    """A literal, ``2`` or ``2 [s]``."""

    value: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """One subscript: a binder and a shift (``t-1``), or one element by its label or its 1-based position."""

    name: str = ""
    shift: int = 0
    label: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Ref:
    """A parameter, variable or derived term; without subscripts, also a binder's position inside ``where``."""

    name: str
    indices: tuple[Index, ...] = ()


@dataclass(frozen=True, slots=True)
class Binary:
    """``a op b`` with op one of + - * /."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Power:
    """``base ^ exponent`` with a constant exponent."""

    base: Node
    exponent: float


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the list."""

    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Binder:
    """``name in set``."""

    name: str
    set: str


@dataclass(frozen=True, slots=True)
class Compare:
    """One condition of a ``where``: ``left op right``, or a parameter that must not be 0 (op ``!=``, right 0)."""

    left: Node
    op: str
    right: Node


@dataclass(frozen=True, slots=True)
class Scope:
    """What ``sum`` and ``forall`` range over; all conditions must hold."""

    binders: tuple[Binder, ...] = ()
    where: tuple[Compare, ...] = ()


@dataclass(frozen=True, slots=True)
class Sum:
    """``sum(binders where conditions) body``; the body is the product that follows."""

    scope: Scope
    body: Node


Node: TypeAlias = Number | Ref | Binary | Power | Call | Sum


def walk(node: Node) -> Iterator[Node]:
    """The node and everything under it, conditions included."""
    stack: list[Node] = [node]
    while stack:
        here = stack.pop()
        yield here
        match here:
            case Binary():
                stack += (here.right, here.left)
            case Power():
                stack.append(here.base)
            case Call():
                stack += here.args
            case Sum():
                stack.append(here.body)
                for condition in here.scope.where:
                    stack += (condition.left, condition.right)
            case _:
                pass
