"""The tables of a scenario file, one pydantic model each: what may be written, its limits, and what it means.

A description stands on every key, because the JSON Schema that editors read is made from them. Unknown keys
are refused, numbers are not guessed from text, and infinity is not a number here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from gramwise.core.machines import Device, Link
from gramwise.core.quantity import Quantity

from .catalogue import device_of_facts, half_width_frac

FLOP_PER_GFLOP = 1e9

POLICIES = (
    "monolithic",
    "round-robin",
    "fastest",
    "greenest-zone",
    "amp4ec",
    "carbonedge-performance",
    "carbonedge-balanced",
    "carbonedge-green",
    "grams",
)

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


def fault(message: str, key: str, fix: str) -> PydanticCustomError:
    """An error of a rule that spans keys: ``key`` is the one to change, ``fix`` what to write."""
    return PydanticCustomError("gramwise", "{message}", {"message": message, "key": key, "fix": fix})


def _some_bytes(size: ByteSize) -> ByteSize:
    if size <= 0:
        raise fault(f"{int(size)} bytes cannot hold anything.", "", 'Write for instance "512 MiB".')
    return size


class Table(BaseModel):
    """What all tables share."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class VariantTable(Table):
    """One deliverable form of a model."""

    file: Text = Field(
        description="`package:NAME` is shipped with gramwise, `zoo:NAME` is built on first use, anything "
        "else is a path relative to the scenario file.",
        examples=["package:digits-fp32.onnx"],
    )
    precision: Literal["fp32", "fp16", "bf16", "fp8", "int8", "int4"] = Field(
        default="fp32", description="Type of its weights.", examples=["fp32"]
    )
    accuracy_frac: Fraction | None = Field(
        default=None,
        description="Accuracy on a held-out set, 0 to 1. Shipped files bring their own; without a figure it "
        "is unknown, and an accuracy floor rejects the variant.",
        examples=[0.98],
    )
    accuracy_source: Text | None = Field(
        default=None,
        description="How the accuracy was obtained; required with accuracy_frac.",
        examples=["held-out set, 797 images"],
    )

    @model_validator(mode="after")
    def _sourced(self) -> VariantTable:
        if self.accuracy_frac is not None and self.accuracy_source is None:
            raise fault(
                "an accuracy needs a source.", "accuracy_source", "Write how it was measured, as text."
            )
        return self


class ModelTable(Table):
    """A model and its variants."""

    reference: Name = Field(
        description="Variant that answers when a request sets no accuracy floor.", examples=["fp32"]
    )
    variants: dict[Name, VariantTable] = Field(description="Forms of the model, by name.", min_length=1)


class LinkTable(Table):
    """How tensors reach a node."""

    bytes_per_s: Positive | None = Field(
        default=None, description="Bandwidth, byte/s.", examples=[12_500_000.0]
    )
    rtt_s: NotNegative = Field(default=0.0, description="Round-trip time, seconds.", examples=[0.002])
    energy_j_per_byte: NotNegative | None = Field(
        default=None,
        description="Marginal energy of sending one byte, joules. Left out, it is unknown, not 0.",
        examples=[1e-7],
    )
    source: Text | None = Field(
        default=None,
        description="Where the energy figure comes from; required with it.",
        examples=["measured with a plug meter, 2026-05"],
    )

    @model_validator(mode="after")
    def _sourced(self) -> LinkTable:
        if self.energy_j_per_byte is not None and self.source is None:
            raise fault("an energy figure needs a source.", "source", "Write where it comes from, as text.")
        return self

    def record(self) -> Link:
        """The core record."""
        return Link(
            bytes_per_s=self.bytes_per_s,
            rtt_s=self.rtt_s,
            energy_j_per_byte=self.energy_j_per_byte,
            source=self.source or "",
        )


def split_address(address: str) -> tuple[str, int] | None:
    """Host and port of ``host:port`` or ``[v6]:port``, also after ``http(s)://``; None for text that is neither."""
    _, scheme, rest = address.partition("://")
    host, _, port = (rest if scheme and address.startswith(("http:", "https:")) else address).rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return None
    sound = 0 < len(host) < 254 and host.isprintable() and not set(host) & set(" /@?#[]")
    if not sound or not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536):
        return None
    return host, int(port)


