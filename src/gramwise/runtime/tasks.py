"""Running coroutines together so that the first fault is raised as it is, and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Await all. On the first exception cancel the rest, wait for them, and raise that one alone.

    `asyncio.TaskGroup` would wrap it in an exception group, which a user cannot be shown as one sentence.
    """
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
