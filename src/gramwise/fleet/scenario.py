"""The scenario file: one TOML document that says which models, machines, zones and goals there are.

::

    scenario = load_scenario("three-sites.toml")
    scenario.node_records()      # core records, devices resolved
    scenario.variant_records()   # the workload's model, files resolved

The file is read first, then ``GRAMWISE_<SECTION>__<KEY>`` from the environment, then what the caller passes.
Every fault is a `ConfigError` with file, dotted key and what to write. The keys: docs/how-to/scenario.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, ValidationError

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.machines import Device, Node
from gramwise.core.model import Variant

from .catalogue import device, devices
from .checks import check_floor, check_memory
from .faults import Problem, raise_first, toml_text, translate
from .lifecycle import FootprintTable, footprint_problems
from .links import PairTable, SplitTable, link_problems, links_of, split_problems
from .rows import (
    BenchTable,
    DeviceTable,
    ExecutorTable,
    GoalsTable,
    ModelTable,
    Name,
    NodeTable,
    Table,
    Text,
    VariantTable,
    WorkloadTable,
)
from .settings import layered
from .template import template
from .traffic import CostTable, FailureTable, SimulationTable, TrafficTable, ahead_problems

__all__ = [
    "Scenario",
    "check_floor",
    "check_memory",
    "links_of",
    "load_scenario",
    "scenario_schema",
    "template",
]

VARIANTS_SUFFIX = "+variants"


class Scenario(Table):
    """Models, machines, zones and goals of one deployment or experiment."""

    schema_: Literal[1] = Field(alias="schema", description="Version of this format.", examples=[1])
    name: Text = Field(description="For people and run directories.", examples=["three-sites"])
    baseline_node: Name = Field(description="Node that `monolithic` puts everything on.", examples=["lyon"])
    models: dict[Name, ModelTable] = Field(description="Models by name.", min_length=1)
    nodes: dict[Name, NodeTable] = Field(description="Machines by name.", min_length=1)
    devices: dict[Name, DeviceTable] = Field(
        default_factory=dict, description="Devices beside the catalogue's, by id."
    )
    links: tuple[PairTable, ...] | None = Field(
        default=None,
        strict=False,
        description="Which places can speak directly to which, and how. Left out, any two nodes can, through "
        "both of their own links; an empty list lets no node speak to another.",
        examples=[[{"from": "lyon", "to": "oslo", "bytes_per_s": 12_500_000.0, "rtt_s": 0.03}]],
    )
    split: SplitTable = Field(
        default_factory=SplitTable, description="What a plan that cuts a network must keep to."
    )
    goals: GoalsTable = Field(
        default_factory=GoalsTable, description="Limits on time, accuracy, age of data and place."
    )
    workload: WorkloadTable = Field(
        default_factory=WorkloadTable, description="Requests that bench sends, and how they arrive."
    )
    bench: BenchTable = Field(
        default_factory=BenchTable, description="Policies that bench compares, and in what turns."
    )
    executor: ExecutorTable = Field(
        default_factory=ExecutorTable, description="Processes, caps and their period."
    )
    traffic: tuple[TrafficTable, ...] = Field(
        default=(),
        strict=False,
        description="Classes of requests that simulate and sweep serve; left out, the workload is the only one.",
        examples=[[{"name": "cameras", "model": "digits", "rate_per_s": 40.0}]],
    )
    costs: tuple[CostTable, ...] = Field(
        default=(),
        strict=False,
        description="What an inference takes where, for simulate and sweep; the rest is modelled from the "
        "catalogue's figures.",
        examples=[
            [
                {
                    "model": "digits",
                    "variant": "fp32",
                    "device": "pi5",
                    "latency_s": 0.021,
                    "energy_j": 0.15,
                    "source": "plug meter, 2026-05",
                }
            ]
        ],
    )
    failures: tuple[FailureTable, ...] = Field(
        default=(),
        strict=False,
        description="Nodes that die in a simulation.",
        examples=[[{"node": "lyon", "at_s": 3600.0, "for_s": 600.0}]],
    )
    simulation: SimulationTable = Field(
        default_factory=SimulationTable, description="What simulate and sweep run through."
    )
    footprint: FootprintTable = Field(
        default_factory=FootprintTable, description="What the bill of the model's whole life covers."
    )

    _path: Path = PrivateAttr(default=Path())

    @property
    def path(self) -> Path:
        """The file it was read from; model files are relative to its folder."""
        return self._path

    @property
    def model(self) -> str:
        """The model that the workload asks for: the one it names, or the only one."""
        return self.workload.model or next(iter(self.models))

    def device_record(self, device_id: str) -> Device:
        """The scenario's own device of that id, or the catalogue's.

        Raises:
            ConfigError: neither has it; names the nearest.
        """
        own = self.devices.get(device_id)
        return own.record(device_id) if own else device(device_id)

    def node_records(self) -> tuple[Node, ...]:
        """The machines as core records, in the file's order, devices resolved."""
        return tuple(
            Node(
                name=name,
                zone=node.zone,
                device=self.device_record(node.device),
                cpu_share=node.cpu_share,
                memory_bytes=int(node.memory),
                slots=node.slots,
                pue=node.pue,
                speed_factor=node.speed_factor,
                link=node.link.record(),
                address=node.address or "",
            )
            for name, node in self.nodes.items()
        )

    def contract_intensities(self) -> dict[str, float]:
        """Market-based g/kWh of each node that has a contract, by name; of the others it is unknown."""
        return {
            name: node.contract.intensity_g_per_kwh
            for name, node in self.nodes.items()
            if node.contract is not None
        }

    def variant_records(self, model: str | None = None) -> tuple[Variant, ...]:
        """The variants of a model (by default the workload's) as core records, the reference first.

        Paths are absolute; ``package:`` and ``zoo:`` names stay. Sizes come when the file is analysed.
        """
        name = model or self.model
        table = self.models[name]
        order = sorted(table.variants, key=lambda variant: variant != table.reference)
        return tuple(self._variant(name, variant, table.variants[variant]) for variant in order)

    def toml(self) -> str:
        """The scenario as it was resolved, as TOML text that `load_scenario` reads back."""
        return "\n".join(_toml_lines(self.model_dump(by_alias=True, exclude_none=True), ())) + "\n"

    def _variant(self, model: str, name: str, table: VariantTable) -> Variant:
        shipped = _shipped_accuracy().get(table.file.removeprefix("package:"), (None, ""))
        known = table.accuracy_frac is not None or not table.file.startswith("package:")
        accuracy_frac, source = (table.accuracy_frac, table.accuracy_source or "") if known else shipped
        local = not table.file.startswith(("package:", "zoo:"))
        return Variant(
            name=name,
            model=model,
            path=str((self._path.parent / table.file).resolve()) if local else table.file,
            precision=table.precision,
            accuracy_frac=accuracy_frac,
            accuracy_source=source,
        )


