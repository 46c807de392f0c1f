"""A control API on a real socket, with a real ledger, real keys and a fleet that is a list: for tests of its routes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2

from gramwise.core.ahead import Forecast
from gramwise.core.clock import Clock, SystemClock
from gramwise.core.errors import NodeLost, Rejected
from gramwise.core.series import Series
from gramwise.gateway.access.door import Door
from gramwise.gateway.access.keys import KeyFile, Limits
from gramwise.gateway.access.quota import Quotas
from gramwise.gateway.access.tls import TlsFiles
from gramwise.gateway.control.grids import Named, SourcesGrid
from gramwise.gateway.control.planner import PlannerSettings
from gramwise.gateway.control.start import Control, ControlSettings, start_control
from gramwise.gateway.control.views import Join, NodeState, Shares
from gramwise.gateway.ledger.ledger import Ledger
from gramwise.gateway.ledger.rows import Row

HOUR_S = 3600.0
T0_S = 1_760_000_400.0
"""A full hour of October 2025: when the recorded intensities begin."""


class ListFleet:
    """A `FleetView` of nodes that are only told; an address at port 9 is one where nobody answers."""

    def __init__(self, *names: str) -> None:
        self.states = [
            NodeState(name=n, address=f"http://127.0.0.1:{7000 + i}", zone="FR", state="ready", slots=1)
            for i, n in enumerate(names)
        ]
        self.snapshot, self.applied, self.joined = 1, [], []  # type: int, list[Shares], list[Join]

    def version(self) -> int:
        return self.snapshot

    def nodes(self) -> list[NodeState]:
        return list(self.states)

    async def join(self, node: Join) -> NodeState:
        if node.address.endswith(":9"):
            raise NodeLost(f"{node.name} does not answer.")
        self.joined.append(node)
        state = NodeState(
            name=node.name, address=node.address, zone=node.zone, state="ready", slots=node.slots
        )
        self.states.append(state)
        self.snapshot += 1
        return state

    async def leave(self, name: str, drain_s: float) -> None:
        if len(self.states) == 1:
            raise Rejected("it is the last node.")
        self.states = [state for state in self.states if state.name != name]
        self.snapshot += 1

    def apply_shares(self, shares: Shares) -> int:
        self.applied.append(shares)
        self.snapshot += 1
        return self.snapshot

    def mark(self, name: str, state: str) -> None:
        self.states = [replace(s, state=state) if s.name == name else s for s in self.states]


class Recorded:
    """An intensity source of 48 hours from `T0_S`: 100, 110, 120 ... g/kWh; and forecasts of the same."""

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        first, last = int((start_s - T0_S) // HOUR_S), int(-(-(end_s - T0_S) // HOUR_S))
        hours = [h for h in range(first, last) if 0 <= h < 48]
        if not hours:
            from gramwise.core.errors import DataGap

            raise DataGap("nothing is recorded then.")
        return Series(
            times_s=tuple(T0_S + h * HOUR_S for h in hours),
            values=tuple(100.0 + 10.0 * h for h in hours),
            end_s=T0_S + (hours[-1] + 1) * HOUR_S,
            unit="g/kWh",
            signal="average",
            basis="lifecycle",
            source="recorded",
        )

    def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Forecast:
        return Forecast(zone=zone, issued_s=issued_s, series=self.history(zone, start_s, end_s))


class Rig:
    """What a test holds: the address, the keys' texts, and what stands behind."""

    def __init__(
        self, url: str, keys: Mapping[str, str], fleet: ListFleet, ledger: Ledger, client: httpx2.Client
    ) -> None:
        self.url, self.keys, self.fleet, self.ledger, self.client = url, keys, fleet, ledger, client

    def ask(self, method: str, path: str, *, key: str | None = "all", **more: Any) -> httpx2.Response:
        """One request with a key by its name; None sends none."""
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {self.keys[key]}"
        return self.client.request(method, path, headers=headers, **more)

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self.url.split("//")[1].rsplit(":", 1)
        return host, int(port)

    def record(self, **fields: Any) -> None:
        """An outcome in the ledger."""
        blank = {
            "arrival_s": SystemClock().now_s(),
            "status": "completed",
            "tenant": "acme",
            "model": "digits",
        }
        self.ledger.append(Row(**{**blank, **fields}))


@contextmanager
def rig(
    folder: Path,
    *,
    limits: Limits | None = None,
    auth: bool = True,
    tls: TlsFiles | None = None,
    clock: Clock | None = None,
    settings: Mapping[str, Any] | None = None,
    planner: Mapping[str, Any] | None = None,
    nodes: tuple[str, ...] = ("lyon", "essen"),
) -> Iterator[Rig]:
    """A control API that serves until the block ends."""
    clock = clock or SystemClock()
    file = KeyFile(folder / "keys.json")
    made = {
        name: file.add(tenant, rights, now_s=clock.now_s(), limits=limits if name == "infer" else None)[1]
        for name, tenant, rights in (
            ("all", "root", ("infer", "read", "change")),
            ("read", "watch", ("read",)),
            ("infer", "acme", ("infer",)),
        )
    }
    ledger = Ledger.open(f"sqlite:///{folder / 'ledger.db'}", folder / "spool")
    fleet = ListFleet(*nodes)
    loop = asyncio.new_event_loop()
    running = threading.Thread(target=loop.run_forever, daemon=True)
    running.start()

    async def start() -> Control:
        door = Door(folder / "keys.json" if auth else None, clock)
        source, plans = Recorded(), PlannerSettings(folder=folder / "plans", zone="FR", **(planner or {}))
        return await start_control(
            replace(ControlSettings(planner=plans, tls=tls, public=("127.0.0.1", 0)), **(settings or {})),
            fleet=fleet,
            ledger=ledger,
            door=door,
            quotas=Quotas(door.limits, clock),
            grid=SourcesGrid(
                lambda: ["FR", "DE"],
                provider="recorded",
                history=source,
                forecasts=[Named("recorded", source)],
                clock=clock,
            ),
            clock=clock,
            metrics=lambda: b"gramwise_build_info 1\n",
        )

    control = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
    assert control.public is not None
    url = f"{'https' if tls else 'http'}://{control.public[0]}:{control.public[1]}"
    verify = TlsFiles(ca=tls.cert).client() if tls else True
    try:
        with httpx2.Client(base_url=url, timeout=60.0, verify=verify) as client:
            yield Rig(url, made, fleet, ledger, client)
    finally:
        asyncio.run_coroutine_threadsafe(control.stop(2.0), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        running.join(5)
        loop.close()
        ledger.close()
