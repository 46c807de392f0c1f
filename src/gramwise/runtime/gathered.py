"""Everything that a bill takes from outside its scenario file, read once: runs, ledgers, bills of materials, sizes.

With it a scenario's bill is a pure function, so a receipt that keeps both can be worked out again anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gramwise.core.errors import ConfigError, DataError
from gramwise.core.footprint import Factor
from gramwise.core.phase import PhaseRun
from gramwise.fleet.scenario import Scenario
from gramwise.footprint.embodied.bom import Bom, Part, load
from gramwise.runtime.assembly import resolve_variants
from gramwise.runtime.modelled import message_bytes
from gramwise.runtime.phaseledger import document, read_ledger, run_of
from gramwise.runtime.served import Served, Serving, serving


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What was read.

    Attributes:
        served: where inferences are served and what one takes.
        runs: of each ledger, by the name that the scenario gives it.
        boms: bills of materials, likewise.
        message_bytes: inputs and outputs of one inference; None where no link declares what a byte takes.
    """

    served: Serving
    runs: Mapping[str, tuple[PhaseRun, ...]] = field(default_factory=dict)
    boms: Mapping[str, Bom] = field(default_factory=dict)
    message_bytes: int | None = None


def gather(scenario: Scenario) -> Gathered:
    """Read all of it.

    Raises:
        ConfigError: a file that the scenario names is not there or says nothing.
        RunDirectoryError, DataError: a run or a ledger that cannot be read.
    """
    home = scenario.path.parent
    return Gathered(
        served=serving(scenario),
        runs={name: tuple(_ledger(scenario, home / name)) for name in scenario.footprint.ledger},
        boms={name: load(home / name) for name in _boms(scenario)},
        message_bytes=_message_bytes(scenario),
    )


def _ledger(scenario: Scenario, file: Path) -> list[PhaseRun]:
    if not file.is_file():
        raise ConfigError(
            f"there is no ledger {file}.",
            file=scenario.path,
            key="footprint.ledger",
            fix="Write one with: gramwise measure --phase training -- COMMAND, or correct the path.",
        )
    return read_ledger(file)


def _boms(scenario: Scenario) -> list[str]:
    named = (raw.get("bom") for raw in scenario.footprint.embodied.values())
    return [name for name in dict.fromkeys(named) if isinstance(name, str)]


def _message_bytes(scenario: Scenario) -> int | None:
    told = [n for n in scenario.node_records() if scenario.nodes[n.name].link.energy_j_per_byte is not None]
    if not told:
        return None
    return message_bytes(
        scenario, told[0], next(v for v in resolve_variants(scenario) if v.model == scenario.model)
    )


def as_inputs(scenario: Scenario, gathered: Gathered) -> dict[str, Any]:
    """Both as JSON has them, for a receipt; file names without the folders of this machine."""
    served = gathered.served
    return {
        "scenario": scenario.model_dump(mode="json", by_alias=True, exclude_none=True),
        "scenario_file": scenario.path.name,
        "served": {"said": served.said, "places": [asdict(place) for place in served.places]},
        "ledgers": {name: [document(run) for run in runs] for name, runs in gathered.runs.items()},
        "boms": {name: asdict(bom) for name, bom in gathered.boms.items()},
        "message_bytes": gathered.message_bytes,
    }


def from_inputs(inputs: Mapping[str, Any]) -> tuple[Scenario, Gathered]:
    """What `as_inputs` wrote.

    Raises:
        DataError: it is not that.
    """
    try:
        scenario = Scenario.model_validate(inputs["scenario"])
        scenario._path = Path(inputs["scenario_file"])
        places = tuple(_place(row) for row in inputs["served"]["places"])
        return scenario, Gathered(
            served=Serving(places=places, said=inputs["served"]["said"]),
            runs={name: tuple(run_of(row, name) for row in rows) for name, rows in inputs["ledgers"].items()},
            boms={
                name: Bom(name=bom["name"], parts=tuple(Part(**part) for part in bom["parts"]))
                for name, bom in inputs["boms"].items()
            },
            message_bytes=inputs["message_bytes"],
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise DataError(f"the inputs of this receipt are not those of a footprint: {fault}.") from fault


def _place(row: Mapping[str, Any]) -> Served:
    energy = row["energy"]
    return Served(**{**row, "energy": Factor(**energy) if energy else None})
