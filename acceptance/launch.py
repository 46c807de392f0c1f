"""One of our own servers in this process, as an operator would start it; a line of JSON tells when it can be asked.

Usage: ``launch.py node|gateway|fleet SETTINGS`` with the settings as JSON.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Coroutine
from typing import Any

from gramwise.gateway import loop


def main() -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level="INFO")
    start = {"node": _node, "gateway": _gateway, "fleet": _fleet}[sys.argv[1]]
    loop.run(start(json.loads(sys.argv[2])))


def _node(settings: dict[str, Any]) -> Coroutine[Any, Any, None]:
    from gramwise.gateway.node import Listening, Settings, run_node

    def ready(at: Listening) -> None:
        print(json.dumps({"http": at.http, "grpc": at.grpc}), flush=True)

    return run_node(Settings.of(**settings), ready)


def _gateway(settings: dict[str, Any]) -> Coroutine[Any, Any, None]:
    from gramwise.gateway.front.gateway import Gateway, Listening, run_gateway
    from gramwise.gateway.front.settings import Settings

    def ready(at: Listening, gateway: Gateway) -> None:
        told = {"http": at.http, "grpc": at.grpc, "control": at.control}
        nodes = {peer.name: peer.said for peer in gateway.fleet.peers.values() if peer.up}
        print(json.dumps({**told, "nodes": nodes}), flush=True)

    companion = None
    if settings.pop("control"):
        from gramwise.gateway.control.beside import beside

        companion = beside()
    return run_gateway(Settings.of(**settings), ready, companion)


def _fleet(settings: dict[str, Any]) -> Coroutine[Any, Any, None]:
    from gramwise.gateway.fleetup import fleet_up
    from gramwise.gateway.front.settings import Settings

    return fleet_up(Settings.of(**settings), lambda told: print(json.dumps(dict(told)), flush=True))


if __name__ == "__main__":
    main()
