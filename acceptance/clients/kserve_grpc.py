"""KServe's InferenceGRPCClient, whose copy of the definition has no ``double_param``: the receipt is a text for it."""

from __future__ import annotations

import asyncio
import logging

import grpc
from checks import Checks, Target, near, refused_later, target
from kserve import InferenceGRPCClient, InferInput, InferRequest


async def main() -> int:
    """Every check; the number that failed."""
    logging.disable(logging.ERROR)  # it logs every refusal that is asked for here
    at, checks = target(), Checks("kserve_grpc")
    headers = (("authorization", f"Bearer {at.token}"),)
    async with InferenceGRPCClient(at.grpc, timeout=30) as client:
        wait = checks.wait
        await wait("live", client.is_server_live)
        await wait("ready", client.is_server_ready)
        await wait("model ready", lambda: client.is_model_ready(at.model, headers=headers))
        await wait("infer, raw", lambda: _infer(client, at, headers, True))
        await wait("infer, typed contents", lambda: _infer(client, at, headers, False))
        await wait("parameters in and out", lambda: _parameters(client, at, headers))
        await wait("16 at a time", lambda: _many(client, at, headers))
        await wait("unknown model", lambda: _unknown(client, at, headers))
        await wait("wrong token", lambda: _wrong(client, at))
        await wait("still live", client.is_server_live)
    return checks.failed


def _request(at: Target, *, model: str = "", raw: bool = True, **parameters: object) -> InferRequest:
    made = InferInput(at.input, list(at.given.shape), "FP32")
    made.set_data_from_numpy(at.given, binary_data=raw)
    return InferRequest(model or at.model, [made], request_id="a-7", parameters=parameters)


async def _infer(client: InferenceGRPCClient, at: Target, headers: object, raw: bool) -> None:
    found = await client.infer(_request(at, raw=raw), headers=headers)
    near(found.get_output_by_name(at.output).as_numpy(), at.expected)
    assert found.id == "a-7", found.id
    assert found.model_name == at.model, found.model_name


async def _parameters(client: InferenceGRPCClient, at: Target, headers: object) -> None:
    found = await client.infer(_request(at, deadline_ms=30_000, mine="text"), headers=headers)
    told = found.parameters or {}
    assert not [name for name in at.told if name not in told], told
    if "energy_joules" in at.told:
        receipt = told["energy_receipt"]
        text = receipt if isinstance(receipt, str) else receipt.string_param
        numbers = dict(part.split("=") for part in text.split(" "))
        assert float(numbers["energy_joules"]) > 0, text


async def _many(client: InferenceGRPCClient, at: Target, headers: object) -> None:
    asked = [client.infer(_request(at), headers=headers) for _ in range(16)]
    for found in await asyncio.gather(*asked):
        near(found.get_output_by_name(at.output).as_numpy(), at.expected)


async def _unknown(client: InferenceGRPCClient, at: Target, headers: object) -> None:
    await refused_later(
        client.infer(_request(at, model="nobody"), headers=headers), grpc.RpcError, "not found"
    )


async def _wrong(client: InferenceGRPCClient, at: Target) -> None:
    headers = (("authorization", "Bearer wrong"),)
    await refused_later(client.infer(_request(at), headers=headers), grpc.RpcError, "token", "key")


if __name__ == "__main__":
    raise SystemExit(1 if asyncio.run(main()) else 0)
