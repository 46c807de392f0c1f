"""tritonclient over gRPC, synchronous."""

from __future__ import annotations

import queue

import numpy as np
import tritonclient.grpc as triton
from checks import EXAMPLES, Checks, Target, near, refused, same, target
from tritonclient.utils import InferenceServerException as Refusal


def main() -> None:
    """Every check, then the exit code."""
    at, checks = target(), Checks("triton_grpc")
    client = triton.InferenceServerClient(at.grpc)
    headers = {"authorization": f"Bearer {at.token}"}
    run = checks.run
    run("live", client.is_server_live)
    run("ready", client.is_server_ready)
    run("model ready", lambda: client.is_model_ready(at.model, headers=headers))
    run("model ready, version", lambda: client.is_model_ready(at.model, "1", headers=headers))
    run("unknown model is not ready", lambda: _never_ready(client, headers))
    run("server metadata", lambda: _server(client.get_server_metadata(headers=headers)))
    run("model metadata", lambda: _model(client.get_model_metadata(at.model, headers=headers), at))
    run("infer", lambda: _infer(client, at, headers))
    run("infer, chosen output", lambda: _infer(client, at, headers, [triton.InferRequestedOutput(at.output)]))
    run("infer, version 1", lambda: near(_ask(client, at, headers, model_version="1"), at.expected))
    run("parameters in and out", lambda: _parameters(client, at, headers))
    run("async_infer, 16 at a time", lambda: _many(client, at, headers))
    run("deadline 0 refused", lambda: _deadline(client, at, headers, 0))
    run("deadline NaN refused", lambda: _deadline(client, at, headers, float("nan")))
    run("unknown model", lambda: _unknown(client, at, headers))
    run("unknown version", lambda: _unknown(client, at, headers, at.model, "99"))
    if at.ours:
        run("unknown output", lambda: _unknown_output(client, at, headers))
        run("wrong shape", lambda: _wrong_shape(client, at, headers))
    run("no token", lambda: refused(lambda: _ask(client, at, {}), Refusal, "token", "key"))
    wrong = {"authorization": "Bearer wrong"}
    run("wrong token", lambda: refused(lambda: _ask(client, at, wrong), Refusal, "token", "key"))
    run("gzip", lambda: near(_ask(client, at, headers, compression_algorithm="gzip"), at.expected))
    for kind, model in at.kinds.items():
        run(kind, lambda k=kind, m=model: _kind(client, k, m, headers))
    run("still live", client.is_server_live)
    client.close()
    checks.end()


def _inputs(at: Target) -> list[triton.InferInput]:
    made = triton.InferInput(at.input, list(at.given.shape), "FP32")
    made.set_data_from_numpy(at.given)
    return [made]


def _ask(client: triton.InferenceServerClient, at: Target, headers: dict[str, str], **more: object) -> object:
    return client.infer(at.model, _inputs(at), headers=headers, **more).as_numpy(at.output)


def _never_ready(client: triton.InferenceServerClient, headers: dict[str, str]) -> None:
    refused(lambda: client.is_model_ready("nobody", headers=headers), Refusal, "not found")


def _server(told: object) -> None:
    assert told.name == "gramwise", told
    assert "binary_tensor_data" in told.extensions, told


def _model(told: object, at: Target) -> None:
    assert told.name == at.model, told
    assert "1" in told.versions, told
    assert [(each.name, each.datatype) for each in told.inputs] == [(at.input, "FP32")], told
    assert [(each.name, each.datatype) for each in told.outputs] == [(at.output, "FP32")], told


def _infer(
    client: triton.InferenceServerClient,
    at: Target,
    headers: dict[str, str],
    outputs: list[triton.InferRequestedOutput] | None = None,
) -> None:
    found = client.infer(at.model, _inputs(at), outputs=outputs, request_id="a-7", headers=headers)
    near(found.as_numpy(at.output), at.expected)
    told = found.get_response()
    assert told.id == "a-7", told.id
    assert told.model_name == at.model, told.model_name


def _parameters(client: triton.InferenceServerClient, at: Target, headers: dict[str, str]) -> None:
    asked = {"deadline_ms": 30_000, "mine": "text", "also": True}
    told = client.infer(at.model, _inputs(at), headers=headers, parameters=asked).get_response().parameters
    missing = [name for name in at.told if name not in told]
    assert not missing, f"{missing} missing of {list(told)}"
    if "energy_joules" in told:
        low, value, high = (told[f"energy_joules{end}"].double_param for end in ("_low", "", "_high"))
        assert 0 < low <= value <= high, told
        assert "energy_joules=" in told["energy_receipt"].string_param, told


def _many(client: triton.InferenceServerClient, at: Target, headers: dict[str, str]) -> None:
    answers: queue.Queue[tuple[object, object]] = queue.Queue()
    for _ in range(16):
        client.async_infer(
            at.model, _inputs(at), lambda result, error: answers.put((result, error)), headers=headers
        )
    for _ in range(16):
        result, error = answers.get(timeout=30)
        assert error is None, error
        near(result.as_numpy(at.output), at.expected)


def _deadline(
    client: triton.InferenceServerClient, at: Target, headers: dict[str, str], value: float
) -> None:
    refused(lambda: _ask(client, at, headers, parameters={"deadline_ms": value}), Refusal, "deadline_ms")


def _unknown(
    client: triton.InferenceServerClient,
    at: Target,
    headers: dict[str, str],
    model: str = "nobody",
    version: str = "",
) -> None:
    refused(
        lambda: client.infer(model, _inputs(at), model_version=version, headers=headers),
        Refusal,
        "not found",
        "version",
    )


def _unknown_output(client: triton.InferenceServerClient, at: Target, headers: dict[str, str]) -> None:
    outputs = [triton.InferRequestedOutput("no_such_output")]
    refused(lambda: _ask(client, at, headers, outputs=outputs), Refusal, "no_such_output")


def _wrong_shape(client: triton.InferenceServerClient, at: Target, headers: dict[str, str]) -> None:
    made = triton.InferInput(at.input, [1, 2], "FP32")
    made.set_data_from_numpy(np.zeros((1, 2), np.float32))
    refused(lambda: client.infer(at.model, [made], headers=headers), Refusal, "the model takes")


def _kind(client: triton.InferenceServerClient, kind: str, model: str, headers: dict[str, str]) -> None:
    array = EXAMPLES[kind]
    made = triton.InferInput("x", list(array.shape), kind)
    made.set_data_from_numpy(array)
    same(client.infer(model, [made], headers=headers).as_numpy("y"), array)


if __name__ == "__main__":
    main()
