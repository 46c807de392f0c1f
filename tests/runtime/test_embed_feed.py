"""An embedded fleet whose intensities follow a feed while it serves."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import gramwise
from gramwise.core.clock import SystemClock
from gramwise.core.errors import SourceUnavailable
from gramwise.core.series import Series
from gramwise.grid.archive import Archive
from gramwise.grid.feed import Feed, Supplier
from gramwise.runtime import embed

Images = Callable[[int], tuple[npt.NDArray[Any], npt.NDArray[Any]]]
Write = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("nothing_left")
H = 3600.0


@pytest.fixture
def archive(nothing_left: None, tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "intensity.sqlite") as kept:
        yield kept


class Grid:
    """Zones whose intensity can be set; nothing at all while ``silent``."""

    def __init__(self, **g_per_kwh: float) -> None:
        self.g_per_kwh, self.silent, self.threads = g_per_kwh, False, set[str]()

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        self.threads.add(threading.current_thread().name)
        if self.silent:
            raise SourceUnavailable("the provider does not answer")
        first, last = start_s // H * H, math.ceil(end_s / H) * H
        hours = round((last - first) / H)
        return Series(
            times_s=tuple(first + i * H for i in range(hours)),
            values=(self.g_per_kwh[zone],) * hours,
            end_s=last,
            unit="g/kWh",
            signal="average",
            basis="lifecycle",
            source="made up for tests",
        )


def feed_of(grid: Grid, archive: Archive) -> Feed:
    suppliers = [Supplier(name="made-up", source=grid)]
    return Feed(suppliers, archive, SystemClock(), zones=tuple(grid.g_per_kwh), every_s=0.0)


@pytest.mark.parametrize("executor", ["in-process", "processes"])
def test_a_feed_decides_where_it_serves(
    write_scenario: Write, some_images: Images, executor: Any, archive: Archive
) -> None:
    images, _ = some_images(8)
    with gramwise.open(write_scenario(), executor=executor) as fleet:
        zones = {node.name: node.zone for node in fleet.fleet.nodes}
        usual = fleet.infer("tiny", {"input": images}).outcome.node
    other = next(name for name in zones if name != usual)
    grid = Grid(**{zone: 1.0 if zone == zones[other] else 5000.0 for zone in zones.values()})
    with gramwise.open(write_scenario(), executor=executor, feed=feed_of(grid, archive)) as fleet:
        answer = fleet.infer("tiny", {"input": images})
        assert answer.outcome.node == other
        intensity = answer.outcome.cost.carbon_g / answer.outcome.cost.energy_j * 3.6e6
        assert intensity == pytest.approx(1.0)
    assert "MainThread" not in grid.threads  # nobody's request waits for a provider


def test_values_move_while_it_serves_and_a_silent_provider_fails_no_request(
    write_scenario: Write, some_images: Images, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "FEED_INTERVAL_S", 0.02)
    images, _ = some_images(8)

    async def serve() -> list[str]:
        grid = Grid(**dict.fromkeys(("FR", "DE", "NL", "ES", "PL", "SE", "NO", "US", "GB"), 100.0))
        async with gramwise.aopen(write_scenario(), executor="in-process") as fleet:
            zones = {node.name: node.zone for node in fleet.fleet.nodes}
        grid.g_per_kwh = dict.fromkeys(zones.values(), 5000.0)
        first, second = next(iter(zones)), list(zones)[-1]
        grid.g_per_kwh[zones[first]] = 0.5
        seen = []
        async with gramwise.aopen(
            write_scenario(), executor="in-process", feed=feed_of(grid, archive)
        ) as fleet:
            seen.append((await fleet.infer("tiny", {"input": images})).outcome.node)
            version = fleet.engine.world.version
            grid.silent = True
            while fleet.engine.world.version < version + 3:
                await asyncio.sleep(0.01)
            seen.append((await fleet.infer("tiny", {"input": images})).outcome.node)
            assert fleet.feeding is not None
        assert fleet.feeding.cancelled()
        return [first, *seen, second]

    first, one, two, _ = asyncio.run(serve())
    assert one == first
    assert two == first  # the last value is still fresh


def test_a_feed_of_another_kind_leaves_the_intensity_unknown(write_scenario: Write, archive: Archive) -> None:
    grid = Grid(FR=1.0)
    feed = Feed(
        [Supplier(name="made-up", source=grid)],
        archive,
        SystemClock(),
        zones=("FR",),
        signal="marginal",
        basis="direct",
    )
    with gramwise.open(write_scenario(), executor="in-process", feed=feed) as fleet:
        snapshot = fleet._async.engine.world.snapshot(0.0)
        assert np.isnan(snapshot.intensity_g_per_kwh).all()  # unknown, never the annual mean of another kind
