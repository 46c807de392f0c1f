"""What foreign clients and the fuzzer found once, so that it stays found where they cannot be installed."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httptools", reason="the serve extra is not installed")
pytest.importorskip("grpc", reason="the serve extra is not installed")

from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.grpc_tensors import read_arrays
from gramwise.gateway.oip.head import read_reply_head, read_request_head
from gramwise.gateway.oip.messages import message
from gramwise.gateway.oip.tensors import read_tensors, write_request

sys.path.insert(0, str(Path(__file__).parents[2] / "acceptance"))
import targets
from subject import MODEL, Served, node_toml

TOO_WIDE = [0, 2**62]
"""Empty, and yet of dimensions that NumPy makes no array of."""


def asked(**tensor: Any) -> bytes:
    """A body with one tensor."""
    return json.dumps(
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1], **tensor}]}
    ).encode()


def refused(body: bytes) -> str:
    with pytest.raises(BadRequest) as refusal:
        read_tensors(read_request_head(body))
    assert refusal.value.status == 400
    return refusal.value.sentence


def test_an_empty_tensor_of_impossible_dimensions_is_refused_over_http() -> None:
    assert "empty tensor" in refused(asked(shape=TOO_WIDE, data=[]))


def test_an_empty_tensor_of_impossible_dimensions_is_refused_over_grpc() -> None:
    request = message("ModelInferRequest")(model_name="m")
    request.inputs.add(name="x", datatype="FP32", shape=TOO_WIDE)
    with pytest.raises(BadRequest, match="empty tensor"):
        read_arrays(request)


def test_bytes_that_are_no_text_are_refused_where_the_decoder_steps_over_them() -> None:
    body = asked().replace(b'{"inputs"', b'{"k\xffy": 1, "inputs"')
    assert "JSON" in refused(body)


def test_a_number_that_the_datatype_cannot_hold_is_refused() -> None:
    assert "cannot hold" in refused(asked(data=[1e39]))
    assert "cannot hold" in refused(asked(datatype="FP16", data=[65520.0]))
    largest = float(np.finfo(np.float32).max)
    assert read_tensors(read_request_head(asked(data=[largest])))["x"] == np.float32(largest)


def test_the_least_whole_number_of_64_bits_is_a_parameter() -> None:
    head = read_request_head(
        asked().replace(b'{"inputs"', b'{"parameters": {"p": -9223372036854775808}, "inputs"')
    )
    assert head.parameters == {"p": -(2**63)}


def test_empty_contents_beside_raw_ones_are_as_none() -> None:
    """MLServer's answers have them."""
    reply = message("ModelInferResponse")(model_name="m")
    reply.outputs.add(name="y", datatype="FP32", shape=[1]).contents.SetInParent()
    reply.raw_output_contents.append(np.float32(7).tobytes())
    assert read_arrays(reply)["y"].tolist() == [7.0]


@pytest.mark.parametrize("shape", [[40_000], [2, 20_000]])
@pytest.mark.parametrize("kind", ["FP32", "FP64", "FP16", "INT64", "BOOL"])
def test_a_large_body_is_read_along_with_its_elements_as_it_is_without(kind: str, shape: list[int]) -> None:
    values = np.arange(40_000) % 2 if kind == "BOOL" else np.arange(40_000) + 2**62 * (kind == "INT64")
    data = (values.astype(bool) if kind == "BOOL" else values).reshape(shape).tolist()
    body = asked(datatype=kind, shape=shape, data=data)
    once = read_tensors(read_request_head(body, elements=True))["x"]
    twice = read_tensors(read_request_head(body))["x"]
    assert (once.dtype, once.shape, once.tolist()) == (twice.dtype, twice.shape, twice.tolist())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Models, keys, and whatever is started."""
    with Served(tmp_path_factory.mktemp("found")) as running:
        yield running


@pytest.fixture(scope="module")
def node(served: Served) -> dict[str, Any]:
    """A node of ours, which speaks every form."""
    return served.node("near")


@pytest.mark.parametrize("protocol", ["grpc", "http-json"])
def test_a_gateway_times_and_asks_nodes_in_every_form(
    served: Served, node: dict[str, Any], protocol: str
) -> None:
    host, port = node["grpc"]
    server = f'{targets.near(served, node).partition("[nodes.near.server]")[2]}grpc = "{host}:{port}"\n'
    toml = node_toml("near", node, server=f'[nodes.near.server]{server}protocol = "{protocol}"\n')
    front = served.gateway(f"front-{protocol}", toml)
    given = np.ones((1, 1, 96, 96), np.float32)
    head, tail = write_request({"input": given})
    headers = {
        "Authorization": f"Bearer {served.key}",
        "Inference-Header-Content-Length": str(len(head)),
    }
    status, back, body = told(
        front["http"], "POST", f"/v2/models/{MODEL}/infer", head + b"".join(tail), headers
    )
    assert status == 200, body
    size = int(back["inference-header-content-length"])
    reply = read_reply_head(body, size)
    assert read_tensors(reply, body[size:])["logits"].shape == (1, 10)
    assert reply.parameters is not None
    assert reply.parameters["gramwise_node"] == "near"
    assert told(front["http"], "GET", f"/v2/models/{MODEL}/versions/9", None, headers)[0] == 404
    assert told(front["http"], "GET", f"/v2/models/{MODEL}/versions/9/ready", None, headers)[0] == 404


def test_a_method_that_a_path_has_not_is_told_which_it_has(served: Served, node: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {served.node_token}"}
    for path, allowed in (("/v2", "GET, HEAD"), ("/metrics", "GET, HEAD"), ("/v2/models/m/infer", "POST")):
        status, back, _ = told(node["http"], "DELETE", path, None, headers)
        assert (status, back["allow"]) == (405, allowed)


def told(
    at: Any, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(*at, timeout=20)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()
