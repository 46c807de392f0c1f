"""The intensities that decisions rest on: an annual table, recorded hours, or a provider that is asked now and then.

A provider that is away for a day costs no request: its last value ages, then its forecast, what is usual, and the
annual table stand in for it (`gramwise.grid.feed`), each with its age and its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gramwise.core import plugins
from gramwise.core.clock import Clock
from gramwise.core.errors import ConfigError
from gramwise.core.quantity import Basis, Signal
from gramwise.fleet.scenario import Scenario, load_scenario
from gramwise.grid.archive import Archive, Shelf
from gramwise.grid.feed import Feed, Known, Supplier
from gramwise.grid.forecasts.own import OwnForecast
from gramwise.runtime.assembly import grids_of, read_scenario
from gramwise.runtime.feeding import Feeder
from gramwise.runtime.world import Grid, World

from .settings import Settings

ANNUAL, TRACE = "annual", "trace"

_KINDS: Mapping[str, tuple[Signal, Basis]] = {
    "uk-carbon-intensity": ("average", "direct"),
    "watttime": ("marginal", "direct"),
}
"""What a provider gives when it is told nothing; average and life-cycle where not named."""


class Supply:
    """Where intensities come from.

    Args:
        settings: with the name of the source.
        folder: where a provider's answers are kept.
        clock: for now.

    Raises:
        ConfigError: no such source.
        SourceUnavailable: what it needs is not installed.
    """

    def __init__(self, settings: Settings, folder: Path, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        name, _, argument = settings.intensity.partition(":")
        self.provider, self._source = name, None
        self._archive: Archive | None = None
        self.signal: Signal = "average"
        self.basis: Basis = "lifecycle"
        if name == ANNUAL:
            return
        options = dict(settings.intensity_options)
        signal, basis = _KINDS.get(name, ("average", options.get("basis", "lifecycle")))
        self.signal, self.basis = signal, basis
        if name == TRACE and not argument:
            raise ConfigError("recorded hours lie in a folder.", key="--intensity", fix="Write trace:FOLDER.")
        places = (argument,) if name == TRACE else ()
        self._source = plugins.create("intensity", name, *places, **options)
        self._archive = Archive(folder / "intensity.sqlite")

    @property
    def shelf(self) -> Shelf | None:
        """What the provider has said before; None without a source that changes."""
        if self._archive is None:
            return None
        return self._archive.only(provider=self.provider, signal=self.signal, basis=self.basis)

    @property
    def live(self) -> bool:
        """Whether there is anything to refresh."""
        return self._source is not None

    def read(self, path: Path) -> Scenario:
        """The scenario, its zones checked where the annual table serves them.

        Raises:
            ConfigError, Infeasible: with file, key and what to write.
        """
        overrides = self._settings.overrides
        return load_scenario(path, overrides) if self.live else read_scenario(path, overrides)

    def grids(self, scenario: Scenario, known: Mapping[str, Grid]) -> tuple[Grid, ...]:
        """The electricity of each node to start with.

        Args:
            scenario: whose nodes.
            known: by zone, what is in force already.

        Raises:
            ConfigError: intensities of different kinds, or a zone that the annual table does not know.
        """
        if not self.live:
            return grids_of(scenario, self._clock.now_s())
        zones = self._zones(scenario)
        feed = self.feed(zones)
        assert feed is not None
        # What the archive holds, and the annual table, are there before any provider has answered.
        now = {zone: known.get(zone) or _grid(feed.now(zone)) for zone in zones}
        fixed = {name: row for name, row in scenario.nodes.items() if row.intensity_g_per_kwh is not None}
        declared: dict[str, Grid] = {}
        if fixed:
            own = scenario.model_copy(update={"nodes": fixed})
            declared = dict(zip(fixed, grids_of(own, self._clock.now_s()), strict=True))
        return tuple(declared.get(name) or now[row.zone] for name, row in scenario.nodes.items())

    def feeder(self, scenario: Scenario, world: World) -> Feeder | None:
        """What keeps a world's intensities current; None where nothing changes."""
        zones = self._zones(scenario)
        feed = self.feed(zones)
        if feed is None or not zones:
            return None
        return Feeder(feed, world, zones, self._settings.refresh_s, self._clock)

    def feed(self, zones: Sequence[str]) -> Feed | None:
        """Values and forecasts of zones; None without a source that changes."""
        shelf = self.shelf
        if self._archive is None or shelf is None:
            return None
        return Feed(
            [Supplier(name=self.provider, source=self._source)],
            self._archive,
            self._clock,
            zones=zones,
            signal=self.signal,
            basis=self.basis,
            every_s=self._settings.refresh_s,
            own=OwnForecast(shelf),
        )

    def close(self) -> None:
        """Let go of the archive."""
        if self._archive is not None:
            self._archive.close()

    @staticmethod
    def _zones(scenario: Scenario) -> list[str]:
        rows = scenario.nodes.values()
        return list(dict.fromkeys(row.zone for row in rows if row.intensity_g_per_kwh is None))


def _grid(known: Known) -> Grid:
    return Grid(intensity=known.value, age_s=known.age_s, signal=known.signal, basis=known.basis)
