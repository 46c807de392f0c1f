"""What a node does with a request, whichever protocol it came by: find the model, check, run, and tell what it took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, cast

from gramwise.gateway.oip.ask import read_ask
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.head import Scalar

from .batching import Slots
from .measures import Measures
from .model import Model
from .repository import Repository
from .room import RETRY_S, Room
from .runs import Done
from .tariff import Tariff

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.generic]


Reply = TypeVar("Reply")


@dataclass(slots=True)
class Answer:
    """What came of it.

    Attributes:
        model: that ran.
        outputs: by name, in the order asked.
        parameters: energy where its price is known, CPU seconds, time in the queue.
    """

    model: Model
    outputs: Mapping[str, Array]
    parameters: dict[str, Scalar] = field(default_factory=dict)


@dataclass(slots=True)
class Question(Generic[Reply]):
    """A request, its tensors not yet decoded.

    Attributes:
        model, version: as the path or message names them; an empty version is the newest.
        tensors: datatype and shape of each input, by name.
        wanted: names of outputs; None or empty for all.
        parameters: of the request.
        arrival_s: when it came, by `time.monotonic`.
        decode: makes the arrays of the inputs.
        write: makes the reply; called on another thread where outputs are large.
        heavy: whether decoding takes long enough to be done in a thread.
        limit_s: seconds after arrival at which the client hangs up; None for none.
        gone: whether it has hung up.
    """

    model: str
    version: str
    tensors: Mapping[str, tuple[str, Sequence[int]]]
    wanted: Sequence[str] | None
    parameters: Mapping[str, Scalar] | None
    arrival_s: float
    decode: Callable[[], Mapping[str, Array]]
    write: Callable[[Answer], Reply]
    heavy: bool = False
    limit_s: float | None = None
    gone: Callable[[], bool] = lambda: False

    def left_s(self) -> float | None:
        """Seconds until the answer is wanted, by the parameter ``deadline_ms`` and by the client; None for no end.

        Raises:
            BadRequest: 400, a deadline that cannot be.
        """
        ends = [end for end in (read_ask(self.parameters).deadline_s, self.limit_s) if end is not None]
        return min(ends) - (time.monotonic() - self.arrival_s) if ends else None


class Inference:
    """The node's one operation.

    Args:
        repository: of models.
        slots: that run them.
        tariff: that prices CPU seconds.
        measures: that count.
        most_tensors: inputs and outputs of a request.
        most_held_bytes: of all requests together.

    Attributes:
        room: for the bytes of requests.
        draining: whether new requests are refused.
    """

    def __init__(
        self,
        repository: Repository,
        slots: Slots,
        tariff: Tariff,
        measures: Measures,
        *,
        most_tensors: int,
        most_held_bytes: int,
    ) -> None:
        self.repository, self.slots, self.tariff, self.measures = repository, slots, tariff, measures
        self._most_tensors, self.room = most_tensors, Room(most_held_bytes)
        self.draining = False

    @property
    def ready(self) -> bool:
        """Whether new requests are taken and some model can answer them."""
        return not self.draining and bool(self.repository.names())

    async def answer(self, question: Question[Reply]) -> Reply:
        """Run a request.

        Raises:
            BadRequest: what is wrong with it, or why it is not served now.
        """
        model = self.repository.model(question.model, question.version)
        try:
            return await self._answer(model, question)
        except BadRequest as refusal:
            self.measures.refused(model, refusal.status)
            raise

    async def _answer(self, model: Model, question: Question[Reply]) -> Reply:
        if self.draining:
            raise BadRequest(503, "this node is stopping; ask another", retry_after_s=RETRY_S)
        most = self._most_tensors
        if len(question.tensors) > most or len(question.wanted or ()) > most:
            raise BadRequest(400, f"more than {most} inputs or outputs; no more are served here")
        question.left_s()  # a deadline that cannot be is refused before anything is decoded
        model.check(question.tensors)
        wanted = model.wanted(question.wanted)
        if question.heavy:
            inputs = await asyncio.get_running_loop().run_in_executor(None, question.decode)
        else:
            inputs = question.decode()

        def write(done: Done) -> Reply:
            return question.write(self._told(model, wanted, done))

        done = await self.slots.run(model, inputs, wanted, question.left_s(), write, question.gone)
        whole_s = time.monotonic() - question.arrival_s
        # Counted once the answer is on its way: nobody waits for a counter.
        asyncio.get_running_loop().call_soon(self.measures.answered, model, done, whole_s)
        return cast("Reply", done.reply)

    def _told(self, model: Model, wanted: tuple[str, ...], done: Done) -> Answer:
        parameters: dict[str, Scalar] = {
            **self.tariff.told(done.cpu_s),
            "gramwise_cpu_seconds": done.cpu_s,
            "gramwise_queue_ms": done.queue_s * 1e3,
        }
        return Answer(model, dict(zip(wanted, done.outputs, strict=True)), parameters)