def _is_address(address: str) -> str:
    if split_address(address) is None:
        raise fault(f"{address!r} is no address.", "", 'Write host:port, for instance "192.168.1.20:8000".')
    return address


Address = Annotated[str, AfterValidator(_is_address)]


class ServerTable(Table):
    """The inference server behind a node's address: how the gateway speaks to it."""

    grpc: Address | None = Field(
        default=None,
        description="host:port of its gRPC face; left out, it is spoken to over HTTP only.",
        examples=["192.168.1.20:8001"],
    )
    protocol: Literal["auto", "http-binary", "http-json", "grpc"] = Field(
        default="auto",
        description="How requests are sent; auto asks its metadata: HTTP with binary tensors where it names that "
        "extension, else gRPC where grpc is given, else HTTP with JSON tensors.",
        examples=["auto"],
    )
    models: dict[Text, Text] = Field(
        default_factory=dict,
        description="Its name for a variant, by `model/variant`; left out, `model.variant`, `model__variant` and, "
        "for the reference, `model` are tried.",
        examples=[{"digits/fp32": "digits_v2"}],
    )
    ca_file: Text | None = Field(
        default=None,
        description="PEM file of who signed its certificate, relative to the scenario; left out, the system's.",
        examples=["tls/ca.pem"],
    )
    token_file: Text | None = Field(
        default=None,
        description="File that holds the token it asks for, relative to the scenario; never the token itself.",
        examples=["secrets/lyon.token"],
    )


class ContractTable(Table):
    """The contract behind a node's electricity: scope 2, market-based, shown apart from the location-based grams.

    Source: GHG Protocol, Scope 2 Guidance (2015), chapters 6 and 7: certificates, contracts, supplier's factors, and
    the residual mix for what none of them covers.
    """

    intensity_g_per_kwh: NotNegative = Field(
        description="Grams CO2e per kWh by the contractual instrument: certificate, contract, supplier's own factor, "
        "or the residual mix.",
        examples=[0.0],
    )
    source: Text = Field(
        description="Which instrument that is, of which year.",
        examples=["guarantees of origin, cancelled for 2026"],
    )


class NodeTable(Table):
    """A machine that serves."""

    device: Text = Field(description="Id in the device catalogue, or a key of [devices].", examples=["pi4"])
    zone: Text = Field(
        description="Grid zone: two letters as in ISO 3166, or a part of a country as in US-CA.",
        examples=["FR"],
    )
    intensity_g_per_kwh: Positive | None = Field(
        default=None, description="Replaces the zone's annual intensity, gCO2e/kWh.", examples=[380.0]
    )
    intensity_source: Text | None = Field(
        default=None,
        description="Where that intensity comes from; required with it.",
        examples=["our supplier, 2025"],
    )
    cpu_share: Positive = Field(
        description="CPU cores of the host that it may use; 0.4 is 40 % of one core.", examples=[0.4]
    )
    memory: Annotated[ByteSize, AfterValidator(_some_bytes)] = Field(
        description="Memory cap: a number of bytes, or text with a unit.", examples=["512 MiB"]
    )
    slots: int = Field(default=1, ge=1, description="Requests it runs at a time.", examples=[1])
    pue: float = Field(
        default=1.0,
        ge=1,
        description="Power usage effectiveness of its site; 1.0 at the edge.",
        examples=[1.0],
    )
    speed_factor: Positive | None = Field(
        default=None,
        description="Seconds that the whole device at full load needs for the work of one CPU-second of the "
        "host. Left out, it is worked out from the device's measured rate.",
        examples=[1.0],
    )
    taken_frac: Fraction = Field(
        default=0.0,
        description="Share of its time that other work takes, 0 to 1; split plans keep to the rest.",
        examples=[0.3],
    )
    link: LinkTable = Field(default_factory=LinkTable, description="How it is reached.")
    contract: ContractTable | None = Field(
        default=None,
        description="What its electricity is bought as; left out, market-based grams are unknown, never the "
        "location-based ones.",
        examples=[{"intensity_g_per_kwh": 0.0, "source": "guarantees of origin, cancelled for 2026"}],
    )
    address: Address | None = Field(
        default=None,
        description="host:port of its inference server (Open Inference Protocol over HTTP), https://host:port where it "
        "speaks TLS; gramwise serve needs it.",
        examples=["192.168.1.20:8000"],
    )
    server: ServerTable = Field(
        default_factory=ServerTable, description="How the server behind the address is spoken to."
    )

    @model_validator(mode="after")
    def _sourced(self) -> NodeTable:
        if self.intensity_g_per_kwh is not None and self.intensity_source is None:
            raise fault(
                "an intensity needs a source.", "intensity_source", "Write where it comes from, as text."
            )
        return self


