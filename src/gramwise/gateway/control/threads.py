"""Questions to databases and archives, which wait: a few at a time in threads, so that serving does not notice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")
MOST_THREADS = 4


class Threads:
    """At most `MOST_THREADS` at a time; further ones wait their turn."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(MOST_THREADS)

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call in a thread, when one is free."""
        async with self._free:
            return await asyncio.to_thread(function, *args, **kwargs)
