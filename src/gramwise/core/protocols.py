"""The contracts. Each is one or two methods, written for the person who implements it.

`gramwise.testing` holds a conformance check for each (``check_meter``, ``check_policy`` ...): run it on yours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from .ahead import Forecast
from .decision import Decision, Outcome, Request, Snapshot, Verdict
from .quantity import Boundary, Method, Quantity
from .quick import quick
from .series import Series

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@runtime_checkable
class Policy(Protocol):
    """Chooses among candidate plans.

    ``decide`` is a pure function of its arguments: no I/O, no clock, no randomness but ``request.draw`` and no order
    but ``request.seq``. It may memoise what depends on the upper block of the snapshot only; it must give the answer
    that it would give without the memo. It returns a decision without a plan when every candidate is rejected.
    """

    name: str

    def decide(self, request: Request, snapshot: Snapshot) -> Decision:
        """Choose a row of ``snapshot.plans``, or none."""
        ...

    def verdicts(self, request: Request, snapshot: Snapshot) -> Sequence[Verdict]:
        """Why: one verdict for every candidate of the request's model. Called lazily; may be slow."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a meter shows at one moment.

    Attributes:
        at_s: Unix seconds.
        joules: by root domain, monotonic since the meter was opened (wrap-around already undone). Domains that are
            parts of another domain are left out, so the values may be summed.
    """

    at_s: float
    joules: Mapping[str, float]

    @property
    def total_j(self) -> float:
        """Sum over the root domains."""
        return sum(self.joules.values())


@runtime_checkable
class Meter(Protocol):
    """Reads joules.

    Opening one (calling the class) raises `MeterAbsent` or `MeterDenied` with the exact fix; once open, ``read`` is
    monotonic, unwrapped and lists root domains only.
    """

    name: str
    method: Method
    boundary: Boundary

    def read(self) -> Reading:
        """Joules since the meter was opened."""
        ...


class IntensitySource(Protocol):
    """How dirty the electricity of a zone was."""

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        """Intensity of ``zone`` over ``[start_s, end_s)`` in g/kWh.

        Raises:
            ConfigError: no such zone; names the nearest.
            DataError: a gap, or a foreign reply that makes no sense.
            SourceUnavailable: cannot be reached.
        """
        ...


class ForecastSource(Protocol):
    """How dirty the electricity of a zone is expected to be. Apart from `IntensitySource`: not everyone foresees."""

    def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Forecast:
        """The newest forecast that was issued at or before ``issued_s``, over ``[start_s, end_s)`` as far as it goes.

        A provider that answers only for now refuses an ``issued_s`` in the past: stored forecasts are the archive's.

        Raises:
            ConfigError: no such zone; names the nearest.
            DataError: a gap, a reply that makes no sense, a forecast without the time of its issue.
            SourceUnavailable: cannot be reached, may not be asked (key, quota), or issues nothing for that moment.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """A tensor that stays where a node made it, for the next node to read there.

    Attributes:
        name: of the output.
        dtype: NumPy type, as text.
        shape: of the tensor.
        nbytes: its size.
        place: where it lies: the executor's own business.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    place: object


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a node says about one run: outputs, when it ran (Unix seconds) and its thread CPU seconds.

    ``held`` are the outputs that were asked to stay at the node, by name; ``outputs`` are all others. ``energy`` are
    the marginal joules that the node itself tells; None where it tells none, and the engine prices ``cpu_s``, which is
    NaN where the node does not tell that either.
    """

    outputs: Mapping[str, npt.NDArray[np.generic]]
    start_s: float
    end_s: float
    cpu_s: float
    held: Mapping[str, Held] = field(default_factory=dict)
    energy: Quantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUsage:
    """CPU seconds of one node since it started, each from its own clock.

    Attributes:
        attributed_s: thread CPU inside inference, summed over requests.
        overhead_s: thread CPU of the node's own work around them, by its own clocks, never as the remainder of the
            meter; None where the node has no thread of its own.
        metered_s: the process or cgroup counter, which knows nothing of the other two; None when the node is gone and
            no counter outlives it.
    """

    attributed_s: float
    overhead_s: float | None
    metered_s: float | None


class Executor(Protocol):
    """Makes a plan happen on real (or simulated) nodes."""

    def alive(self) -> Mapping[str, bool]:
        """Which nodes can still take work."""
        ...

    async def run(
        self,
        node: str,
        variant: str,
        inputs: Mapping[str, npt.NDArray[np.generic] | Held],
        hold: Collection[str] = (),
    ) -> Ran:
        """Run one request, or one piece of one.

        Args:
            node: its name.
            variant: a whole variant or a piece that the node holds, by the executor's name for it.
            inputs: by name; what another node holds is read where it lies. Whoever calls may release it at any
                time: it stays until this run is over.
            hold: outputs that stay at the node and come back as `Held`; whoever calls releases each once.

        Raises:
            NodeLost: the node died under it; nothing was answered.
            Rejected: the node refused it.
        """
        ...

    def release(self, held: Iterable[Held]) -> None:
        """Give back the room of tensors that nobody will read any more; doing it twice does no harm."""
        ...

    async def usage(self, node: str) -> NodeUsage:
        """CPU seconds so far."""
        ...

    async def close(self) -> None:
        """Stop every node and give back what was taken (cgroups, shared memory)."""
        ...


__all__ = [
    "Executor",
    "Forecast",
    "ForecastSource",
    "Held",
    "IntensitySource",
    "Meter",
    "NodeUsage",
    "Outcome",
    "Policy",
    "Ran",
    "Reading",
]
