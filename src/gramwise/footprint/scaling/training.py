"""Training carbon of published large models, recomputed by the phases formula from what was published about each run.

Rows of ``data/training_cases.csv``; sources: Patterson et al. 2021 (arXiv 2104.10350, Table 4) for T5, GPT-3, GShard
and Switch Transformer, and Faiz et al. 2024 (arXiv 2309.14393) for XLM. Nothing is fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.footprint import Factor
from gramwise.footprint.bill import bill
from gramwise.footprint.factors import table

from .intensity import Intensity
from .operating import phase_lines
from .phases import PhaseSpec

TABLE = "training_cases"
G_PER_T = 1e6
J_PER_MWH = 3.6e9
HOURS_PER_DAY = 24.0
TITLES = {"t5": "T5", "gpt3": "GPT-3", "gshard": "GShard-600B", "switch": "Switch Transformer", "xlm": "XLM"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """What is published about one training run, and what its authors reported.

    Attributes:
        name: key of `TITLES`.
        devices, days: accelerators, and days that they ran.
        average_w: of one accelerator with its part of the host, before PUE, W.
        pue, intensity_g_per_kwh: of the site; the intensity is the mean that the authors used.
        reported_t, reported_mwh: tonnes CO2e, and MWh with PUE.
    """

    name: str
    devices: Factor
    days: Factor
    average_w: Factor
    pue: Factor
    intensity_g_per_kwh: Factor
    reported_t: Factor
    reported_mwh: Factor

    def phase(self) -> PhaseSpec:
        """The run as a phase, at the days as printed."""
        return PhaseSpec(
            name=self.name,
            phase="training",
            pue=self.pue,
            # Combustion at the plant, as in the statistics that the authors cite.
            intensity=Intensity(rate=self.intensity_g_per_kwh, signal="average", basis="direct"),
            devices=self.devices.value,
            hours=self.days.value * HOURS_PER_DAY,
            average_w=self.average_w,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """A run beside what was reported of it; ``difference_frac`` is ours over reported, less 1."""

    model: str
    carbon_t: float
    low_t: float
    high_t: float
    reported_t: float
    difference_frac: float
    energy_mwh: float
    reported_mwh: float
    source: str


def training_run(name: str) -> TrainingRun:
    """One published run.

    Args:
        name: a key of `TITLES`.

    Raises:
        ConfigError: no such run; names the nearest.
    """
    if name not in TITLES:
        raise ConfigError(f"there is no training run {name!r}.", key="name", fix=did_you_mean(name, TITLES))
    rows = table(TABLE)
    keys = [key for key in TrainingRun.__dataclass_fields__ if key != "name"]
    return TrainingRun(name=name, **{key: rows[f"{name}.{key}"] for key in keys})


def recompute(run: TrainingRun) -> Recomputed:
    """The run's tonnes by ``devices x days x average W x PUE x intensity``, beside what its authors reported."""
    account = phase_lines([run.phase()])
    whole = bill(account.lines, account.factors, functional_unit="training run", units=1, boundary="the site")
    carbon, (item,) = whole.total, whole.items
    assert item.energy_j is not None
    return Recomputed(
        model=TITLES[run.name],
        carbon_t=carbon.value / G_PER_T,
        low_t=carbon.low / G_PER_T,
        high_t=carbon.high / G_PER_T,
        reported_t=run.reported_t.value,
        difference_frac=carbon.value / G_PER_T / run.reported_t.value - 1.0,
        energy_mwh=item.energy_j.value * run.pue.value / J_PER_MWH,
        reported_mwh=run.reported_mwh.value,
        source=run.devices.source,
    )


def recompute_all() -> list[Recomputed]:
    """All published runs, in the order of `TITLES`."""
    return [recompute(training_run(name)) for name in TITLES]