class DeviceTable(Table):
    """A device of your own, beside the catalogue's."""

    name: Text = Field(description="For people.", examples=["Workstation in the lab"])
    idle_w: NotNegative = Field(
        description="Power of the whole device doing nothing, watts.", examples=[12.0]
    )
    busy_w: Positive = Field(description="Power of the whole device at full load, watts.", examples=[65.0])
    idle_w_low: NotNegative | None = Field(default=None, description="Lower end for idle_w.", examples=[11.0])
    idle_w_high: Positive | None = Field(default=None, description="Upper end for idle_w.", examples=[13.0])
    busy_w_low: NotNegative | None = Field(default=None, description="Lower end for busy_w.", examples=[60.0])
    busy_w_high: Positive | None = Field(default=None, description="Upper end for busy_w.", examples=[70.0])
    sustained_gflop_per_s: Positive | None = Field(
        default=None,
        description="Measured double-precision rate of the whole device (HPL), GFLOP/s.",
        examples=[60.0],
    )
    embodied_g: Positive | None = Field(
        default=None, description="Grams CO2e to make it.", examples=[150_000.0]
    )
    lifetime_s: Positive | None = Field(
        default=None, description="Expected service life, seconds.", examples=[157_788_000.0]
    )
    source: Text = Field(
        description="Where these figures come from.", examples=["measured with a plug meter, 2026-05"]
    )

    @model_validator(mode="after")
    def _ordered(self) -> DeviceTable:
        if self.busy_w < self.idle_w:
            raise fault(
                f"{self.busy_w:g} W at full load is less than {self.idle_w:g} W doing nothing.",
                "busy_w",
                f"Write busy_w = {self.idle_w:g} or more.",
            )
        for figure in ("idle_w", "busy_w"):
            value, low, high = (getattr(self, figure + end) for end in ("", "_low", "_high"))
            if low is not None and low > value:
                raise fault(
                    f"{low:g} is above {figure} = {value:g}.", f"{figure}_low", f"Write {value:g} or less."
                )
            if high is not None and high < value:
                raise fault(
                    f"{high:g} is below {figure} = {value:g}.", f"{figure}_high", f"Write {value:g} or more."
                )
        return self

    def record(self, device_id: str) -> Device:
        """The core record: every figure assumed, with the rule for declared ones where it has no interval."""
        rate = self.sustained_gflop_per_s
        figures = {
            "idle_w": (self.idle_w, "W"),
            "busy_w": (self.busy_w, "W"),
            "sustained_flop_per_s": (rate and rate * FLOP_PER_GFLOP, "FLOP/s"),
            "embodied_g": (self.embodied_g, "g"),
            "lifetime_s": (self.lifetime_s, "s"),
        }
        facts = {
            key: self._fact(key, value, unit) for key, (value, unit) in figures.items() if value is not None
        }
        return device_of_facts(device_id, self.name, "declared", facts)

    def _fact(self, figure: str, value: float, unit: str) -> Quantity:
        low, high = (getattr(self, figure + end, None) for end in ("_low", "_high"))
        frac, rule_source = half_width_frac("declared")
        whole = low is not None and high is not None
        return Quantity(
            value=value,
            low=value * (1 - frac) if low is None else low,
            high=value * (1 + frac) if high is None else high,
            unit=unit,
            method="assumed",
            boundary="board",
            source=self.source if whole else f"{self.source} (interval: {rule_source})",
        )