def load_scenario(
    path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    known_zones: Callable[[str], object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Scenario:
    """Read and check a scenario file.

    Args:
        path: the TOML file.
        overrides: values by dotted key (``{"workload.requests": 10}``); they beat environment and file.
        known_zones: called with the zone of each node without an intensity of its own; it raises
            `ConfigError` for a zone that has none either.
        environ: instead of the process's environment.

    Raises:
        ConfigError: the first problem, with file, key and what to write, and how many more there are.
    """
    file = Path(path)
    raw, origins = layered(file, _TOP_KEYS, os.environ if environ is None else environ, dict(overrides or {}))
    try:
        scenario = Scenario.model_validate(raw)
    except ValidationError as error:
        raise_first(translate(error, Scenario), file, origins)
        raise
    scenario._path = file.absolute()
    raise_first([*_references(scenario), *_zones(scenario, known_zones)], file, origins)
    return scenario


def scenario_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors: every key with its description and an example."""
    schema = Scenario.model_json_schema(by_alias=True)
    return (
        {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema | {"title": "gramwise scenario"}
    )


_TOP_KEYS = tuple(field.alias or name for name, field in Scenario.model_fields.items())


def _references(scenario: Scenario) -> Iterator[Problem]:
    """Names that must exist elsewhere in the file or the catalogue."""
    yield from _named("baseline_node", scenario.baseline_node, scenario.nodes, "node")
    for name, model in scenario.models.items():
        yield from _named(f"models.{name}.reference", model.reference, model.variants, "variant")
    known = {*scenario.devices, *(entry.id for entry in devices())}
    for name, node in scenario.nodes.items():
        yield from _named(f"nodes.{name}.device", node.device, known, "device")
    if scenario.workload.model is not None:
        yield from _named("workload.model", scenario.workload.model, scenario.models, "model")
    elif len(scenario.models) > 1 and not scenario.traffic:
        options = ", ".join(sorted(scenario.models))
        yield Problem("workload.model", "there are several models.", f"Write model = one of: {options}.")
    wants = [name for name in scenario.bench.policies if name.endswith(VARIANTS_SUFFIX)]
    if wants and scenario.goals.accuracy_floor_frac is None:
        yield Problem(
            "goals.accuracy_floor_frac",
            f"the policy {wants[0]!r} needs an accuracy floor.",
            "Write for instance accuracy_floor_frac = 0.97.",
        )
    yield from link_problems(scenario)
    yield from split_problems(scenario)
    yield from ahead_problems(scenario)
    yield from footprint_problems(scenario)


def _named(key: str, name: str, known: Mapping[str, Any] | set[str], what: str) -> Iterator[Problem]:
    if name not in known:
        yield Problem(key, f"there is no {what} {name!r}.", did_you_mean(name, known))


def _zones(scenario: Scenario, known_zones: Callable[[str], object] | None) -> Iterator[Problem]:
    """Zones that the grid must know, and allowed zones that keep at least one node."""
    for name, node in scenario.nodes.items():
        if node.intensity_g_per_kwh is None and known_zones is not None:
            try:
                known_zones(node.zone)
            except ConfigError as error:
                yield Problem(f"nodes.{name}.zone", error.message, error.fix or "")
    allowed = scenario.goals.allowed_zones
    there = {node.zone for node in scenario.nodes.values()}
    if allowed is not None and not there & set(allowed):
        yield Problem(
            "goals.allowed_zones",
            f"no node stands in {', '.join(allowed)}.",
            f"The nodes stand in: {', '.join(sorted(there))}.",
        )


@cache
def _shipped_accuracy() -> dict[str, tuple[float, str]]:
    """Accuracy of each shipped model file and where it was measured, from the descriptions beside them."""
    return {
        variant["file"]: (variant["accuracy_frac"], f"held-out set, data/models/{entry.name}")
        for entry in (files("gramwise") / "data" / "models").iterdir()
        if entry.name.endswith(".json")
        for variant in json.loads(entry.read_text("utf-8"))["variants"]
    }


def _toml_lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not (isinstance(value, dict) or _tables(value))}
    if plain and path:
        yield f"\n[{'.'.join(path)}]"
    yield from (f"{_toml_key(key)} = {toml_text(value)}" for key, value in plain.items())
    for key, value in table.items():
        here = (*path, _toml_key(key))
        if isinstance(value, dict):
            yield from _toml_lines(value, here)
        for row in _tables(value):
            yield f"\n[[{'.'.join(here)}]]"
            yield from (f"{_toml_key(name)} = {toml_text(figure)}" for name, figure in row.items())


def _tables(value: object) -> tuple[Mapping[str, Any], ...]:
    """The rows of an array of tables; none for any other value."""
    return value if isinstance(value, tuple) and value and isinstance(value[0], dict) else ()


def _toml_key(key: str) -> str:
    """A key as TOML wants it: bare where it may be, in quotes where it holds a dot or a colon."""
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else toml_text(key)
