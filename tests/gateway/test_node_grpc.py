"""A node over gRPC: a real process, asked by a ``grpc.aio`` client with messages of our own descriptor pool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

pytest.importorskip("httptools", reason="the serve extra is not installed")
pytest.importorskip("grpc", reason="the serve extra is not installed")
pytest.importorskip("google.protobuf", reason="the serve extra is not installed")
pytest.importorskip("prometheus_client", reason="the serve extra is not installed")

from node_rig import RunningNode, images, put

from gramwise.core.errors import ConfigError
from gramwise.gateway.node.model import Model
from gramwise.gateway.oip.messages import message
from gramwise.gateway.rpc import RpcCall, RpcFailed, RpcServer, RpcUpstream

T = TypeVar("T")
TOKEN = "an0ther-t0ken-of-32-characters-x"

INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND = 3, 4, 5
EXHAUSTED, UNAVAILABLE, UNAUTHENTICATED = 8, 14, 16


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, save_tiny: Any) -> Path:
    folder = tmp_path_factory.mktemp("models")
    put(folder, "tiny", 1, save_tiny(tmp_path_factory.mktemp("made") / "tiny.onnx"))
    put(folder, "broken", 1, b"this is no model")
    return folder


@pytest.fixture(scope="module")
def node(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    log = tmp_path_factory.mktemp("node") / "log"
    with RunningNode(repository, log, grpc="127.0.0.1:0", device="n100", most_body_bytes=200_000) as running:
        yield running


@asynccontextmanager
async def upstream(node: RunningNode, **more: Any) -> AsyncIterator[RpcUpstream]:
    made = RpcUpstream(*node.at["grpc"], **more)
    try:
        yield made
    finally:
        await made.close()


def asked(node: RunningNode, what: Callable[[RpcUpstream], Awaitable[T]], **more: Any) -> T:
    """What a coroutine over a channel of its own gives."""

    async def go() -> T:
        async with upstream(node, **more) as at:
            return await what(at)

    return asyncio.run(go())


def call(node: RunningNode, method: str, metadata: Any = (), timeout_s: float = 20.0, **fields: Any) -> Any:
    """One call, built and parsed."""

    async def go(at: RpcUpstream) -> bytes:
        request = fields.pop("message", None) or message(f"{method}Request")(**fields)
        return await at.call(method, request.SerializeToString(), timeout_s=timeout_s, metadata=metadata)

    return message(f"{method}Response").FromString(asked(node, go))


def infer_request(image: Any, model: str = "tiny", *, typed: bool = False, **parameters: float) -> Any:
    request = message("ModelInferRequest")(model_name=model, id="7")
    tensor = request.inputs.add(name="input", datatype="FP32", shape=image.shape)
    if typed:
        tensor.contents.fp32_contents.extend(image.reshape(-1).tolist())
    else:
        request.raw_input_contents.append(image.tobytes())
    for name, value in parameters.items():
        request.parameters[name].double_param = value
    return request


def test_it_says_what_it_is(node: RunningNode) -> None:
    assert call(node, "ServerLive").live
    assert call(node, "ServerReady").ready
    about = call(node, "ServerMetadata")
    assert about.name == "gramwise"
    assert "binary_tensor_data" in about.extensions
    assert call(node, "ModelReady", name="tiny").ready
    assert not call(node, "ModelReady", name="broken").ready
    model = call(node, "ModelMetadata", name="tiny")
    assert (model.name, list(model.versions), model.platform) == ("tiny", ["1"], "onnx_onnxv1")
    assert [(t.name, t.datatype, list(t.shape)) for t in model.inputs] == [("input", "FP32", [-1, 1, 8, 8])]


@pytest.mark.parametrize("typed", [False, True])
def test_tensors_come_back_right_and_priced(node: RunningNode, repository: Path, typed: bool) -> None:
    given = images(3)
    reply = call(node, "ModelInfer", message=infer_request(given, typed=typed, deadline_ms=20_000.0))
    assert (reply.model_name, reply.model_version, reply.id) == ("tiny", "1", "7")
    expected = Model("tiny", "1", repository / "tiny" / "1" / "model.onnx").run({"input": given}, ("logits",))
    got = np.frombuffer(reply.raw_output_contents[0], np.float32).reshape(tuple(reply.outputs[0].shape))
    np.testing.assert_array_equal(got, expected.outputs[0])
    told = reply.parameters
    assert 0 < told["energy_joules"].double_param <= told["energy_joules_high"].double_param
    assert told["energy_method"].string_param in ("modelled", "assumed")
    assert f"energy_joules={told['energy_joules'].double_param:.9g}" in told["energy_receipt"].string_param


@pytest.mark.parametrize(
    ("request_of", "code", "says"),
    [
        (lambda: infer_request(images(1), "nothing"), NOT_FOUND, "nothing"),
        (lambda: infer_request(images(1), "broken"), NOT_FOUND, "onnxruntime"),
        (lambda: infer_request(images(1), "../x"), INVALID_ARGUMENT, "name"),
        (lambda: infer_request(images(1).reshape(1, 1, 64)), INVALID_ARGUMENT, "[-1, 1, 8, 8]"),
        (lambda: infer_request(images(1), deadline_ms=-1.0), INVALID_ARGUMENT, "deadline_ms"),
        (lambda: infer_request(images(1), deadline_ms=float("nan")), INVALID_ARGUMENT, "deadline_ms"),
        (lambda: infer_request(images(1), deadline_ms=1e-6), UNAVAILABLE, "deadline"),
        (lambda: infer_request(images(1000)), EXHAUSTED, "larger"),
        (lambda: message("ModelInferRequest")(model_name="tiny"), INVALID_ARGUMENT, "input"),
    ],
)
def test_bad_requests_get_a_status_and_a_sentence(
    node: RunningNode, request_of: Callable[[], Any], code: int, says: str
) -> None:
    with pytest.raises(RpcFailed) as failed:
        call(node, "ModelInfer", message=request_of())
    assert failed.value.code == code
    assert says in failed.value.sentence
    assert call(node, "ServerReady").ready


def test_bytes_that_are_no_message_are_refused(node: RunningNode) -> None:
    with pytest.raises(RpcFailed) as failed:
        asked(node, lambda at: at.call("ModelInfer", b"\xff\xff\xff\xff"))
    assert failed.value.code == INVALID_ARGUMENT


def test_a_clients_own_deadline_is_kept(repository: Path, tmp_path: Path) -> None:
    with RunningNode(repository, tmp_path / "log", grpc="127.0.0.1:0", virtual_share=0.0005) as node:
        call(node, "ModelInfer", message=infer_request(images(8)))
        with pytest.raises(RpcFailed) as failed:
            call(node, "ModelInfer", message=infer_request(images(8)), timeout_s=0.05)
        # Refused at once by the node, or given up by the client: both before the run would have ended.
        assert failed.value.code in (UNAVAILABLE, DEADLINE_EXCEEDED)


def test_a_token_is_wanted(repository: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n", "ascii")
    token.chmod(0o600)
    with RunningNode(repository, tmp_path / "log", grpc="127.0.0.1:0", token_file=str(token)) as node:
        assert call(node, "ServerReady").ready
        for shown in ((), (("authorization", f"Bearer {TOKEN}x"),)):
            with pytest.raises(RpcFailed) as failed:
                call(node, "ModelInfer", metadata=shown, message=infer_request(images(1)))
            assert failed.value.code == UNAUTHENTICATED
        right = (("authorization", f"Bearer {TOKEN}"),)
        assert call(node, "ModelInfer", metadata=right, message=infer_request(images(1))).id == "7"


def test_a_server_that_is_not_there_is_unavailable() -> None:
    async def go() -> None:
        at = RpcUpstream("127.0.0.1", 1)
        try:
            await at.call("ServerLive", b"", timeout_s=5.0)
        finally:
            await at.close()

    with pytest.raises(RpcFailed) as failed:
        asyncio.run(go())
    assert failed.value.code in (UNAVAILABLE, DEADLINE_EXCEEDED)


def test_a_port_in_use_is_a_mistake_of_the_user(node: RunningNode) -> None:
    async def answer(_: RpcCall) -> bytes:
        return b""

    async def go() -> None:
        await RpcServer(answer).start(*node.at["grpc"])

    with pytest.raises(ConfigError, match="free port"):
        asyncio.run(go())


def test_bytes_pass_untouched_and_metadata_arrives() -> None:
    seen: list[RpcCall] = []

    async def answer(asked: RpcCall) -> bytes:
        seen.append(asked)
        return asked.message[::-1]

    async def go() -> bytes:
        server = RpcServer(answer)
        at = RpcUpstream(*await server.start("127.0.0.1", 0), metadata=[("x-one", "1")])
        try:
            return await at.call("ModelInfer", b"no message at all", metadata=[("x-two", "2")], timeout_s=5.0)
        finally:
            await at.close()
            await server.drain(1.0)

    assert asyncio.run(go()) == b"lla ta egassem on"
    (only,) = seen
    assert only.method == "ModelInfer"
    assert (only.metadata["x-one"], only.metadata["x-two"]) == ("1", "2")
    assert only.left_s is not None
    assert 0 < only.left_s <= 5.5  # grpc rounds a deadline up
