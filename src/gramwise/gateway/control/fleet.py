"""The fleet's part of the control API: nodes told, joined and let go; a plan's shares matched with nodes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from .bodies import JoinBody
from .faults import Fault
from .planner import Planned
from .views import FleetView, Join

_NAME = re.compile(r"[^a-z0-9]+")


class Fleet:
    """Asks a `FleetView`."""

    def __init__(self, view: FleetView) -> None:
        self._view = view

    def document(self) -> dict[str, Any]:
        """All nodes, and the version of the snapshot in force."""
        return {"version": self._view.version(), "nodes": [asdict(node) for node in self._view.nodes()]}

    async def join(self, body: JoinBody) -> dict[str, Any]:
        """Let a node join; 409 where its name is taken."""
        if body.name in {node.name for node in self._view.nodes()}:
            raise Fault(
                409, f"there is a node {body.name!r} already; let it leave first, or take another name."
            )
        node = Join(**{name: getattr(body, name) for name in JoinBody.model_fields})
        joined = await self._view.join(node)
        return {"version": self._view.version(), "node": asdict(joined)}

    async def leave(self, name: str, drain_s: float) -> dict[str, Any]:
        """Let a node leave; 404 where there is none."""
        if name not in {node.name for node in self._view.nodes()}:
            raise Fault(404, f"there is no node {name!r}.")
        await self._view.leave(name, drain_s)
        return {"version": self._view.version(), "left": name}

    def apply(self, plan: Planned) -> dict[str, Any]:
        """Put a plan's shares into the next snapshot.

        Raises:
            Fault: 409, it is not solved, decides nothing over places, or names places that are no nodes (``missing``).
        """
        if plan.http != 200 or not plan.shares:
            raise Fault(409, "this plan decides nothing about places, so there is nothing to apply.")
        nodes = {_plain(node.name): node.name for node in self._view.nodes() if node.state != "leaving"}
        missing = sorted({p for by in plan.shares.values() for p in by if _plain(p) not in nodes})
        if missing:
            shown = ", ".join(missing[:20])
            raise Fault(409, f"these places are no nodes of this fleet: {shown}.", more={"missing": missing})
        shares = {thing: _matched(by, nodes) for thing, by in plan.shares.items()}
        return {"plan_id": plan.id, "version": self._view.apply_shares(shares), "shares": shares}


def _matched(by_place: Mapping[str, float], nodes: Mapping[str, str]) -> dict[str, float]:
    return {nodes[_plain(place)]: share for place, share in by_place.items()}


def _plain(name: str) -> str:
    """``Edge Box 1`` in a text is ``edge-box-1`` in a scenario."""
    return _NAME.sub("-", name.lower()).strip("-")
