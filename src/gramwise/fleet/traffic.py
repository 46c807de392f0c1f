"""The tables of a scenario that look beyond one run: classes of traffic, the hours simulated, declared costs, failures.

`gramwise simulate` and `gramwise sweep` read them; bench has its own ``[workload]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gramwise.core.errors import did_you_mean

from .faults import Problem
from .rows import Fraction, Name, NotNegative, Positive, Table, Text, fault

if TYPE_CHECKING:
    from .scenario import Scenario

AHEAD_POLICIES = (
    "round-robin",
    "fastest",
    "greenest-zone",
    "grams",
    "shadow-price",
    "fractions",
    "lyapunov",
    "two-choices",
)
"""Policies of simulate and sweep unless the scenario names others."""


def _is_utc(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise fault(
            f"{text!r} is no moment.", "", 'Write it with its offset, for instance "2022-01-01T00:00:00Z".'
        )
    return text


Moment = Annotated[str, AfterValidator(_is_utc)]


def unix_s(moment: str) -> float:
    """Unix seconds of a moment of a scenario."""
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).astimezone(UTC).timestamp()


class TrafficTable(Table):
    """A class of requests: what is asked, how often over the day, and how long it can wait."""

    name: Name = Field(description="For tables.", examples=["cameras"])
    model: Name = Field(description="Model asked for.", examples=["digits"])
    rate_per_s: Positive | None = Field(
        default=None,
        description="Mean requests per second over all hours; left out only with a file.",
        examples=[40.0],
    )
    file: Text | None = Field(
        default=None,
        description="CSV of arrivals instead of a rate, relative to the scenario: column `time_s`, seconds "
        "from the start of the simulation, ascending.",
        examples=["arrivals.csv"],
    )
    count: int = Field(default=1, ge=1, description="Inferences a request.", examples=[1])
    swing_frac: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0,
        description="Swing of the rate over a day: rate x (1 + swing x cos(2 pi (hour - peak) / 24)).",
        examples=[0.25],
    )
    peak_hour_utc: Annotated[float, Field(ge=0, lt=24)] = Field(
        default=14.0, description="Hour of the day (UTC) at which the rate is highest.", examples=[14.0]
    )
    weekend_frac: Positive = Field(
        default=1.0, description="Factor on the rate on Saturdays and Sundays (UTC).", examples=[0.8]
    )
    noise_frac: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0,
        description="Standard deviation of a random factor on each hour's rate, mean 1.",
        examples=[0.05],
    )
    deadline_s: Positive | None = Field(
        default=None,
        description="Seconds from arrival, or from the start it was put off to, to the answer; by default "
        "goals.deadline_s.",
        examples=[0.5],
    )
    accuracy_floor_frac: Fraction | None = Field(
        default=None,
        description="Permits every variant at least this accurate; left out, only the reference.",
        examples=[0.97],
    )
    allowed_zones: tuple[Text, ...] | None = Field(
        default=None,
        strict=False,
        min_length=1,
        description="Zones the data may travel to; by default goals.allowed_zones.",
        examples=[["FR", "DE"]],
    )
    deferrable_frac: Fraction = Field(
        default=0.0, description="Share of the requests that can wait.", examples=[0.4]
    )
    deferrable_s: NotNegative = Field(
        default=0.0, description="How long those can wait at most before they start.", examples=[21600.0]
    )

    @model_validator(mode="after")
    def _complete(self) -> TrafficTable:
        if (self.rate_per_s is None) == (self.file is None):
            raise fault(
                "traffic has either a rate or a file of arrivals.",
                "rate_per_s",
                "Write rate_per_s, or file, not both.",
            )
        if self.deferrable_frac > 0 and self.deferrable_s == 0:
            raise fault(
                "nobody said how long these requests can wait.",
                "deferrable_s",
                "Write for instance deferrable_s = 21600.0 (six hours).",
            )
        return self


class CostTable(Table):
    """What one inference takes somewhere, declared: it goes before what the catalogue's figures would give."""

    model: Name = Field(description="Model.", examples=["digits"])
    variant: Name = Field(description="Variant of it.", examples=["fp32"])
    node: Name | None = Field(
        default=None, description="Node it holds for; or give device.", examples=["lyon"]
    )
    device: Text | None = Field(
        default=None, description="Device it holds for, on every node that is one.", examples=["pi5"]
    )
    latency_s: Positive = Field(
        description="Seconds of one inference on the unloaded node.", examples=[0.021]
    )
    energy_j: Positive = Field(
        description="Marginal joules of one inference: above what the node draws idle.", examples=[0.15]
    )
    source: Text = Field(description="Where both figures come from.", examples=["plug meter, 2026-05"])

    @model_validator(mode="after")
    def _somewhere(self) -> CostTable:
        if (self.node is None) == (self.device is None):
            raise fault(
                "a cost holds for one node or for one device.", "node", "Write node or device, not both."
            )
        return self


