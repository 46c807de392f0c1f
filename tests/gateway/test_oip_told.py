"""What answers tell and how it gets into them; paths; metadata."""

from __future__ import annotations

import msgspec
import pytest

from gramwise.core.quantity import Quantity
from gramwise.gateway.oip import metadata
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.paths import METHODS, Route, infer_path, model_path, route
from gramwise.gateway.oip.told import put_parameters, receipt, told


def joules(value: float, high: float) -> Quantity:
    """An energy."""
    return Quantity(
        value=value, low=0.1, high=high, unit="J", method="modelled", boundary="chip", source="a test"
    )


def test_what_is_known_is_told_under_the_agreed_names() -> None:
    assert told("a", "int8", energy=joules(0.4, 0.5), carbon_g=1.6e-5, signal="average") == {
        "gramwise_node": "a",
        "gramwise_variant": "int8",
        "energy_joules": 0.4,
        "energy_joules_low": 0.1,
        "energy_joules_high": 0.5,
        "energy_method": "modelled",
        "carbon_grams": 1.6e-5,
        "carbon_signal": "average",
    }


def test_what_is_not_known_is_absent_and_never_zero() -> None:
    bare = {"gramwise_node": "a", "gramwise_variant": "v"}
    assert told("a", "v", energy=None, carbon_g=None, signal=None) == bare
    assert told("a", "v", energy=None, carbon_g=float("nan"), signal="average") == bare
    assert told("a", "v", energy=None, carbon_g=None, signal="average") == bare


def test_a_receipt_is_one_text() -> None:
    values = told("a", "v", energy=joules(0.4, 0.5), carbon_g=1.6e-5, signal="average")
    assert receipt(values) == (
        "energy_joules=0.4 energy_joules_low=0.1 energy_joules_high=0.5 energy_method=modelled "
        "carbon_grams=1.6e-05 carbon_signal=average"
    )


def test_parameters_go_in_and_all_else_keeps_its_text() -> None:
    head = (
        b'{ "id" : "4\\u0032", "outputs":[{"data":[1.0e0, 2]}], "parameters":{"a":1,"b":2}, "new":{"x":[ ]} }'
    )
    spliced = put_parameters(head, {"b": 3, "c": "d"})
    assert b'[{"data":[1.0e0, 2]}]' in spliced
    assert b'{"x":[ ]}' in spliced
    assert b'"4\\u0032"' in spliced
    assert msgspec.json.decode(spliced)["parameters"] == {"a": 1, "b": 3, "c": "d"}


@pytest.mark.parametrize("head", [b"{}", b'{"parameters":null}', b'{"parameters":{}}'])
def test_parameters_go_where_there_were_none(head: bytes) -> None:
    assert msgspec.json.decode(put_parameters(memoryview(head), {"a": 1.5})) == {"parameters": {"a": 1.5}}


@pytest.mark.parametrize(
    "head", [b"", b"[]", b"{", b'{"parameters":[]}', b'{"parameters":{"a":[]}}', b'"\xff"']
)
def test_a_head_that_is_none_is_refused(head: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        put_parameters(head, {"a": 1})
    assert caught.value.status == 502


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        (b"GET", b"/v2", Route("server_metadata")),
        (b"GET", b"/v2/", Route("server_metadata")),
        (b"HEAD", b"/v2/health/live", Route("server_live")),
        (b"GET", b"/v2/health/ready", Route("server_ready")),
        (b"GET", b"/v2/models/m", Route("model_metadata", "m")),
        (b"GET", b"/v2/models/m/versions/3", Route("model_metadata", "m", "3")),
        (b"GET", b"/v2/models/m/ready", Route("model_ready", "m")),
        (b"GET", b"/v2/models/m/versions/3/ready", Route("model_ready", "m", "3")),
        (b"POST", b"/v2/models/m/infer", Route("infer", "m")),
        (b"POST", b"/v2/models/a%20b/versions/v1/infer", Route("infer", "a b", "v1")),
        (b"POST", b"/v2/models/versions/infer", Route("infer", "versions")),
        (b"POST", b"/v2/repository/index", Route("repository_index")),
    ],
)
def test_paths(method: bytes, path: bytes, expected: Route) -> None:
    assert route(method, path) == expected


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        (b"GET", b"/", 404),
        (b"GET", b"/v3", 404),
        (b"GET", b"/v2/models", 404),
        (b"GET", b"/v2/models/m/x", 404),
        (b"POST", b"/v2/models/m/versions/3/infer/x", 404),
        (b"GET", b"/v2/models/m/versions", 404),
        (b"GET", b"/v2/models/m/infer", 405),
        (b"POST", b"/v2/health/live", 405),
        (b"DELETE", b"/v2", 405),
        (b"GET", b"/v2/models/", 400),
        (b"GET", b"/v2/models/%ff", 400),
        (b"GET", b"/v2/models/a%2Fb", 400),
        (b"GET", b"/v2/models/..", 400),
        (b"GET", b"/v2/models/%2e%2e/ready", 400),
        (b"GET", b"/v2/models/a%0d%0ab", 400),
        (b"GET", b"/v2/models/a%00", 400),
        (b"GET", b"/v2/models/" + b"a" * 257, 400),
        (b"GET", b"/v2/models/m/versions/..%2f", 400),
    ],
)
def test_paths_that_are_none(method: bytes, path: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        route(method, path)
    assert caught.value.status == status


@pytest.mark.parametrize("model", ["m", "a b", "é%2F?#", "v1.2__int8"])
def test_paths_there_and_back(model: str) -> None:
    assert route(b"POST", infer_path(model)) == Route("infer", model)
    assert route(b"POST", infer_path(model, "1")) == Route("infer", model, "1")
    assert route(b"GET", model_path(model, "1")) == Route("model_metadata", model, "1")
    assert route(b"GET", model_path(model, ready=True)) == Route("model_ready", model)


def test_every_call_has_a_method() -> None:
    assert set(METHODS.values()) == {b"GET", b"POST"}


def test_ready_answers_both_readings() -> None:
    assert msgspec.json.decode(metadata.ready_body(True)) == {"ready": True, "live": True}
    assert msgspec.json.decode(metadata.ready_body(False)) == {"ready": False, "live": True}
    assert msgspec.json.decode(metadata.LIVE) == {"live": True}
    assert msgspec.json.decode(metadata.model_ready_body("m", True)) == {"name": "m", "ready": True}


def test_metadata_there_and_back() -> None:
    tensor = metadata.TensorMetadata(name="x", datatype="FP32", shape=[-1, 3])
    model = metadata.ModelMetadata(name="m", platform="onnx_onnxv1", inputs=[tensor], versions=["1"])
    assert metadata.read_model_metadata(metadata.metadata_body(model)) == model
    server = metadata.ServerMetadata(name="s", version="1", extensions=["binary_tensor_data"])
    assert metadata.read_server_metadata(metadata.metadata_body(server)) == server
    assert metadata.read_model_metadata(b'{"name":"m","own":1}').versions is None
    for body in (b"", b"[]", b'{"name":5}', b'{"name":"\xff"}'):
        with pytest.raises(BadRequest) as caught:
            metadata.read_model_metadata(body)
        assert caught.value.status == 502
