"""The servers that clients are pointed at, started, and described for them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from subject import HERE, MODEL, TOLD_BY_GATEWAY, TOLD_BY_NODE, Served, node_toml

EXAMPLE = HERE.parent / "examples" / "three-sites.toml"


def on_node(served: Served) -> Path:
    """Start a node; its description for clients."""
    return served.target(
        "node",
        served.node("alone"),
        model=f"{MODEL}.fp32",
        told=TOLD_BY_NODE,
        token=served.node_token,
        kinds=served.kinds,
    )


def on_gateway(served: Served) -> Path:
    """Start a gateway before two nodes; its description for clients."""
    nodes = [
        node_toml(name, served.node(name), zone=zone, server=_server(served, name))
        for name, zone in (("near", "DE"), ("far", "ES"))
    ]
    return served.target(
        "gateway",
        served.gateway("gateway", "".join(nodes)),
        model=MODEL,
        told=TOLD_BY_GATEWAY,
        token=served.key,
        kinds=served.kinds,
    )


def on_node_tls(served: Served) -> Path:
    """Start a node that speaks TLS; its description for clients."""
    told, ca = TOLD_BY_NODE, served.certificate()["tls_cert"]
    at = served.node("secret", tls=True)
    return served.target("node-tls", at, model=f"{MODEL}.fp32", told=told, token=served.node_token, ca=ca)


def on_gateway_tls(served: Served) -> Path:
    """Start a gateway that speaks TLS to its clients and to its node; its description for clients."""
    told, ca = TOLD_BY_GATEWAY, served.certificate()["tls_cert"]
    server = _server(served, "near") + f'ca_file = "{ca}"\n'
    nodes = node_toml("near", served.node("near-tls", tls=True), server=server, tls=True)
    at = served.gateway("gateway-tls", nodes, tls=True)
    return served.target("gateway-tls", at, model=MODEL, told=told, token=served.key, ca=ca)


def on_fleet(served: Served) -> Path:
    """Start the fleet of the example with three sites; its description for clients."""
    settings = {
        "scenario": str(EXAMPLE),
        "listen": "127.0.0.1:0",
        "state": str(served.folder / "fleet-state"),
    }
    at = served.start("fleet", [sys.executable, str(HERE / "launch.py"), "fleet", json.dumps(settings)])
    return served.target("fleet", at, model=MODEL, told=TOLD_BY_GATEWAY, token=at["token"])


def before(served: Served, name: str, at: dict[str, Any], protocol: str) -> Path:
    """Start a gateway before a foreign server; its description for clients."""
    host, port = at["grpc"]
    server = f'[nodes.near.server]\ngrpc = "{host}:{port}"\nprotocol = "{protocol}"\n'
    called = f"{name}-{protocol}"
    front = served.gateway(called, node_toml("near", at, server=server))
    return served.target(called, front, model=MODEL, told=TOLD_BY_GATEWAY, token=served.key, ours=False)


def near(served: Served, at: dict[str, Any]) -> str:
    """A node of ours as a scenario has it."""
    return node_toml("near", at, server=_server(served, "near"))


def _server(served: Served, name: str) -> str:
    return f'[nodes.{name}.server]\ntoken_file = "{served.token_file}"\n'
