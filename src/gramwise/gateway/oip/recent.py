"""What was read from recent requests, by their bytes: clients say the same of every tensor again and again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")

LONGEST_BYTES = 1024
"""Of what a request says besides its tensors, to be remembered at all."""

_MOST = 64


class Recent(Generic[_Key, _Value]):
    """A few values by key; when there are too many all are forgotten, which costs requests that never repeat least."""

    def __init__(self) -> None:
        self._values: dict[_Key, _Value] = {}

    def get(self, key: _Key, make: Callable[[], _Value]) -> _Value:
        """The value of this key, made now if it is not known. It is shared: nobody changes it."""
        value = self._values.get(key)
        if value is None:
            value = make()
            if len(self._values) >= _MOST:
                self._values.clear()
            self._values[key] = value
        return value
