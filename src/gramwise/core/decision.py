"""What is asked, what is known, what is decided, what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from .quantity import Basis, Method, Signal
from .quick import quick

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .ahead import Forecast, Guidance
    from .protocols import Policy
    from .series import Series

    Floats: TypeAlias = npt.NDArray[np.float64]
    Ints: TypeAlias = npt.NDArray[np.int64]
    Bools: TypeAlias = npt.NDArray[np.bool_]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request for inference.

    Attributes:
        id: unique in a run.
        seq: position in the stream, from 0: the only order a policy may use.
        draw: uniform in [0, 1): the only chance a policy may use.
        model: name of the model.
        arrival_s: when it arrived, Unix seconds.
        deadline_s: seconds after arrival by which the answer is wanted; None for none.
        count: inferences (images) in the request.
        accuracy_floor_frac: None asks for the model's reference variant and nothing else; a number permits any
            variant whose measured accuracy is at least that.
        allowed_zones: zones the data may travel to; None for all.
        deferrable_until_s: latest start, Unix seconds; None for now.
    """

    id: str
    seq: int
    draw: float
    model: str
    arrival_s: float
    deadline_s: float | None = None
    count: int = 1
    accuracy_floor_frac: float | None = None
    allowed_zones: frozenset[str] | None = None
    deferrable_until_s: float | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Predicted or actual cost of a plan; adds over stages."""

    latency_s: float
    energy_j: float
    carbon_g: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            latency_s=self.latency_s + other.latency_s,
            energy_j=self.energy_j + other.energy_j,
            carbon_g=self.carbon_g + other.carbon_g,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A piece of a network on a node.

    Attributes:
        node: its name.
        layers: half-open range of layer positions, in the order in which the plan runs them; None for the whole
            network.
        send_bytes: bytes that it sends on, one inference: to later stages on other nodes, and the answer.
        receive_bytes: bytes that reach its node for it, one inference.
        piece: what executors call it, as they call a variant; empty for the whole variant.
        inputs, outputs: names of the tensors it reads and makes for others; empty for the whole network.
        latency_s: predicted seconds of one inference, computing and receiving its inputs.
        energy_j: predicted marginal joules of one inference.
        memory_bytes: what its node must hold for it.
    """

    node: str
    layers: tuple[int, int] | None = None
    send_bytes: int = 0
    receive_bytes: int = 0
    piece: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    latency_s: float = 0.0
    energy_j: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where, how split, which variant, when, as one value, with its predicted cost (the request's whole batch).

    ``cost.energy_j`` and ``cost.carbon_g`` are marginal: idle power does not depend on the choice.
    """

    stages: tuple[Stage, ...]
    variant: str
    start_s: float
    cost: Cost

    @property
    def node(self) -> str:
        """Name of the first stage's node, the only one of an unsplit plan."""
        return self.stages[0].node


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanTable:
    """A row a candidate plan, in columns of one length P. What changes per minute, never per request.

    Attributes:
        node: index into the snapshot's node columns, (P,) integers.
        model: model of each row, length P.
        variant: name of each row's variant, length P.
        reference: True where the row's variant is its model's reference variant, (P,).
        latency_s: service time of one inference on an unloaded node, (P,) seconds.
        fixed_s: seconds a request takes besides its inferences (link, hand-over), (P,).
        energy_j: marginal energy of one inference, (P,) joules.
        accuracy_frac: measured accuracy, (P,); NaN when unknown.
        memory_bytes: what the node must hold, (P,).
        stages: of the rows that are split over several nodes, by row. ``node`` of such a row is its first stage's,
            ``energy_j`` and ``latency_s`` are sums over its stages, ``memory_bytes`` is the first stage's.
        planned: the row that a plan file asked for, -1 for none.
    """

    node: Ints
    model: tuple[str, ...]
    variant: tuple[str, ...]
    reference: Bools
    latency_s: Floats
    fixed_s: Floats
    energy_j: Floats
    accuracy_frac: Floats
    memory_bytes: Floats
    stages: Mapping[int, tuple[Stage, ...]] = field(default_factory=dict)
    planned: int = -1

    def __len__(self) -> int:
        return len(self.variant)


@quick
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """Everything a decision may know, immutable and in columns; N nodes.

    The upper block changes per minute and carries ``version``; the lower block is load and history and changes per
    request. All arrays have shape (N,). Policies may memoise on the upper block and must read the lower one afresh.

    Attributes:
        version: grows whenever anything of the upper block changes.
        at_s: when it was taken, Unix seconds.
        plans: the candidates.
        nodes: names.
        zone: grid zone of each.
        intensity_g_per_kwh: NaN when unknown.
        intensity_age_s: how old the intensity is.
        signal, basis: kind of the intensities; one kind a snapshot.
        pue: of each site.
        alive: False once a node is lost.
        cpu_share, memory_bytes: capacity.
        slots: requests that run at a time.
        busy_w, idle_w: of each node's device, watts; NaN when unknown.
        baseline: name of the node that ``monolithic`` uses.
        max_intensity_age_s: plans on older data are rejected as stale; None for no limit.
        queued: requests waiting or running.
        backlog_s: predicted seconds until a new request would start.
        busy_frac: share of the recent past that the node was busy, 0 to 1.
        assigned: requests ever assigned.
        recent_s: mean of the last five execution times; NaN without history.
        mean_s: mean of the last hundred execution times; NaN without history.
        forecast: by zone, the newest that was issued at or before ``at_s``; empty where nobody issues one.
        recent: intensity of each zone as observed until ``at_s``, the last days of it; empty where nobody keeps it.
        guidance: what a solver decided for the slot of time that is running; None until solved.
    """

    version: int
    at_s: float
    plans: PlanTable
    nodes: tuple[str, ...]
    zone: tuple[str, ...]
    intensity_g_per_kwh: Floats
    intensity_age_s: Floats
    signal: Signal = "average"
    basis: Basis = "lifecycle"
    pue: Floats
    alive: Bools
    cpu_share: Floats
    memory_bytes: Floats
    slots: Ints
    busy_w: Floats
    idle_w: Floats
    baseline: str = ""
    max_intensity_age_s: float | None = None

    queued: Ints
    backlog_s: Floats
    busy_frac: Floats
    assigned: Ints
    recent_s: Floats
    mean_s: Floats

    forecast: Mapping[str, Forecast] = field(default_factory=dict)
    recent: Mapping[str, Series] = field(default_factory=dict)
    guidance: Guidance | None = None


class Verdict(NamedTuple):
    """What became of one candidate: rejected by what and why, or its scores.

    ``scores`` of a candidate that was not rejected maps the criterion's terms to their values; ``chosen`` marks the
    winner.
    """

    node: str
    variant: str
    rejected_by: str
    reason: str
    scores: Mapping[str, float]
    chosen: bool


class Decision(NamedTuple):
    """The chosen row of the snapshot's plan table, or -1, and on demand why.

    ``start_s`` is for work that can wait: nothing is started before that moment (Unix seconds), at which the request is
    decided anew, with what is known then. None starts now.

    Only five references are stored; plan and verdicts are worked out from the snapshot when asked for. A named tuple
    because it is made for every request: a frozen dataclass of four fields takes three times as long.
    """

    request: Request
    snapshot: Snapshot
    policy: Policy
    row: int
    start_s: float | None = None

    @property
    def node(self) -> str | None:
        """Name of the chosen node, or None."""
        return None if self.row < 0 else self.snapshot.nodes[int(self.snapshot.plans.node[self.row])]

    @property
    def variant(self) -> str | None:
        """Name of the chosen variant, or None."""
        return None if self.row < 0 else self.snapshot.plans.variant[self.row]

    @property
    def plan(self) -> Plan | None:
        """The chosen plan with its predicted marginal cost, or None when every candidate was rejected."""
        return None if self.row < 0 else plan_of(self.request, self.snapshot, self.row)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """A verdict for every candidate of the request's model, in the table's order."""
        return tuple(self.policy.verdicts(self.request, self.snapshot))


def nodes_of(snapshot: Snapshot, row: int) -> tuple[int, ...]:
    """Index of the node of every stage of a row, in the order in which they run; one for a row that is not split."""
    stages = snapshot.plans.stages.get(row)
    if stages is None:
        return (int(snapshot.plans.node[row]),)
    return tuple(snapshot.nodes.index(stage.node) for stage in stages)


def place_of(snapshot: Snapshot, row: int) -> str:
    """Where a row runs, for people: the node, or ``a > b > c`` for a row that is split."""
    return " > ".join(snapshot.nodes[node] for node in nodes_of(snapshot, row))


def plan_of(request: Request, snapshot: Snapshot, row: int) -> Plan:
    """The plan that a row of the table stands for, with its predicted marginal cost for this request."""
    from .units import carbon_g

    table = snapshot.plans
    nodes = nodes_of(snapshot, row)
    stages = table.stages.get(row) or (
        Stage(node=snapshot.nodes[nodes[0]], energy_j=float(table.energy_j[row])),
    )
    wait_s = max(float(snapshot.backlog_s[node]) for node in nodes)
    return Plan(
        stages=stages,
        variant=table.variant[row],
        start_s=request.arrival_s + wait_s,
        cost=Cost(
            latency_s=wait_s + float(table.fixed_s[row]) + float(table.latency_s[row]) * request.count,
            energy_j=float(table.energy_j[row]) * request.count,
            carbon_g=sum(
                carbon_g(
                    stage.energy_j * request.count,
                    float(snapshot.intensity_g_per_kwh[node]),
                    float(snapshot.pue[node]),
                )
                for stage, node in zip(stages, nodes, strict=True)
            ),
        ),
    )


Status: TypeAlias = Literal["completed", "refused", "lost"]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happened to one request.

    Attributes:
        request: its id.
        policy: name of the policy that decided.
        status: completed; refused (no plan was feasible); lost (its nodes died, both times).
        node, variant: where and as what it ran; empty unless completed.
        count: inferences.
        correct: how many answers matched the label; None where there are no labels.
        arrival_s, start_s, end_s: Unix seconds; start and end are NaN unless completed.
        attempts: nodes that were tried.
        late: the answer came after the deadline, which counts from the start for work that was put off.
        fallback: no plan met the policy's limits, so the soonest feasible one served.
        cpu_s: thread CPU seconds of the inference on its node.
        cost: actual latency (arrival to answer, without ``deferred_s``), marginal energy and carbon.
        method: how the energy is known.
        decision_s: seconds that deciding took, the building of the snapshot not included.
        deferred_s: seconds that the request was put off, because it could wait.
    """

    request: str
    policy: str
    status: Status
    node: str
    variant: str
    count: int
    correct: int | None
    arrival_s: float
    start_s: float
    end_s: float
    attempts: int
    late: bool
    fallback: bool
    cpu_s: float
    cost: Cost
    method: Method
    decision_s: float
    deferred_s: float = 0.0


def columns(values: Sequence[float]) -> Floats:
    """A read-only float column for a `Snapshot` or `PlanTable`; a copy, so the caller's array stays as it was."""
    import numpy as np

    column = np.array(values, dtype=np.float64)
    column.setflags(write=False)
    return column
