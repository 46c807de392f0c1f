"""The same function over many tasks: here, on this machine's cores, or on a Ray cluster.

Tasks share one large value (a case) that is sent to each worker once.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")

_shared: Any = None


def spread(
    function: Callable[[Shared, Task], Result],
    shared: Shared,
    tasks: Sequence[Task],
    *,
    workers: int | None = None,
    cluster: str | None = None,
) -> Iterator[tuple[int, Result]]:
    """Results with the position of their task, as they come.

    Args:
        function: importable by name; called as ``function(shared, task)``.
        shared: what all tasks need.
        tasks: one call each; the longest should come first.
        workers: processes on this machine; by default as many as the cores this process may use. 1 runs here.
        cluster: address of a Ray cluster, or ``"local"`` to start one on this machine; None for none.

    Raises:
        SourceUnavailable: a cluster was asked for and Ray is not installed, or cannot be reached.
        Exception: what a task raised.
    """
    if cluster is not None:
        from gramwise.sim.cluster import spread_on_ray

        yield from spread_on_ray(function, shared, tasks, cluster)
        return
    count = min(len(tasks), workers or _cores())
    if count <= 1:
        for i, task in enumerate(tasks):
            yield i, function(shared, task)
        return
    # Spawned, not forked: this process may have threads, and a fork would copy their locks as they are.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, _receive, (shared,)) as pool:
        waiting = {pool.submit(_run, function, task): i for i, task in enumerate(tasks)}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else (os.cpu_count() or 1)


def _receive(shared: Any) -> None:
    global _shared
    _shared = shared


def _run(function: Callable[[Any, Any], Any], task: Any) -> Any:
    return function(_shared, task)
