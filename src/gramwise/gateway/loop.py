"""What the gateway's processes run on: the event loop, and an allocator that keeps what every request takes.

The only module that imports uvloop. Nothing but speed depends on either: a proxied request costs less CPU on uvloop,
and every test passes without.

A request of some hundred kilobytes is handed through several buffers of that size. As it comes, glibc may map each of
them anew and unmap it after (which of its ways it takes depends on addresses, hence on chance), and the kernel then
clears every page again: 0.4 ms for 602 KB over gRPC where this was measured. So its thresholds are raised, and one
arena serves all threads, which also keeps less.

Source: mallopt(3), malloc_trim(3).
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

_T = TypeVar("_T")

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_MIB = 1 << 20


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the loop, for `asyncio.Runner`; None stands for asyncio's own."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end on a new loop, as `asyncio.run` does, in a process that is there for nothing else.

    Args:
        main: the program.

    Returns:
        What it returns; what it raises, this raises.
    """
    keep_buffers()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(main)


def keep_buffers() -> bool:
    """Have the process's allocator keep buffers of up to 32 MiB, the most that it can; call it before threads start.

    Returns:
        Whether it does; False where the C library is not glibc.
    """
    library = _glibc()
    if library is None:
        return False
    settings = {_TRIM_THRESHOLD: 64 * _MIB, _MMAP_THRESHOLD: 32 * _MIB, _ARENA_MAX: 1}
    taken = [library.mallopt(what, value) == 1 for what, value in settings.items()]
    return all(taken)


def give_back_memory() -> bool:
    """Give memory that is free but kept back to the system: after loading a model there is much of it.

    Returns:
        Whether there was any; False where the C library is not glibc.
    """
    library = _glibc()
    return library is not None and library.malloc_trim(0) == 1


def _glibc() -> Any:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
