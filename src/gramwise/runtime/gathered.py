"""Everything that a bill takes from outside its scenario file, read once: runs, ledgers, bills of materials, sizes.

With it a scenario's bill is a pure function, so a receipt that keeps both can be worked out again anywhere. What was
measured becomes lines here, all ledgers together: a run may lie inside one of another ledger, and two ledgers may
charge one machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from gramwise.core.errors import ConfigError, DataError
from gramwise.core.footprint import Factor
from gramwise.core.phase import PhaseRun
from gramwise.fleet.scenario import Scenario
from gramwise.footprint.bill import Formula, Line, Value, Values
from gramwise.footprint.embodied.bom import Bom, Part, load
from gramwise.footprint.phaselines import ledger_lines, left_out
from gramwise.footprint.scaling.account import Account
from gramwise.runtime.assembly import resolve_variants
from gramwise.runtime.chain import OUTSIDE
from gramwise.runtime.modelled import message_bytes
from gramwise.runtime.phaseledger import document, read_ledger, run_of
from gramwise.runtime.planfile import network_of
from gramwise.runtime.served import Served, Serving, serving


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What was read.

    Attributes:
        served: where inferences are served and what one takes.
        runs: of each ledger, by the name that the scenario gives it.
        boms: bills of materials, likewise.
        message_bytes: inputs and outputs of one inference; None where no link declares what a byte takes, or the model
            leaves a size open.
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
    return list(dict.fromkeys(name.strip() for name in named if isinstance(name, str) and name.strip()))


def _message_bytes(scenario: Scenario) -> int | None:
    """None also where the model leaves a size open: what cannot be counted is left out by name, not refused."""
    links = network_of(scenario).links
    told = [n for n in scenario.node_records() if links[OUTSIDE, n.name].energy_j_per_byte is not None]
    if not told:
        return None
    variant = next(v for v in resolve_variants(scenario) if v.model == scenario.model)
    try:
        return message_bytes(scenario, told[0], variant)
    except ConfigError:
        return None


def measured(gathered: Gathered, known: Iterable[Factor]) -> tuple[Account, list[PhaseRun]]:
    """Lines of all measured runs, and the runs that have one.

    Args:
        gathered: with the ledgers.
        known: factors of the rest of the bill. A run that was billed at the very intensity of a zone that stands among
            them shares that factor, so that the zone's error moves both.

    Raises:
        DataError: a run that two ledgers hold, or two that charge one machine at the same time.
        MixedKinds: intensities of two kinds.
    """
    runs = [run for ledger in gathered.runs.values() for run in ledger]
    lines, factors = ledger_lines(runs)
    ids = {run.id for run in runs}
    omitted = [
        f"{run.name} ({run.id[:8]}): it ran inside {run.parent[:8]}, which no ledger of this bill holds."
        for run in runs
        if run.parent is not None and run.parent not in ids
    ]
    phases = {line.name: line.phase for line in lines}
    # The idle part of a run was spent for what the run was.
    serves = {name: phases.get(name.removesuffix(", idle"), phase) for name, phase in phases.items()}
    same = {f.key: g.key for f in factors for g in known if _same_zone(f, g)}
    account = Account(
        [_on(line, same) for line in lines],
        [*(f for f in factors if f.key not in same), *(g for g in known if g.key in same.values())],
        [*left_out(runs), *omitted],
        serves,
    )
    billed = {f.key for f in factors}
    return account, [run for run in runs if f"ledger.{run.id}.energy" in billed]


def _same_zone(ledger: Factor, other: Factor) -> bool:
    """Whether both are one zone's intensity, and the same to the digit and the source."""
    key = f"ledger.{other.key}"
    of_zone = ledger.key == key or ledger.key.startswith(f"{key}.")
    return of_zone and replace(ledger, key=other.key) == other


def _on(line: Line, names: Mapping[str, str]) -> Line:
    """The line with some of its factors under other keys."""
    if not any(key in names for key in line.factors):
        return line

    def over(formula: Formula) -> Formula:
        return lambda v: formula(_Renamed(v, names))

    return replace(
        line,
        factors=tuple(dict.fromkeys(names.get(key, key) for key in line.factors)),
        carbon_g=over(line.carbon_g),
        energy_j=over(line.energy_j) if line.energy_j else None,
    )


class _Renamed(Mapping[str, Value]):
    """Values that answer to other keys; reading one reads the one that it stands for and no other."""

    def __init__(self, values: Values, names: Mapping[str, str]) -> None:
        self._values, self._names = values, names

    def __getitem__(self, key: str) -> Value:
        return self._values[self._names.get(key, key)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def as_inputs(scenario: Scenario, gathered: Gathered) -> dict[str, Any]:
    """Both as JSON has them, for a receipt; file names without the folders of this machine."""
    served = gathered.served
    return {
        "scenario": scenario.model_dump(mode="json", by_alias=True, exclude_none=True),
        "scenario_file": scenario.path.name,
        "served": {
            "said": served.said,
            "kind": served.kind,
            "places": [asdict(place) for place in served.places],
        },
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
            served=Serving(places=places, said=inputs["served"]["said"], kind=inputs["served"]["kind"]),
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
