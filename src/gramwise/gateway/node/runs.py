"""Requests that run: alone or several as one, and each one's share of what the run took.

Only requests to the same model, with the same inputs but for their first dimension and the same outputs, share a run.
Its energy is divided by each one's share of the items. Where a shared run fails, its members run one by one, so that a
bad one takes nobody along; what the failed run cost belongs to no request and counts as the node's overhead.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from gramwise.gateway.oip.errors import BadRequest

from .model import Model, Run

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.generic]

_log = logging.getLogger("gramwise.gateway.node")

Key: TypeAlias = tuple[object, ...]
"""What requests must have in common to share a run."""


@dataclass(slots=True)
class Done:
    """A request that ran.

    Attributes:
        outputs: in the order asked.
        cpu_s: its share of the run's thread CPU seconds.
        queue_s, run_s: how long it waited, and how long its run took.
        items: that ran together.
        reply: what `Job.write` made of all this; None without one.
    """

    outputs: Sequence[Array]
    cpu_s: float
    queue_s: float
    run_s: float
    items: int
    reply: Any = None


class Job:
    """A request that waits.

    Args:
        model: that runs it.
        inputs: by name, checked.
        wanted: names of outputs.
        arrival_s, deadline_s: of the monotonic clock; an infinite deadline is none.
        write: makes the reply.
        gone: whether nobody waits for the answer any more.

    Attributes:
        items: that it adds to a shared run; 0 where it may not share one.
        promised_s: what its run is foreseen to take.
        done: what came of it.
    """

    __slots__ = (
        "arrival_s",
        "deadline_s",
        "done",
        "gone",
        "inputs",
        "items",
        "model",
        "promised_s",
        "wanted",
        "write",
    )

    def __init__(
        self,
        model: Model,
        inputs: Mapping[str, Array],
        wanted: tuple[str, ...],
        arrival_s: float,
        deadline_s: float,
        write: Callable[[Done], object] | None = None,
        gone: Callable[[], bool] = lambda: False,
    ) -> None:
        self.model, self.inputs, self.wanted, self.write, self.gone = model, inputs, wanted, write, gone
        self.arrival_s, self.deadline_s, self.promised_s = arrival_s, deadline_s, 0.0
        self.items = _items(model, inputs)
        self.done: asyncio.Future[Done] = asyncio.get_running_loop().create_future()

    def key(self) -> Key:
        """What requests must have in common to share a run."""
        if not self.items:
            return (self,)
        alike = ((name, value.shape[1:], value.dtype.str) for name, value in sorted(self.inputs.items()))
        return (self.model, self.wanted, *alike)


Ending: TypeAlias = tuple[Job, Done | BadRequest]
"""A request and what came of it."""


Ran: TypeAlias = list[tuple[list[Job], Run | BadRequest]]
"""Each group that ran, with its run or its refusal."""


def run_together(jobs: list[Job]) -> Ran:
    """Run jobs as one, or one by one where that fails: each group that ran, with its run or its refusal."""
    first = jobs[0]
    try:
        inputs = first.inputs if len(jobs) == 1 else _joined(jobs)
        run = first.model.run(inputs, first.wanted)
    except Exception as fault:  # noqa: BLE001 - a thread that dies would take its slot along
        if len(jobs) == 1:
            return [(jobs, _refusal(fault))]
        return [each for job in jobs for each in run_together([job])]
    items = sum(job.items for job in jobs)
    if len(jobs) > 1 and any(not output.shape or output.shape[0] != items for output in run.outputs):
        first.model.batches = False  # it says that its first dimensions are one, and they are not
        return [each for job in jobs for each in run_together([job])]
    return [(jobs, run)]


def written(ending: Ending) -> Ending:
    """An ending with its reply, where one is to be written."""
    job, result = ending
    if job.write is None or isinstance(result, BadRequest):
        return ending
    try:
        result.reply = job.write(result)
    except Exception as fault:  # noqa: BLE001 - a thread that dies would take its slot along
        return job, _refusal(fault)
    return ending


def _refusal(fault: Exception) -> BadRequest:
    if isinstance(fault, BadRequest):
        return fault
    if isinstance(fault, MemoryError):
        return BadRequest(503, "the node's memory is full", retry_after_s=1.0)
    _log.error("a run failed inside the node", exc_info=fault)
    return BadRequest(500, "the node failed; its log says why")


def _joined(jobs: list[Job]) -> dict[str, Array]:
    import numpy as np

    return {name: np.concatenate([job.inputs[name] for job in jobs]) for name in jobs[0].inputs}


def shares(jobs: list[Job], run: Run | BadRequest, start_s: float) -> list[Ending]:
    """What each job of a group gets of its run, which began at ``start_s`` of the monotonic clock."""
    if isinstance(run, BadRequest):
        return [(job, run) for job in jobs]
    total, begin, endings = sum(job.items for job in jobs), 0, list[Ending]()
    for job in jobs:
        end = begin + job.items
        outputs = run.outputs if len(jobs) == 1 else [output[begin:end] for output in run.outputs]
        cpu_s = run.cpu_s * job.items / total if len(jobs) > 1 else run.cpu_s
        endings.append((job, Done(outputs, cpu_s, start_s - job.arrival_s, run.wall_s, max(1, total))))
        begin = end
    return endings


def _items(model: Model, inputs: Mapping[str, Array]) -> int:
    """Items of a request that may share a run; 0 for one that may not."""
    if not model.batches:
        return 0
    counts = {value.shape[0] for value in inputs.values()}
    return int(counts.pop()) if len(counts) == 1 else 0