class FailureTable(Table):
    """A node that is away for a while in a simulation."""

    node: Name = Field(description="Which.", examples=["lyon"])
    at_s: NotNegative = Field(
        description="When it dies, seconds from the start of the simulation.", examples=[3600.0]
    )
    for_s: Positive | None = Field(
        default=None, description="How long it is away; left out, for good.", examples=[600.0]
    )


class SimulationTable(Table):
    """Which hours are simulated, and what the policies know of them."""

    start: Moment = Field(
        default="2022-01-01T00:00:00Z",
        description="First moment of simulate; sweep takes a whole year of the traces instead.",
        examples=["2022-06-01T00:00:00Z"],
    )
    hours: Positive = Field(default=24.0, description="How long simulate runs.", examples=[24.0])
    slot_s: Annotated[float, Field(ge=300, le=3600)] = Field(
        default=3600.0,
        description="How often plans are solved anew, seconds: 5 to 60 minutes.",
        examples=[3600.0],
    )
    horizon_hours: Annotated[int, Field(ge=1, le=72)] = Field(
        default=24, description="How far plans for work that can wait look ahead.", examples=[24]
    )
    load_frac: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="Scales all rates so that mean demand is this share of the most that the fleet can serve "
        "of this mix; left out, rates are taken as they stand.",
        examples=[0.5],
    )
    traces: Text | None = Field(
        default=None,
        description="Folder of hourly intensities, ZONE_YEAR.csv, relative to the scenario; --traces goes before it.",
        examples=["traces"],
    )
    basis: Literal["lifecycle", "direct"] | None = Field(
        default=None,
        description="Column of the traces that is read; left out, lifecycle where every zone has it, else direct.",
        examples=["lifecycle"],
    )
    forecast: Literal["own", "perfect", "persistence", "seasonal-naive"] = Field(
        default="own",
        description="What policies know of the hours to come: our own forecast from past hours only, or the "
        "truth, for comparison.",
        examples=["own"],
    )
    forecast_error_frac: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0,
        description="Standard deviation of a random factor on what is foreseen of intensity, on top.",
        examples=[0.1],
    )
    service_noise_frac: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0,
        description="Standard deviation of a random factor on each service time in simulate, mean 1.",
        examples=[0.1],
    )
    policies: tuple[Text, ...] = Field(
        default=AHEAD_POLICIES,
        strict=False,
        min_length=1,
        description="Policies that simulate and sweep compare.",
        examples=[["fastest", "grams", "fractions"]],
    )
    baseline: Text = Field(
        default="fastest",
        description="Policy that does not look at carbon, against which savings are counted.",
        examples=["fastest"],
    )
    seed: int = Field(default=0, ge=0, description="Of arrivals, noise and failures.", examples=[0])


def ahead_problems(scenario: Scenario) -> Iterator[Problem]:
    """Names in these tables that must exist elsewhere in the file."""
    for i, row in enumerate(scenario.traffic):
        yield from _unknown(f"traffic.{i}.model", row.model, scenario.models, "model")
        if [other.name for other in scenario.traffic].count(row.name) > 1:
            yield Problem(f"traffic.{i}.name", f"{row.name!r} stands there twice.", "Give each class a name.")
        zones = row.allowed_zones
        there = {node.zone for node in scenario.nodes.values()}
        if zones is not None and not there & set(zones):
            yield Problem(
                f"traffic.{i}.allowed_zones",
                f"no node stands in {', '.join(zones)}.",
                f"The nodes stand in: {', '.join(sorted(there))}.",
            )
    for i, cost in enumerate(scenario.costs):
        yield from _unknown(f"costs.{i}.model", cost.model, scenario.models, "model")
        if cost.model in scenario.models:
            variants = scenario.models[cost.model].variants
            yield from _unknown(f"costs.{i}.variant", cost.variant, variants, "variant")
        if cost.node is not None:
            yield from _unknown(f"costs.{i}.node", cost.node, scenario.nodes, "node")
        if cost.device is not None:
            used = {node.device for node in scenario.nodes.values()}
            yield from _unknown(f"costs.{i}.device", cost.device, used, "node with the device")
    for i, failure in enumerate(scenario.failures):
        yield from _unknown(f"failures.{i}.node", failure.node, scenario.nodes, "node")


def _unknown(key: str, name: str, known: object, what: str) -> Iterator[Problem]:
    names = [str(each) for each in known]  # type: ignore[attr-defined]
    if name not in names:
        yield Problem(key, f"there is no {what} {name!r}.", did_you_mean(name, names))