class GoalsTable(Table):
    """What an answer must keep to."""

    deadline_s: Positive | None = Field(
        default=None, description="Seconds from arrival to answer.", examples=[0.5]
    )
    accuracy_floor_frac: Fraction | None = Field(
        default=None,
        description="Lowest accuracy that policies with +variants may choose, 0 to 1.",
        examples=[0.97],
    )
    max_intensity_age_s: Positive | None = Field(
        default=None, description="Reject plans on an older intensity, seconds.", examples=[86400.0]
    )
    allowed_zones: tuple[Text, ...] | None = Field(
        default=None,
        strict=False,
        min_length=1,
        description="Zones the data may travel to.",
        examples=[["FR", "DE"]],
    )
    max_busy_frac: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0,
        description="Share of each node's time that plans for the hours to come may fill; simulate and sweep.",
        examples=[0.9],
    )
    carbon_budget_g_per_day: Positive | None = Field(
        default=None,
        description="Grams that a day (UTC) may cost; the policy `budget` keeps to it and is as accurate as it "
        "allows.",
        examples=[500.0],
    )


class WorkloadTable(Table):
    """The stream of requests that bench sends."""

    model: Name | None = Field(
        default=None, description="Model asked for; by default the only one.", examples=["digits"]
    )
    inputs: Text = Field(
        default="random",
        description="`package:digits` is the shipped held-out images, `random` is seeded tensors, anything "
        "else is an .npz file with arrays images and labels.",
        examples=["package:digits"],
    )
    count: int = Field(default=1, ge=1, description="Inferences a request.", examples=[32])
    requests: int = Field(default=60, ge=1, description="Requests a repeat, for each policy.", examples=[60])
    repeats: int = Field(default=3, ge=1, description="How often the whole stream is served.", examples=[3])
    arrivals: Literal["poisson", "closed"] = Field(
        default="closed",
        description="At random moments, or the next when one is answered.",
        examples=["poisson"],
    )
    rate_per_s: Positive | None = Field(
        default=None, description="Mean requests per second; required with poisson.", examples=[12.0]
    )
    concurrency: int = Field(default=1, ge=1, description="Requests in flight when closed.", examples=[1])
    seed: int = Field(default=0, ge=0, description="Of arrivals, order and random tensors.", examples=[0])

    @model_validator(mode="after")
    def _rated(self) -> WorkloadTable:
        if self.arrivals == "poisson" and self.rate_per_s is None:
            raise fault(
                "poisson arrivals need a rate.", "rate_per_s", "Write for instance rate_per_s = 12.0."
            )
        return self


class BenchTable(Table):
    """What bench compares."""

    policies: tuple[Text, ...] = Field(
        default=POLICIES,
        strict=False,
        min_length=1,
        description="Policies by name; with +variants behind it, a policy may use goals.accuracy_floor_frac.",
        examples=[["monolithic", "grams", "grams+variants"]],
    )
    block: int = Field(
        default=10,
        ge=1,
        description="Requests that one policy serves before the next takes over.",
        examples=[10],
    )

    @model_validator(mode="after")
    def _once(self) -> BenchTable:
        twice = next((name for name in self.policies if self.policies.count(name) > 1), None)
        if twice is not None:
            raise fault(f"{twice!r} stands there twice.", "policies", "Name each policy once.")
        return self


class ExecutorTable(Table):
    """How the nodes run on this machine."""

    kind: Literal["processes", "in-process"] = Field(
        default="processes",
        description="A child process for each node, or all in this one.",
        examples=["processes"],
    )
    caps: Literal["auto", "cgroup-v2", "cgroup-v1", "virtual"] = Field(
        default="auto",
        description="How CPU and memory are capped; virtual stretches time instead.",
        examples=["auto"],
    )
    period_s: float = Field(
        default=0.01,
        ge=0.001,
        le=1.0,
        description="CFS period, seconds; the kernel takes 0.001 to 1.",
        examples=[0.01],
    )
