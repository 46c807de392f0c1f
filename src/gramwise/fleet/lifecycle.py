"""The table of a scenario that says what a footprint covers: how long, how much work, which phases, whose making.

Tables inside it whose keys are many (phases, embodied, duty, ecal ...) are read by the account that they belong to,
with the same strictness: docs/how-to/footprint.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from gramwise.core.errors import did_you_mean

from .faults import Problem
from .rows import Fraction, Name, Positive, Table, Text, fault
from .traffic import Moment

if TYPE_CHECKING:
    from .scenario import Scenario

Raw = dict[str, Any]


class FootprintTable(Table):
    """What the bill of a model's life covers."""

    years: Positive = Field(
        default=1.0, description="How long the account runs, in years of 365.25 days.", examples=[4.0]
    )
    start: Moment | None = Field(
        default=None,
        description="First moment of the account, with its offset; left out, the day on which it is drawn up.",
        examples=["2026-01-01T00:00:00Z"],
    )
    inferences: Positive | None = Field(
        default=None,
        description="Inferences over the whole account. Left out, inferences_per_day counts, else the rates of "
        "[[traffic]] or [workload].",
        examples=[1.0e9],
    )
    inferences_per_day: Positive | None = Field(
        default=None, description="Inferences a day, instead of inferences.", examples=[250000.0]
    )
    functional_unit: Text = Field(
        default="inference", description="What one unit of the score is called.", examples=["inference"]
    )
    reserved_frac: Fraction = Field(
        default=1.0,
        description="Share of every node's time that belongs to this model: its idle power and its making are charged "
        "by it.",
        examples=[1.0],
    )
    shares: dict[Name, Fraction] = Field(
        default_factory=dict,
        description="Share of the inferences that each node serves; they sum to 1. Left out, the run says, else the "
        "baseline node serves all.",
        examples=[{"lyon": 0.7, "oslo": 0.3}],
    )
    run: Text | None = Field(
        default=None,
        description="Run directory of bench or simulate, relative to the scenario file: joules of an inference, shares "
        "and grid hours come from it.",
        examples=["runs/three-sites-20261121-1000"],
    )
    policy: Name | None = Field(
        default=None,
        description="Policy of the run that is meant; by default the one with the fewest grams.",
        examples=["grams"],
    )
    ledger: tuple[Text, ...] = Field(
        default=(),
        strict=False,
        description="Ledgers of gramwise measure, relative to the scenario file; each run is a line of the bill.",
        examples=[[".gramwise/ledger.jsonl"]],
    )
    growth_frac_per_year: float = Field(
        default=0.0,
        gt=-1.0,
        description="Growth of the rate of inferences a year, for the date on which serving overtakes training.",
        examples=[0.2],
    )
    provider_unit: Literal["FLOP", "training token", "parameter"] | None = Field(
        default=None,
        description="Functional unit of the provider score of SCI for AI.",
        examples=["parameter"],
    )
    provider_units: Positive | None = Field(
        default=None, description="How many of them the training had.", examples=[3.5e6]
    )
    draws: int = Field(default=10_000, ge=100, description="Draws behind every interval.", examples=[10_000])
    seed: int = Field(default=0, ge=0, description="Of the draws.", examples=[0])
    phases: tuple[Raw, ...] = Field(
        default=(),
        strict=False,
        description="Data collection, experiments, training, tuning, clients, networks: what ran where and how long.",
        examples=[[{"name": "training", "phase": "training", "zone": "FR", "energy_kwh": 120.0}]],
    )
    embodied: dict[Name, Raw] = Field(
        default_factory=dict,
        description="How each node's making is known: the catalogue's tier by default, else a vendor's figure, a bill "
        "of materials or functional blocks.",
        examples=[{"lyon": {"vendor_kg": 48.0, "source": "vendor sheet, 2024"}}],
    )
    hardware: tuple[Raw, ...] = Field(
        default=(),
        strict=False,
        description="Machines beside the nodes that phases reserved: what their making, bringing and scrapping cost.",
        examples=[[{"name": "training machines", "serves": "training", "devices": 8.0, "hours": 240.0}]],
    )
    sites: tuple[Raw, ...] = Field(
        default=(),
        strict=False,
        description="Buildings that house machines: grams of their making, life, capacity. Left out, they are reported "
        "as not included.",
        examples=[[{"name": "hall", "serves": "inference", "construction_g": 5.0e10}]],
    )
    duty: dict[Name, Raw] = Field(
        default_factory=dict,
        description="Sleep, radio, sensor, regulator and battery of devices in the field, by name.",
        examples=[{"sensor": {"inferences_per_day": 1440.0, "sleep_w": 0.00003}}],
    )
    ecal: Raw | None = Field(
        default=None,
        description="The eCAL account of the model: joules per bit of data, from collection to inference.",
        examples=[{"samples": 50000, "sample_values": 640, "bits_per_value": 32}],
    )
    renewal: tuple[Raw, ...] = Field(
        default=(),
        strict=False,
        description="Devices that may replace a node: when does the newer one repay its making?",
        examples=[[{"node": "lyon", "device": "n100"}]],
    )

    @model_validator(mode="after")
    def _whole(self) -> FootprintTable:
        if self.inferences is not None and self.inferences_per_day is not None:
            raise fault(
                "inferences and inferences_per_day say the same twice.",
                "inferences_per_day",
                "Keep one of them.",
            )
        if self.shares and abs(sum(self.shares.values()) - 1.0) > 1e-9:
            total = sum(self.shares.values())
            raise fault(f"the shares sum to {total:g}.", "shares", "Write shares that sum to 1.")
        if (self.provider_unit is None) != (self.provider_units is None):
            raise fault(
                "provider_unit and provider_units go together.",
                "provider_units" if self.provider_units is None else "provider_unit",
                "Write both, or neither.",
            )
        return self


def footprint_problems(scenario: Scenario) -> Iterator[Problem]:
    """Names in ``[footprint]`` that must exist elsewhere in the file."""
    table = scenario.footprint
    for key, names in (("shares", table.shares), ("embodied", table.embodied)):
        for name in names:
            if name not in scenario.nodes:
                fix = did_you_mean(name, scenario.nodes)
                yield Problem(f"footprint.{key}.{name}", f"there is no node {name!r}.", fix)
    if table.policy is not None and table.run is None:
        yield Problem(
            "footprint.policy", "a policy is one of a run.", "Write run = the run directory, or drop it."
        )
