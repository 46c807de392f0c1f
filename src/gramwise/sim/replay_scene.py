"""What the policies of a simulation met, kept in its run directory as ``scene.npz``, and back again bit by bit.

``decisions.jsonl`` holds what a decision saw. A replay wants more: every moment and stretch of a request unrounded, the
forecasts behind a plan, and the true intensities by which work is billed.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from gramwise.core.errors import RunDirectoryError
from gramwise.core.quantity import Basis, Method, Quantity
from gramwise.runtime.modelled import Modelled
from gramwise.runtime.world import Grid
from gramwise.sim.arrivals import Offered, classes_of, offered_of
from gramwise.sim.signals import Signals
from gramwise.sim.trial import Scene

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, PlanTable
    from gramwise.core.machines import Node
    from gramwise.fleet.scenario import Scenario

FILE = "scene.npz"

_DRAWN = ("time_s", "of", "draw", "can_wait", "stretch")
_KNOWN = ("truth", "known", "low", "high", "past")
_TEXTS = ("grids", "zones", "sources")


class Kept(NamedTuple):
    """What `keep_scene` wrote: requests, electricity, factor on all rates, and the machines beside the plan table."""

    offered: Offered
    signals: Signals
    scale: float
    service_s: Floats
    input_bytes: Mapping[str, int]


def keep_scene(run: Path, scene: Scene, scale: float) -> None:
    """Write ``scene.npz``; equal scenes give equal bytes.

    Args:
        run: the run directory.
        scene: what its policies meet.
        scale: factor on all rates.

    Raises:
        RunDirectoryError: cannot be written.
    """
    offered, signals, table = scene.offered, scene.signals, scene.table
    fixed = signals.fixed
    columns: dict[str, Any] = {
        **{name: getattr(offered, name) for name in _DRAWN},
        **{name: getattr(signals, name) for name in _KNOWN},
        **{name: np.array(getattr(signals, name), dtype=np.str_) for name in _TEXTS},
        "grid_of_node": signals.of,
        "basis": np.array(signals.basis),
        "forecast": np.array(signals.forecast),
        "fixed_g_per_kwh": np.array([g.intensity.value if g.intensity else math.nan for g in fixed]),
        "fixed_age_s": np.array([g.age_s for g in fixed]),
        "span_s": np.array([offered.start_s, offered.end_s, signals.start_s]),
        "scale": np.array(scale),
        "service_s": table.service_s,
        "input_models": np.array(list(table.input_bytes), dtype=np.str_),
        "input_bytes": np.array(list(table.input_bytes.values()), dtype=np.int64),
    }
    try:
        np.savez_compressed(run / FILE, **columns)
    except OSError as fault:
        raise RunDirectoryError(f"{run / FILE} cannot be written: {fault.strerror or fault}.") from fault


def read_scene(run: Path, scenario: Scenario) -> Kept:
    """Read ``scene.npz``.

    Args:
        run: the run directory.
        scenario: the run's.

    Raises:
        RunDirectoryError: it is not there or cannot be read.
    """
    file = run / FILE
    if not file.is_file():
        raise RunDirectoryError(
            f"{run} does not hold the scene of its simulation ({FILE}): simulate again with --record."
        )
    try:
        # Opened here, since NumPy leaves a file open that turns out to be none of its own.
        with file.open("rb") as raw, np.load(raw, allow_pickle=False) as kept:
            columns = {name: kept[name] for name in kept.files}
        return _kept(scenario, columns)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as fault:
        raise RunDirectoryError(f"{file} cannot be read ({fault}): simulate again with --record.") from fault


def _kept(scenario: Scenario, columns: Mapping[str, Any]) -> Kept:
    start_s, end_s, signals_start_s = columns["span_s"].tolist()
    drawn = {name: columns[name] for name in _DRAWN}
    texts: dict[str, Any] = {name: tuple(columns[name].tolist()) for name in _TEXTS}
    basis = cast(Basis, str(columns["basis"]))
    fixed = zip(columns["fixed_g_per_kwh"].tolist(), columns["fixed_age_s"].tolist(), strict=True)
    return Kept(
        offered=offered_of(scenario, classes_of(scenario), start_s, end_s, drawn),
        signals=Signals(
            **texts,
            **{name: columns[name] for name in _KNOWN},
            of=columns["grid_of_node"],
            start_s=signals_start_s,
            basis=basis,
            forecast=str(columns["forecast"]),
            fixed=tuple(recorded_grid(value, age_s, basis) for value, age_s in fixed),
        ),
        scale=float(columns["scale"]),
        service_s=columns["service_s"],
        input_bytes=dict(zip(columns["input_models"].tolist(), columns["input_bytes"].tolist(), strict=True)),
    )


def recorded_grid(g_per_kwh: float, age_s: float, basis: Basis) -> Grid:
    """The electricity of a node as a run recorded it; NaN is unknown."""
    if g_per_kwh != g_per_kwh:
        return Grid(intensity=None, age_s=age_s, basis=basis)
    intensity = Quantity(
        value=g_per_kwh,
        low=g_per_kwh,
        high=g_per_kwh,
        unit="g/kWh",
        method="assumed",
        boundary="site",
        source="as the run recorded it",
    )
    return Grid(intensity=intensity, age_s=age_s, basis=basis)


def recorded_machines(
    nodes: tuple[Node, ...], plans: PlanTable, service_s: Floats, input_bytes: Mapping[str, int]
) -> Modelled:
    """The machines of a run by its recorded plan table; variants and provenance are not needed to serve."""
    modelled: Method = "modelled"
    return Modelled(
        nodes=nodes,
        variants=(),
        plans=plans,
        service_s=service_s,
        methods=(modelled,) * len(plans),
        input_bytes=input_bytes,
        provenance=("the run's recorded plan table",),
    )
