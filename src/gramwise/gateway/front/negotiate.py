"""Asking a node what it is: how it takes tensors, and by what names it serves the variants of the scenario.

Ours, Triton, OpenVINO Model Server, KServe and MLServer all answer the same calls. Tensors go over HTTP in binary where
its metadata names that extension; else over gRPC where it has an address for that; else over HTTP as JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from gramwise.core.errors import ExecutionError, NodeLost, Rejected
from gramwise.core.model import Variant
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.metadata import (
    ModelMetadata,
    ServerMetadata,
    read_model_metadata,
    read_server_metadata,
)
from gramwise.gateway.oip.paths import model_path
from gramwise.gateway.web.client import Reply, Upstream
from gramwise.runtime.engine import variant_key

from .peers import Dialect, Peer

BINARY = "binary_tensor_data"
"""Name of the extension by which tensors travel as bytes behind a JSON head."""

_BINARY_NAMES = frozenset({BINARY, "binary_data"})
"""As it stands in metadata: Triton's own name, and OpenVINO Model Server's older one."""

_MOST_BYTES = 1 << 20
_ASK_S = 5.0


async def get(http: Upstream, path: bytes, timeout_s: float) -> tuple[int, bytes]:
    """Status and body of a call without a body.

    Raises:
        NodeLost: no answer.
    """
    try:
        reply: Reply = await http.send(b"GET", path, (), None, timeout_s=timeout_s)
        return reply.status, await reply.body.read(_MOST_BYTES)
    except NodeLost:
        raise
    except (ExecutionError, BadRequest) as fault:
        raise NodeLost(str(fault)) from fault


async def negotiate(peer: Peer, variants: Iterable[Variant], references: Mapping[str, str]) -> None:
    """Find out how a node is spoken to, and what it serves; puts it into the peer.

    Args:
        peer: the node.
        variants: that the scenario has.
        references: name of each model's reference variant.

    Raises:
        NodeLost: it does not answer.
        Rejected: it answers what makes no sense, or refuses the token.
    """
    status, body = await get(peer.http, b"/v2", _ASK_S)
    if status in (401, 403):
        raise Rejected(f"node {peer.name} refuses the gateway's token: write its file as server.token_file")
    try:
        told = read_server_metadata(body) if status == 200 else ServerMetadata(name="")
    except BadRequest as fault:
        raise Rejected(f"node {peer.name}: {fault.sentence}") from fault
    peer.dialect, peer.said = _dialect(peer, told), f"{told.name} {told.version}".strip()
    wanted = list(variants)
    found = await asyncio.gather(*(_named(peer, each, references) for each in wanted))
    names, metadata = {}, {}
    for variant, match in zip(wanted, found, strict=True):
        if match is not None:
            names[variant_key(variant.model, variant.name)] = match.name
            metadata[match.name] = match
    peer.names, peer.metadata = names, metadata


def _dialect(peer: Peer, told: ServerMetadata) -> Dialect:
    wanted = peer.server.protocol
    if wanted == "grpc" and peer.rpc is None:
        raise Rejected(f"node {peer.name} is to be spoken to over gRPC: write its address as server.grpc")
    if wanted != "auto":
        return wanted
    if _BINARY_NAMES & set(told.extensions):
        return "http-binary"
    return "http-json" if peer.rpc is None else "grpc"


async def _named(peer: Peer, variant: Variant, references: Mapping[str, str]) -> ModelMetadata | None:
    """The model of a node that is this variant; None where it has none."""
    key = variant_key(variant.model, variant.name)
    given = peer.server.models.get(key)
    options = [given] if given else [f"{variant.model}.{variant.name}", f"{variant.model}__{variant.name}"]
    if not given and references.get(variant.model) == variant.name:
        options.append(variant.model)
    for name in options:
        status, body = await get(peer.http, model_path(name), _ASK_S)
        if status != 200:
            continue
        ready, _ = await get(peer.http, model_path(name, ready=True), _ASK_S)
        if ready != 200:
            continue
        try:
            found = read_model_metadata(body)
        except BadRequest as fault:
            raise Rejected(f"node {peer.name}: {fault.sentence}") from fault
        return ModelMetadata(name, found.platform, found.inputs, found.outputs, found.versions)
    return None


def batched(metadata: ModelMetadata) -> bool:
    """Whether the first dimension of a model's inputs is free: then it counts inferences."""
    return bool(metadata.inputs) and all(each.shape and each.shape[0] == -1 for each in metadata.inputs)
