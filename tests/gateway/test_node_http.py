"""A node over HTTP: real processes, real sockets, every answer read as a client reads it."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httptools", reason="the serve extra is not installed")
pytest.importorskip("prometheus_client", reason="the serve extra is not installed")

from node_rig import RunningNode, images, put

from gramwise.gateway.node.model import Model

TOKEN = "an0ther-t0ken-of-32-characters-x"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, save_tiny: Any) -> Path:
    """A good model in two versions, a fixed one, and a broken one."""
    folder = tmp_path_factory.mktemp("models")
    model = save_tiny(tmp_path_factory.mktemp("made") / "tiny.onnx")
    for version in (1, 2):
        put(folder, "tiny", version, model)
    put(folder, "broken", 1, b"this is no model")
    return folder


@pytest.fixture(scope="module")
def node(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """One node for the tests that leave it as it was."""
    log = tmp_path_factory.mktemp("node") / "log"
    with RunningNode(repository, log, device="n100", name="n", most_body_bytes=100_000) as running:
        yield running


def test_it_says_what_it_is(node: RunningNode) -> None:
    about = node.get("/v2").json
    assert about["name"] == "gramwise"
    assert "binary_tensor_data" in about["extensions"]
    assert node.get("/v2/health/live").json == {"live": True}
    assert node.get("/v2/health/ready").json == {"ready": True, "live": True}
    model = node.get("/v2/models/tiny").json
    assert model["versions"] == ["1", "2"]
    assert model["platform"] == "onnx_onnxv1"
    assert model["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 1, 8, 8]}]
    assert node.get("/v2/models/tiny/ready").json == {"name": "tiny", "ready": True}


def test_binary_tensors_come_back_right_and_priced(node: RunningNode, repository: Path) -> None:
    given = images(3)
    reply = node.infer("tiny", {"input": given}, deadline_ms=20_000)
    assert reply.status == 200
    expected = Model("tiny", "2", repository / "tiny" / "2" / "model.onnx").run({"input": given}, ("logits",))
    np.testing.assert_array_equal(reply.tensors["logits"], expected.outputs[0])
    size = int(reply.headers["inference-header-content-length"])
    head = json.loads(reply.body[:size])
    assert (head["id"], head["model_name"], head["model_version"]) == ("7", "tiny", "2")
    told = head["parameters"]
    assert 0 < told["energy_joules_low"] <= told["energy_joules"] <= told["energy_joules_high"]
    assert told["energy_method"] in ("modelled", "assumed")
    assert 0 < told["gramwise_cpu_seconds"] < 1
    assert told["gramwise_queue_ms"] >= 0


def test_json_tensors_are_served_too(node: RunningNode) -> None:
    given = images(2)
    binary = node.infer("tiny", {"input": given}).tensors["logits"]
    tensor = {"name": "input", "shape": [2, 1, 8, 8], "datatype": "FP32", "data": given.tolist()}
    reply = node.post_json("/v2/models/tiny/versions/1/infer", {"inputs": [tensor]})
    assert reply.status == 200
    (output,) = reply.json["outputs"]
    assert output["shape"] == [2, 4]
    np.testing.assert_allclose(np.array(output["data"], np.float32).reshape(2, 4), binary, rtol=1e-6)
    assert reply.json["model_version"] == "1"
    assert "id" not in reply.json


def test_an_output_may_be_binary_where_inputs_are_json(node: RunningNode) -> None:
    tensor = {"name": "input", "shape": [1, 1, 8, 8], "datatype": "FP32", "data": [0.5] * 64}
    wanted = [{"name": "logits", "parameters": {"binary_data": True}}]
    reply = node.post_json("/v2/models/tiny/infer", {"inputs": [tensor], "outputs": wanted})
    assert reply.tensors["logits"].shape == (1, 4)
    assert "inference-header-content-length" in reply.headers


@pytest.mark.parametrize(
    "path", ["/v2/models/broken", "/v2/models/broken/ready", "/v2/models/broken/versions/1"]
)
def test_a_broken_model_is_named_and_the_others_serve(node: RunningNode, path: str) -> None:
    reply = node.get(path)
    assert reply.status == (503 if path.endswith("ready") else 404)
    assert node.post_json("/v2/models/broken/infer", {"inputs": [TENSOR]}).status == 404
    assert "broken" in reply.json["error"]
    assert "onnxruntime" in reply.json["error"]
    assert str(node._settings["repository"]) not in reply.json["error"]
    assert node.infer("tiny", {"input": images(1)}).status == 200
    assert "model broken version 1 cannot be loaded" in node.log()


TENSOR = {"name": "input", "shape": [1, 1, 8, 8], "datatype": "FP32", "data": [0.0] * 64}


@pytest.mark.parametrize(
    ("document", "status", "says"),
    [
        ({"inputs": []}, 400, "no inputs"),
        ({"inputs": [{**TENSOR, "shape": [1, 1, 8, 9]}]}, 400, "input"),
        ({"inputs": [{**TENSOR, "shape": [2**62, 2**62, 8, 8]}]}, 400, "64 bits"),
        ({"inputs": [{**TENSOR, "datatype": "FP33"}]}, 400, "FP33"),
        ({"inputs": [{**TENSOR, "datatype": "INT64", "data": [0] * 64}]}, 400, "takes FP32"),
        ({"inputs": [{**TENSOR, "name": "image"}]}, 400, "no input 'image'"),
        ({"inputs": [{**TENSOR, "data": [0.0] * 63}]}, 400, "63"),
        ({"inputs": [TENSOR], "outputs": [{"name": "probs"}]}, 400, "no output 'probs'"),
        ({"inputs": [TENSOR], "parameters": {"deadline_ms": "NaN"}}, 400, "deadline_ms"),
        ({"inputs": [TENSOR], "parameters": {"deadline_ms": -1}}, 400, "deadline_ms"),
        ({"inputs": [TENSOR], "parameters": {"deadline_ms": 1e-6}}, 503, "deadline"),
    ],
)
def test_bad_requests_get_the_protocols_error(
    node: RunningNode, document: object, status: int, says: str
) -> None:
    reply = node.post_json("/v2/models/tiny/infer", document)
    assert (reply.status, list(reply.json)) == (status, ["error"])
    assert says in reply.json["error"]
    assert node.get("/v2/health/ready").status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/nothing", 404),
        ("GET", "/v2/models/tiny/versions/9", 404),
        ("GET", "/v2/models/..%2f..%2fetc", 400),
        ("GET", "/v3", 404),
        ("GET", "/v2/models/tiny/infer", 405),
        ("POST", "/v2/gramwise/usage", 405),
        ("POST", "/v2/repository/models/nothing/load", 404),
        ("POST", "/v2/repository/models/..%2fx/load", 400),
        ("POST", "/v2/repository/models/tiny/burn", 404),
    ],
)
def test_what_is_not_served_is_said(node: RunningNode, method: str, path: str, status: int) -> None:
    reply = node.ask(method, path)
    assert (reply.status, list(reply.json)) == (status, ["error"])


def test_a_length_that_lies_and_a_body_that_is_too_large(node: RunningNode) -> None:
    lying = node.ask("POST", "/v2/models/tiny/infer", b"{}", {"Inference-Header-Content-Length": "999"})
    assert lying.status == 400
    packed = node.ask("POST", "/v2/models/tiny/infer", b"{}", {"Content-Encoding": "gzip"})
    assert packed.status == 415
    assert node.infer("tiny", {"input": images(400)}).status == 413
    assert node.get("/v2/health/ready").status == 200


def test_the_index_names_every_version(node: RunningNode) -> None:
    reply = node.ask("POST", "/v2/repository/index")
    assert {(row["name"], row["version"], row["state"]) for row in reply.json} == {
        ("broken", "1", "UNAVAILABLE"),
        ("tiny", "1", "READY"),
        ("tiny", "2", "READY"),
    }


def test_clocks_balance_and_metrics_agree(node: RunningNode) -> None:
    told = []
    before = node.get("/v2/gramwise/usage").json
    for _ in range(20):
        reply = node.infer("tiny", {"input": images(64)})
        told.append(
            json.loads(reply.body[: int(reply.headers["inference-header-content-length"])])["parameters"]
        )
    after = node.get("/v2/gramwise/usage").json
    attributed_s = after["attributed_s"] - before["attributed_s"]
    assert attributed_s == pytest.approx(sum(each["gramwise_cpu_seconds"] for each in told))
    assert after["energy"]["value"] - before["energy"]["value"] == pytest.approx(
        sum(each["energy_joules"] for each in told)
    )
    assert after["overhead_s"] > before["overhead_s"]
    # The threads' own clocks and the process's know nothing of each other; a tick of the kernel lies between them.
    assert after["attributed_s"] + after["overhead_s"] == pytest.approx(after["metered_s"], abs=0.05)
    assert after["idle_energy"]["value"] == pytest.approx(after["idle_w"] * after["window_s"])
    text = node.get("/metrics").body.decode()
    counted = {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    }
    labels = 'model="tiny",node="n"'
    assert counted[f'gramwise_model_requests_total{{{labels},outcome="ok",version="2"}}'] >= 20
    assert counted[f'gramwise_model_request_energy_joules_sum{{{labels},version="2"}}'] > 0
    assert any(
        name.startswith("gramwise_unattributed_energy_joules_total") and "idle" in name for name in counted
    )


def test_without_a_device_energy_is_left_out(repository: Path, tmp_path: Path) -> None:
    with RunningNode(repository, tmp_path / "log") as node:
        reply = node.infer("tiny", {"input": images(1)})
        head = json.loads(reply.body[: int(reply.headers["inference-header-content-length"])])
        assert not [name for name in head["parameters"] if name.startswith("energy")]
        usage = node.get("/v2/gramwise/usage").json
        assert (usage["energy"], usage["idle_energy"], usage["idle_w"]) == (None, None, None)
        assert usage["attributed_s"] > 0
        assert "joules" not in node.get("/metrics").body.decode().replace("gramwise_self", "")


def test_the_folder_is_read_again_on_sighup(tmp_path: Path, save_tiny: Any) -> None:
    folder = tmp_path / "models"
    model = save_tiny(tmp_path / "tiny.onnx")
    put(folder, "first", 1, model)
    with RunningNode(folder, tmp_path / "log") as node:
        put(folder, "second", 1, model)
        put(folder, "third", 1, b"broken")
        node.signal(signal.SIGHUP)
        node.until("/v2/models/second/ready", 200)
        assert node.get("/v2/models/third/ready").status == 503
        assert node.infer("first", {"input": images(1)}).status == 200
        assert node.ask("POST", "/v2/repository/models/first/unload").status == 200
        assert node.infer("first", {"input": images(1)}).status == 404
        assert node.ask("POST", "/v2/repository/models/first/load").status == 200
        assert node.infer("first", {"input": images(1)}).status == 200


def test_sigterm_lets_what_runs_end_and_refuses_what_is_new(repository: Path, tmp_path: Path) -> None:
    with RunningNode(repository, tmp_path / "log", virtual_share=0.0005) as node:
        answers: list[int] = []
        running = threading.Thread(
            target=lambda: answers.append(node.infer("tiny", {"input": images(8)}).status)
        )
        kept = node.connect()
        running.start()
        end_s = time.monotonic() + 20
        while not node.get("/v2/gramwise/usage").json["running"] and time.monotonic() < end_s:
            time.sleep(0.01)
        node.signal(signal.SIGTERM)
        statuses = set()
        while 503 not in statuses and time.monotonic() < end_s:
            kept.request("GET", "/v2/health/ready")
            answer = kept.getresponse()
            answer.read()
            statuses.add(answer.status)
        refused = node.infer("tiny", {"input": images(1)})
        assert refused.status == 503
        assert "stopping" in refused.json["error"]
        assert refused.headers["retry-after"] == "1"
        running.join()
        kept.close()
        assert answers == [200]
        assert node.process.wait(10) == 0


def test_a_queue_that_is_full_answers_429(repository: Path, tmp_path: Path) -> None:
    with RunningNode(repository, tmp_path / "log", virtual_share=0.0005, most_queued=1) as node:
        statuses: list[int] = []
        waits: list[str] = []

        def ask() -> None:
            reply = node.infer("tiny", {"input": images(8)})
            statuses.append(reply.status)
            if reply.status == 429:
                waits.append(reply.headers["retry-after"])

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(statuses) == {200, 429}
        assert all(int(wait) >= 1 for wait in waits)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    order = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    order += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost"]
    order += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    try:
        subprocess.run(order, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    key.chmod(0o600)
    return cert, key


def test_tls_and_a_token(repository: Path, tmp_path: Path, pair: tuple[Path, Path]) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n", "ascii")
    token.chmod(0o600)
    files = {"token_file": str(token), "tls_cert": str(pair[0]), "tls_key": str(pair[1])}
    with RunningNode(repository, tmp_path / "log", listen="0.0.0.0:0", **files) as node:
        node.tls = ssl.create_default_context(cafile=str(pair[0]))
        assert node.get("/v2/health/ready").status == 200
        for shown in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": TOKEN}):
            node.headers = shown
            assert node.infer("tiny", {"input": images(1)}).status == 401
            assert node.get("/metrics").status == 401
            assert node.get("/v2/gramwise/usage").headers["www-authenticate"] == "Bearer"
        node.headers = {"Authorization": f"Bearer {TOKEN}"}
        assert node.infer("tiny", {"input": images(1)}).status == 200
        assert TOKEN not in node.log()
