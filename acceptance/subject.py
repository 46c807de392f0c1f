"""What the clients are pointed at: a model repository, nodes that serve it, foreign servers, and a gateway before them.

Every model has a known right answer: raw onnxruntime on the same file, or the input itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, save
from servers import Servers

from gramwise.gateway.access.keys import KeyFile
from gramwise.gateway.access.tokens import new_token, write_token

HERE = Path(__file__).resolve().parent
MODEL = "digits"
KINDS = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}
TOLD_BY_NODE = [
    "energy_joules",
    "energy_joules_low",
    "energy_joules_high",
    "energy_method",
    "gramwise_cpu_seconds",
]
TOLD_BY_GATEWAY = [
    "gramwise_node",
    "gramwise_variant",
    "energy_joules",
    "energy_joules_low",
    "energy_joules_high",
    "energy_method",
    "carbon_grams",
    "carbon_signal",
]


class Served(Servers):
    """Our servers, their models and their secrets; everything they write lies under one folder.

    Args:
        folder: for models, logs and keys.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.repository = folder / "models"
        self.token_file, self.keys_file = folder / "node.token", folder / "keys.json"
        self._make_models()
        self._make_secrets()

    def node(self, name: str, device: str = "n100", *, tls: bool = False) -> dict[str, Any]:
        """Start `gramwise node`; its addresses by ``http`` and ``grpc``."""
        settings = {
            "repository": str(self.repository),
            "listen": "127.0.0.1:0",
            "grpc": "127.0.0.1:0",
            "device": device,
            "name": name,
            "token_file": str(self.token_file),
            **(self.certificate() if tls else {}),
        }
        return self.start(name, [sys.executable, str(HERE / "launch.py"), "node", json.dumps(settings)])

    def gateway(self, name: str, nodes: str, *, control: bool = False, tls: bool = False) -> dict[str, Any]:
        """Start `gramwise serve` before nodes.

        Args:
            name: of the scenario and its log.
            nodes: tables of the scenario, as TOML.
            control: with the control API beside it.
            tls: clients must speak it.
        """
        scenario = self.folder / f"{name}.toml"
        scenario.write_text(_SCENARIO.format(name=name, nodes=nodes, kinds=self._kinds_toml()))
        settings = {
            "scenario": str(scenario),
            "listen": "127.0.0.1:0",
            "grpc": "127.0.0.1:0",
            "state": str(self.folder / f"{name}-state"),
            "keys": str(self.keys_file),
            "control": control,
            **(self.certificate() if tls else {}),
        }
        return self.start(name, [sys.executable, str(HERE / "launch.py"), "gateway", json.dumps(settings)])

    def target(self, name: str, at: dict[str, Any], *, model: str, told: list[str], **more: Any) -> Path:
        """Describe a server for the clients; the file's path.

        Args:
            name: of the description.
            at: addresses.
            model: that clients ask for.
            told: response parameters that must come.
            more: ``token``, ``kinds``, ``ours``, ``ca``: see `Target` in ``clients/checks.py``.
        """
        arrays = self.folder / "arrays.npz"
        if not arrays.exists():
            np.savez(arrays, **_right_answer(self.fp32))
        session = onnxruntime.InferenceSession(self.fp32, providers=["CPUExecutionProvider"])
        described = {
            "name": name,
            "http": _address(at["http"]),
            "grpc": _address(at["grpc"]),
            "token": more.get("token", ""),
            "model": model,
            "input": session.get_inputs()[0].name,
            "output": session.get_outputs()[0].name,
            "arrays": str(arrays),
            "told": told,
            "ours": more.get("ours", True),
            "kinds": more.get("kinds", {}),
            "ca": more.get("ca", ""),
        }
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(described))
        return file

    @property
    def kinds(self) -> dict[str, str]:
        """Names of the models that give back what they get, by datatype."""
        return {kind: f"same_{kind.lower()}" for kind in KINDS}

    def certificate(self) -> dict[str, str]:
        """Files of a certificate for this machine that vouches for itself, as settings name them."""
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        if not cert.exists():
            command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
            command += [
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-keyout",
                str(key),
                "-out",
                str(cert),
            ]
            command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
            subprocess.run(command, check=True, capture_output=True)
            key.chmod(0o600)
        return {"tls_cert": str(cert), "tls_key": str(key)}

    def _make_models(self) -> None:
        package = resources.files("gramwise") / "data" / "models"
        for variant in ("fp32", "int8"):
            file = self._place(f"{MODEL}.{variant}")
            file.write_bytes((package / f"{MODEL}-{variant}.onnx").read_bytes())
        self.fp32 = str(self.repository / f"{MODEL}.fp32" / "1" / "model.onnx")
        for kind, name in self.kinds.items():
            _save_identity(self._place(name), KINDS[kind])

    def _place(self, name: str) -> Path:
        file = self.repository / name / "1" / "model.onnx"
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def _make_secrets(self) -> None:
        for old in (self.token_file, self.keys_file):
            old.unlink(missing_ok=True)
        token = new_token()
        write_token(self.token_file, token)
        self.node_token = token.get_secret_value()
        _, self.key = KeyFile(self.keys_file).add("tests", ["infer", "read", "change"], now_s=time.time())

    def _kinds_toml(self) -> str:
        parts = []
        for kind, name in self.kinds.items():
            file = self.repository / name / "1" / "model.onnx"
            parts.append(
                f'[models.{name}]\nreference = "plain"\n[models.{name}.variants.plain]\nfile = "{file}"\n'
            )
            if kind == "BYTES":  # nobody can make up requests of text, so what they take is declared
                parts.append(_COST.format(model=name))
        return "\n".join(parts)


def node_toml(name: str, at: dict[str, Any], *, zone: str = "DE", server: str = "", tls: bool = False) -> str:
    """A node of a scenario."""
    address = ("https://" if tls else "") + _address(at["http"])
    return _NODE.format(name=name, address=address, zone=zone, server=server)


def _right_answer(file: str) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    about = session.get_inputs()[0]
    shape = [size if isinstance(size, int) else 2 for size in about.shape]
    given = np.random.default_rng(0).random(shape).astype(np.float32)
    return {"given": given, "expected": session.run(None, {about.name: given})[0]}


def _save_identity(file: Path, kind: int) -> None:
    ends = [helper.make_tensor_value_info(name, kind, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", ends[:1], ends[1:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), file)


def _address(at: Any) -> str:
    return at if isinstance(at, str) else f"{at[0]}:{at[1]}"


_SCENARIO = """schema = 1
name = "{name}"
baseline_node = "near"

[models.digits]
reference = "fp32"
[models.digits.variants.fp32]
file = "package:digits-fp32.onnx"
precision = "fp32"

{kinds}

{nodes}

[workload]
model = "digits"

[goals]
deadline_s = 20.0
"""

_NODE = """
[nodes.{name}]
device = "n100"
zone = "{zone}"
cpu_share = 1.0
memory = "1 GiB"
address = "{address}"
{server}
"""

_COST = """
[[costs]]
model = "{model}"
variant = "plain"
device = "n100"
latency_s = 0.001
energy_j = 0.001
source = "declared for the acceptance tests: a model that does nothing"
"""
