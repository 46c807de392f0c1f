"""KServe's InferenceRESTClient."""

from __future__ import annotations

import asyncio
import logging

import httpx
from checks import Checks, Target, near, refused_later, target
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput


async def main() -> int:
    """Every check; the number that failed."""
    logging.disable(logging.ERROR)  # it logs every refusal that is asked for here
    at, checks = target(), Checks("kserve_rest")
    client, url = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30)), f"http://{at.http}"
    headers = {"authorization": f"Bearer {at.token}"}
    wait = checks.wait
    await wait("live", lambda: client.is_server_live(url))
    await wait("ready", lambda: client.is_server_ready(url))
    await wait("model ready", lambda: client.is_model_ready(url, at.model, headers))
    await wait("unknown model is not ready", lambda: _never_ready(client, url, headers))
    for sent in (True, False):
        for back in (True, False):
            form = f"{'binary' if sent else 'JSON'} in, {'binary' if back else 'JSON'} out"
            await wait(f"infer, {form}", lambda s=sent, b=back: _infer(client, url, at, dict(headers), s, b))
    await wait("parameters in and out", lambda: _parameters(client, url, at, dict(headers)))
    await wait("unknown model", lambda: _unknown(client, url, at, dict(headers)))
    await wait("wrong token", lambda: _wrong(client, url, at))
    await wait("still live", lambda: client.is_server_live(url))
    await client.close()
    return checks.failed


def _request(
    at: Target, *, binary: bool = True, back: bool | None = None, **parameters: object
) -> InferRequest:
    made = InferInput(at.input, list(at.given.shape), "FP32")
    made.set_data_from_numpy(at.given, binary_data=binary)
    outputs = None if back is None else [RequestedOutput(at.output, {"binary_data": back})]
    return InferRequest(at.model, [made], request_id="a-7", parameters=parameters, request_outputs=outputs)


async def _never_ready(client: InferenceRESTClient, url: str, headers: dict[str, str]) -> None:
    assert await client.is_model_ready(url, "nobody", headers) is False


async def _infer(
    client: InferenceRESTClient, url: str, at: Target, headers: dict[str, str], sent: bool, back: bool
) -> None:
    found = await client.infer(url, _request(at, binary=sent, back=back), at.model, headers)
    near(found.get_output_by_name(at.output).as_numpy(), at.expected)
    assert found.id == "a-7", found.id
    assert found.model_name == at.model, found.model_name


async def _parameters(client: InferenceRESTClient, url: str, at: Target, headers: dict[str, str]) -> None:
    found = await client.infer(
        url, _request(at, back=True, deadline_ms=30_000, mine="text"), at.model, headers
    )
    told = found.parameters or {}
    assert not [name for name in at.told if name not in told], told


async def _unknown(client: InferenceRESTClient, url: str, at: Target, headers: dict[str, str]) -> None:
    await refused_later(client.infer(url, _request(at), "nobody", headers), httpx.HTTPStatusError, "404")


async def _wrong(client: InferenceRESTClient, url: str, at: Target) -> None:
    headers = {"authorization": "Bearer wrong"}
    await refused_later(client.infer(url, _request(at), at.model, headers), httpx.HTTPStatusError, "401")


if __name__ == "__main__":
    raise SystemExit(1 if asyncio.run(main()) else 0)
