"""tritonclient over HTTP, synchronous, and its asynchronous twin in `triton_http_aio.py`."""

from __future__ import annotations

import numpy as np
import tritonclient.http as triton
from checks import EXAMPLES, Checks, Target, near, refused, same, target
from tritonclient.utils import InferenceServerException as Refusal


def main() -> None:
    """Every check, then the exit code."""
    at, checks = target(), Checks("triton_http")
    client = triton.InferenceServerClient(at.http, concurrency=4, network_timeout=30, connection_timeout=30)
    headers = _bearer(
        at.token
    )  # copied for each call: the client writes the size of its JSON into what it is given
    run = checks.run
    run("live", client.is_server_live)
    run("ready", client.is_server_ready)
    run("model ready", lambda: client.is_model_ready(at.model, headers=dict(headers)))
    run("model ready, version", lambda: client.is_model_ready(at.model, "1", headers=dict(headers)))
    run("unknown model is not ready", lambda: client.is_model_ready("nobody", headers=dict(headers)) is False)
    run("server metadata", lambda: _server(client.get_server_metadata(headers=dict(headers))))
    run("model metadata", lambda: _model(client.get_model_metadata(at.model, headers=dict(headers)), at))
    run("repository index", lambda: _index(client.get_model_repository_index(headers=dict(headers)), at))
    for sent in (True, False):
        for back in (True, False):
            form = f"{'binary' if sent else 'JSON'} in, {'binary' if back else 'JSON'} out"
            run(f"infer, {form}", lambda sent=sent, back=back: _infer(client, at, headers, sent, back))
    run("infer, every output", lambda: _all_outputs(client, at, headers))
    run("infer, version 1", lambda: _versioned(client, at, headers))
    run("parameters in and out", lambda: _parameters(client, at, headers))
    run("async_infer, 16 at a time", lambda: _many(client, at, headers))
    run("deadline 0 refused", lambda: _refused(client, at, headers, {"deadline_ms": 0}, "deadline_ms"))
    run(
        "deadline text refused", lambda: _refused(client, at, headers, {"deadline_ms": "soon"}, "deadline_ms")
    )
    run("unknown model", lambda: _unknown(client, at, headers))
    run("unknown version", lambda: _unknown(client, at, headers, at.model, "99"))
    if at.ours:
        run("unknown output", lambda: _unknown_output(client, at, headers))
        run("wrong shape", lambda: _wrong_shape(client, at, headers))
    run("no token", lambda: refused(lambda: _ask(client, at, {}), Refusal, "token", "key"))
    run("wrong token", lambda: refused(lambda: _ask(client, at, _bearer("wrong")), Refusal, "token", "key"))
    for kind, model in at.kinds.items():
        for binary in (True, False):
            if kind == "FP16" and not binary:
                continue  # this client refuses to write it as JSON
            form = "binary" if binary else "JSON"
            run(f"{kind} {form}", lambda k=kind, m=model, b=binary: _kind(client, k, m, headers, b))
    run("still live", client.is_server_live)
    client.close()
    checks.end()


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _inputs(at: Target, binary: bool = True) -> list[triton.InferInput]:
    made = triton.InferInput(at.input, list(at.given.shape), "FP32")
    made.set_data_from_numpy(at.given, binary_data=binary)
    return [made]


def _ask(client: triton.InferenceServerClient, at: Target, headers: dict[str, str], **more: object) -> object:
    return client.infer(at.model, _inputs(at), headers=dict(headers), **more)


def _server(told: dict[str, object]) -> None:
    assert told["name"] == "gramwise", told
    assert "binary_tensor_data" in told["extensions"], told


def _model(told: dict[str, object], at: Target) -> None:
    assert told["name"] == at.model, told
    assert "1" in told["versions"], told
    assert [(each["name"], each["datatype"]) for each in told["inputs"]] == [(at.input, "FP32")], told
    assert [(each["name"], each["datatype"]) for each in told["outputs"]] == [(at.output, "FP32")], told


def _index(told: list[dict[str, str]], at: Target) -> None:
    assert {each["state"] for each in told if each["name"] == at.model} == {"READY"}, told


def _infer(
    client: triton.InferenceServerClient, at: Target, headers: dict[str, str], sent: bool, back: bool
) -> None:
    outputs = [triton.InferRequestedOutput(at.output, binary_data=back)]
    found = client.infer(
        at.model, _inputs(at, sent), outputs=outputs, request_id="a-7", headers=dict(headers)
    )
    near(found.as_numpy(at.output), at.expected)
    told = found.get_response()
    assert told["id"] == "a-7", told
    assert told["model_name"] == at.model, told["model_name"]


def _all_outputs(client: triton.InferenceServerClient, at: Target, headers: dict[str, str]) -> None:
    near(_ask(client, at, headers).as_numpy(at.output), at.expected)


def _versioned(client: triton.InferenceServerClient, at: Target, headers: dict[str, str]) -> None:
    near(_ask(client, at, headers, model_version="1").as_numpy(at.output), at.expected)


def _parameters(client: triton.InferenceServerClient, at: Target, headers: dict[str, str]) -> None:
    asked = {"deadline_ms": 30_000, "mine": "text", "also": True}
    told = _ask(client, at, headers, parameters=asked).get_response().get("parameters", {})
    missing = [name for name in at.told if name not in told]
    assert not missing, f"{missing} missing of {told}"
    if "energy_joules" in told:
        low, value, high = (told[f"energy_joules{end}"] for end in ("_low", "", "_high"))
        assert 0 < low <= value <= high, told


def _many(client: triton.InferenceServerClient, at: Target, headers: dict[str, str]) -> None:
    waiting = [client.async_infer(at.model, _inputs(at), headers=dict(headers)) for _ in range(16)]
    for each in waiting:
        near(each.get_result().as_numpy(at.output), at.expected)


def _refused(
    client: triton.InferenceServerClient,
    at: Target,
    headers: dict[str, str],
    parameters: dict[str, object],
    word: str,
) -> None:
    refused(lambda: _ask(client, at, headers, parameters=parameters), Refusal, word)


def _unknown(
    client: triton.InferenceServerClient,
    at: Target,
    headers: dict[str, str],
    model: str = "nobody",
    version: str = "",
) -> None:
    refused(
        lambda: client.infer(model, _inputs(at), model_version=version, headers=dict(headers)),
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
    refused(lambda: client.infer(at.model, [made], headers=dict(headers)), Refusal, "the model takes")


def _kind(
    client: triton.InferenceServerClient, kind: str, model: str, headers: dict[str, str], binary: bool
) -> None:
    array = EXAMPLES[kind]
    made = triton.InferInput("x", list(array.shape), kind)
    made.set_data_from_numpy(array, binary_data=binary)
    outputs = [triton.InferRequestedOutput("y", binary_data=binary)]
    found = client.infer(model, [made], outputs=outputs, headers=dict(headers)).as_numpy("y")
    if kind == "BYTES" and not binary:
        array = np.array([each.decode() for each in array], object)
    same(found, array)


if __name__ == "__main__":
    main()
