"""tritonclient over HTTP, asynchronous."""

from __future__ import annotations

import asyncio

import tritonclient.http as plain
import tritonclient.http.aio as triton
from checks import Checks, Target, near, refused_later, target
from tritonclient.utils import InferenceServerException as Refusal


async def main() -> int:
    """Every check; the number that failed."""
    at, checks = target(), Checks("triton_http_aio")
    headers = {"Authorization": f"Bearer {at.token}"}
    async with triton.InferenceServerClient(at.http) as client:
        wait = checks.wait
        await wait("live", client.is_server_live)
        await wait("ready", client.is_server_ready)
        await wait("model ready", lambda: client.is_model_ready(at.model, headers=dict(headers)))
        await wait("server metadata", lambda: _server(client, headers))
        await wait("model metadata", lambda: _model(client, at, headers))
        await wait("infer, binary", lambda: _infer(client, at, headers, True))
        await wait("infer, JSON", lambda: _infer(client, at, headers, False))
        await wait("parameters in and out", lambda: _parameters(client, at, headers))
        await wait("16 at a time", lambda: _many(client, at, headers))
        await wait("unknown model", lambda: _unknown(client, at, headers))
        await wait("wrong token", lambda: _wrong(client, at))
        await wait("still live", client.is_server_live)
    return checks.failed


def _inputs(at: Target, binary: bool = True) -> list[plain.InferInput]:
    made = plain.InferInput(at.input, list(at.given.shape), "FP32")
    made.set_data_from_numpy(at.given, binary_data=binary)
    return [made]


async def _server(client: triton.InferenceServerClient, headers: dict[str, str]) -> None:
    told = await client.get_server_metadata(headers=dict(headers))
    assert told["name"] == "gramwise", told


async def _model(client: triton.InferenceServerClient, at: Target, headers: dict[str, str]) -> None:
    told = await client.get_model_metadata(at.model, headers=dict(headers))
    assert [each["name"] for each in told["inputs"]] == [at.input], told


async def _infer(
    client: triton.InferenceServerClient, at: Target, headers: dict[str, str], binary: bool
) -> None:
    outputs = [plain.InferRequestedOutput(at.output, binary_data=binary)]
    found = await client.infer(at.model, _inputs(at, binary), outputs=outputs, headers=dict(headers))
    near(found.as_numpy(at.output), at.expected)


async def _parameters(client: triton.InferenceServerClient, at: Target, headers: dict[str, str]) -> None:
    found = await client.infer(
        at.model, _inputs(at), parameters={"deadline_ms": 30_000}, headers=dict(headers)
    )
    told = found.get_response().get("parameters", {})
    assert not [name for name in at.told if name not in told], told


async def _many(client: triton.InferenceServerClient, at: Target, headers: dict[str, str]) -> None:
    asked = [client.infer(at.model, _inputs(at), headers=dict(headers)) for _ in range(16)]
    for found in await asyncio.gather(*asked):
        near(found.as_numpy(at.output), at.expected)


async def _unknown(client: triton.InferenceServerClient, at: Target, headers: dict[str, str]) -> None:
    await refused_later(client.infer("nobody", _inputs(at), headers=dict(headers)), Refusal, "not found")


async def _wrong(client: triton.InferenceServerClient, at: Target) -> None:
    headers = {"Authorization": "Bearer wrong"}
    await refused_later(client.infer(at.model, _inputs(at), headers=dict(headers)), Refusal, "token", "key")


if __name__ == "__main__":
    raise SystemExit(1 if asyncio.run(main()) else 0)
