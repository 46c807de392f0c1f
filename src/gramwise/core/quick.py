"""Frozen dataclasses that are made for every request: the same class, with a constructor that takes half the time.

A frozen dataclass with slots sets each field through ``object.__setattr__``. Here the object is, while its constructor
runs, of a twin class that has the same slots and is not frozen, so that fields are set as those of any class are; then
it becomes what it is. Python allows that between classes of one layout (language reference, 3.3.2.4.1).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

_C = TypeVar("_C", bound=type)
_T = TypeVar("_T")


def quick(cls: _C) -> _C:
    """Give a frozen dataclass with slots its quick constructor; signature, defaults and ``__post_init__`` stay.

    Args:
        cls: made by ``dataclass(frozen=True, slots=True)``, with no base class that has slots.

    Returns:
        The same class.

    Raises:
        TypeError: it is of another kind.
    """
    known: dict[str, Any] = {
        "_twin": _twin(cls),
        "_set": object.__setattr__,
        "_missing": object(),
    }
    positional, by_name, body = ["self"], list[str](), list[str]()
    for field in dataclasses.fields(cls):
        name, given = field.name, field.name
        if field.default_factory is not dataclasses.MISSING:
            known[f"_make_{name}"], given = field.default_factory, f"{name}=_missing"
            body.append(f"self.{name} = _make_{name}() if {name} is _missing else {name}")
        else:
            if field.default is not dataclasses.MISSING:
                known[f"_default_{name}"], given = field.default, f"{name}=_default_{name}"
            body.append(f"self.{name} = {name}")
        (by_name if field.kw_only else positional).append(given)
    if hasattr(cls, "__post_init__"):
        after = ["self.__class__ = _class", "self.__post_init__()"]
    else:
        after = ["self.__class__ = _class"]
    signature = ", ".join([*positional, *(["*", *by_name] if by_name else [])])
    lines = [
        f"def __init__({signature}):",
        "_class = self.__class__",
        "_set(self, '__class__', _twin)",
        *body,
        *after,
    ]
    exec("\n    ".join(lines), known)
    made = known["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__annotations__ = dict(vars(cls)["__init__"].__annotations__)
    type.__setattr__(cls, "__init__", made)
    return cls


def maker(cls: type[_T], first: Sequence[str]) -> Callable[..., _T]:
    """What makes objects of which some fields are the same again and again.

    Args:
        cls: a frozen dataclass with slots, without ``__post_init__``, as for `quick`.
        first: names of those fields.

    Returns:
        A function of a tuple of their values and, by position and in their order, of the values of all other fields.

    Raises:
        TypeError: the class is of another kind.
    """
    fields = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    if hasattr(cls, "__post_init__") or not set(first) <= set(fields):
        raise TypeError(f"{cls.__name__} looks at its fields, or has no such fields")
    rest = [name for name in fields if name not in first]
    lines = [
        f"def make({', '.join(['_first', *rest])}):",
        "self = _new(_twin)",
        f"({', '.join('self.' + name for name in first)},) = _first",
        *(f"self.{name} = {name}" for name in rest),
        "self.__class__ = _class",
        "return self",
    ]
    known: dict[str, Any] = {"_twin": _twin(cls), "_class": cls, "_new": object.__new__}
    make: Callable[..., _T] = _made("make", lines, known)
    return make


def _twin(cls: type) -> type:
    """A class of the same layout that is not frozen."""
    names = tuple(field.name for field in dataclasses.fields(cls))
    if cls.__bases__ != (object,) or getattr(cls, "__slots__", None) != names:
        raise TypeError(f"{cls.__name__} is no dataclass of its own with slots")
    return type(cls.__name__, (), {"__slots__": names})


def _made(name: str, lines: Sequence[str], known: dict[str, Any]) -> Any:
    exec("\n    ".join(lines), known)
    return known[name]
