"""One client against one server: the process that runs it, and what it said of each check."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import described
import subject
import venvs
from servers import Servers, free_port

CLIENTS = {
    "triton_http": "triton",
    "triton_http_aio": "triton",
    "triton_grpc": "triton",
    "triton_grpc_aio": "triton",
    "triton_beside": "triton",
    "triton_tls": "triton",
    "kserve_rest": "kserve",
    "kserve_grpc": "kserve",
}
"""Scripts in ``clients/`` and the environment of each."""

PROTOCOLS = {"mlserver": ("grpc", "http-json"), "kserve": ("grpc", "http-json", "http-binary")}
"""How the gateway speaks to a foreign server; its own choice comes first."""

_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one client against one server.

    Attributes:
        client: script or tool.
        against: the server.
        checks: how many ran; requests or inputs where the tool generates them.
        failures: what failed, in words.
    """

    client: str
    against: str
    checks: int
    failures: tuple[str, ...]


def client(script: str, target: Path) -> Found:
    """Run a client's script.

    Args:
        script: of `CLIENTS`.
        target: description of the server.

    Raises:
        venvs.Unavailable: its environment cannot be made.
    """
    python = venvs.python_of(CLIENTS[script])
    command = [str(python), str(venvs.HERE / "clients" / f"{script}.py"), str(target)]
    done = _run(command)
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    failures = [f"{each['check']}: {each['why']}" for each in said if not each["ok"]]
    if done.returncode and not failures:
        failures = [f"the script ended with {done.returncode}: {done.stderr[-500:]}"]
    return Found(script, target.stem, len(said), tuple(failures))


def peer(servers: Servers, name: str, file: str, model: str) -> dict[str, Any]:
    """Start a foreign server with a model of ours.

    Args:
        servers: that it is put among.
        name: of `PROTOCOLS`.
        file: ONNX.
        model: what it is called there.

    Returns:
        Its addresses, by ``http`` and ``grpc``.
    """
    script = venvs.HERE / "peers" / f"{name}_node.py"
    ports = [str(free_port()), str(free_port())]
    return servers.start(name, [str(venvs.python_of(name)), str(script), file, model, *ports])


def protocol(served: subject.Served, name: str, at: Any, token: str, examples: int) -> Found:
    """schemathesis on the protocol's description, as MLServer's package carries it.

    Args:
        served: whose models are asked for.
        name: of the server.
        at: its address.
        token: that it wants.
        examples: requests for each call.
    """
    environment = venvs.python_of("schemathesis").parents[1]
    document = described.protocol(environment, served.kinds["FP32"])
    return _schemathesis(served.folder / f"{name}-protocol.json", document, name, at, token, examples)


def control(served: subject.Served, name: str, at: Any, key: str, examples: int) -> Found:
    """schemathesis on the control API's own description.

    What its fields may be together the description cannot say (a span that ends after it begins, words or a problem),
    so that requests which it allows may be refused; every other check runs.
    """
    asked = urllib.request.Request(
        f"http://{at[0]}:{at[1]}/openapi.json", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        document = json.load(answer)
    file = served.folder / f"{name}.json"
    return _schemathesis(file, document, name, at, key, examples, "positive_data_acceptance")


def fuzz(inputs: int, seconds: int) -> Found:
    """atheris on the decoding of tensors, for so many inputs or seconds."""
    python = venvs.python_of("fuzz")
    command = [str(python), str(venvs.HERE / "fuzz_oip.py"), str(inputs), "--seconds", str(seconds)]
    command += ["--corpus", str(venvs.BUILD / "fuzz_corpus")]
    source = str(venvs.HERE.parent / "src")
    done = _run(command, limit_s=max(3600.0, 2.0 * seconds), more={"PYTHONPATH": source})
    text = done.stdout + done.stderr
    ran = [line.split()[1] for line in text.splitlines() if line.startswith("stat::number_of_executed_units")]
    failures = () if done.returncode == 0 else (text[-1500:],)
    return Found("atheris", "decoding", int(ran[0]) if ran else 0, failures)


def _schemathesis(
    file: Path, document: dict[str, Any], name: str, at: Any, token: str, examples: int, *without: str
) -> Found:
    file.write_text(json.dumps(document), "utf-8")
    command = [str(venvs.python_of("schemathesis").with_name("schemathesis")), "run", str(file)]
    command += ["--url", f"http://{at[0]}:{at[1]}", "--header", f"Authorization: Bearer {token}"]
    command += [
        "--checks",
        "all",
        "--phases",
        "coverage,fuzzing",
        "--max-examples",
        str(examples),
        "--seed",
        "1",
    ]
    command += ["--request-timeout", "30", "--generation-database", "none", "--no-color"]
    for check in without:
        command += ["--exclude-checks", check]
    done = _run(command, cwd=file.parent)
    ran = re.findall(r"(\d+) generated", done.stdout)
    failures = () if done.returncode == 0 else (_failures(done.stdout) or done.stderr[-1500:],)
    return Found("schemathesis", name, int(ran[0]) if ran else 0, failures)


def _failures(text: str) -> str:
    """The part of its output that tells what failed and how to ask it again."""
    _, _, rest = text.partition("= FAILURES =")
    return (rest or text)[:4000]


def _run(
    command: list[str],
    *,
    limit_s: float = _LIMIT_S,
    cwd: Path | None = None,
    more: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    surroundings = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | (more or {})
    surroundings |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, cwd=cwd, env=surroundings, check=False
        )
    except subprocess.TimeoutExpired as late:
        print(f"{command[1]}: no end after {limit_s:g} s", file=sys.stderr)
        return subprocess.CompletedProcess(
            command, 124, str(late.stdout or ""), f"no end after {limit_s:g} s"
        )
