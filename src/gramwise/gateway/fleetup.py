"""`gramwise fleet up`: a whole fleet on one machine, for trying things out.

Each node of a scenario is a process of its own, held to its CPU share and memory (`gramwise.runtime.caps`), serving the
variants that fit; where its link is declared, a proxy delays what passes. The gateway runs in this process. Whatever
ends this process ends its nodes: each watches a pipe that only this process holds open.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gramwise.core.clock import SystemClock
from gramwise.core.errors import ConfigError, ExecutionError
from gramwise.core.machines import Node
from gramwise.core.model import Variant
from gramwise.fleet.scenario import Scenario
from gramwise.gateway.access.exposure import is_loopback
from gramwise.gateway.access.keys import KeyFile
from gramwise.gateway.front.gateway import Gateway, Listening
from gramwise.gateway.front.settings import Settings
from gramwise.gateway.front.stages import piece_name
from gramwise.gateway.loop import run
from gramwise.gateway.serving import serve
from gramwise.gateway.web.parsing import tools
from gramwise.runtime import caps
from gramwise.runtime.assembly import read_scenario, resolve_variants
from gramwise.runtime.pieces import Pieces, pieces_of
from gramwise.runtime.planfile import check_plan, read_plan
from gramwise.runtime.start import held_by

TENANT = "fleet-up"
_LOOPBACK = "127.0.0.1"
_START_S = 120.0
_STOP_S = 10.0
_ENDED_S = 5.0
_RIGHTS = ("infer", "read", "change")


@dataclass(frozen=True, slots=True)
class Started:
    """A node that runs: what it said of itself."""

    name: str
    zone: str
    pid: int
    http: str
    grpc: str


async def fleet_up(
    settings: Settings,
    tell: Callable[[Mapping[str, Any]], None],
    *,
    auth: bool = True,
    control: tuple[str, int] | None = None,
) -> None:
    """Start the nodes of a scenario and a gateway before them; ends on SIGTERM or SIGINT.

    Args:
        settings: of the gateway; ``keys`` is made here.
        tell: hears once, when everything is ready: ``http`` and ``grpc`` of the gateway, ``nodes`` (``name``, ``pid``,
            ``http``, ``zone``) and ``token``, a key for the gateway and the nodes, None without auth.
        auth: False asks for no keys, on loopback only.
        control: host and port of a listener of the control API's own, beside the gateway's port; None for none.

    Raises:
        ConfigError: the scenario, or caps that cannot be set here.
        ExecutionError: a node did not start.
        SourceUnavailable: an optional library is missing.
    """
    tools()  # what is missing is said before any node starts
    for option in ("listen", "grpc"):
        if (
            not auth
            and getattr(settings, option) is not None
            and not is_loopback(settings.address(option)[0])
        ):
            raise ConfigError(
                "anybody could use this gateway.",
                key="--no-auth",
                fix=f"Listen on {_LOOPBACK}, or ask for keys.",
            )
    async with AsyncExitStack() as ends:
        folder = Path(tempfile.mkdtemp(prefix="gramwise-fleet-"))
        ends.callback(shutil.rmtree, folder, ignore_errors=True)
        token, token_file = _token(folder) if auth else (None, None)
        nodes, overrides = await _start_nodes(settings, folder, token_file, ends)
        ready = settings.model_copy(
            update={
                "overrides": {**settings.overrides, **overrides},
                "keys": folder / "keys.json" if auth else None,
                "grpc": settings.grpc or f"{_LOOPBACK}:0",
                "state": settings.state or folder / "state",
            }
        )

        def listening(where: Listening, _: Gateway) -> None:
            tell(
                {
                    "http": _text(where.http),
                    "grpc": _text(where.grpc),
                    "control": _text(where.control),
                    "nodes": [{"name": n.name, "pid": n.pid, "http": n.http, "zone": n.zone} for n in nodes],
                    "token": token,
                }
            )

        await serve(ready, listening, control=control)


async def _start_nodes(
    settings: Settings, folder: Path, token_file: Path | None, ends: AsyncExitStack
) -> tuple[list[Started], dict[str, Any]]:
    """The nodes, running, and what the gateway must know of them."""
    scenario = read_scenario(settings.scenario, settings.overrides)
    plan = None if settings.plan is None else read_plan(settings.plan)
    variants = resolve_variants(scenario, whole=plan is None or not plan.split)
    pieces = None
    if plan is not None and plan.split:
        pieces = await asyncio.to_thread(pieces_of, plan, check_plan(plan, scenario, variants))
    records = scenario.node_records()
    held = held_by(scenario, records, variants, pieces)
    try:
        maker = caps.find(scenario.executor.caps, scenario.executor.period_s)
    except ConfigError as fault:
        raise ConfigError(fault.message, file=scenario.path, key=fault.key, fix=fault.fix) from fault
    jobs = []
    for node in records:
        repository = folder / "nodes" / node.name
        _fill(repository, held[node.name], pieces, node.name)
        group = maker.make(node.name, node.cpu_share, node.memory_bytes)
        ends.callback(group.remove)
        jobs.append(_start_node(settings, node, repository, group, token_file, ends))
    started = await asyncio.gather(*jobs)
    overrides: dict[str, Any] = {}
    for one in started:
        overrides[f"nodes.{one.name}.address"] = one.http
        overrides[f"nodes.{one.name}.server.grpc"] = one.grpc
        if token_file is not None:
            overrides[f"nodes.{one.name}.server.token_file"] = str(token_file)
    overrides |= await _delayed(scenario, started, ends)
    return list(started), overrides


def _fill(repository: Path, held: Mapping[str, Variant], pieces: Pieces | None, node: str) -> None:
    """A repository in Triton's layout, of links to the model files."""
    files = {f"{variant.model}.{variant.name}": Path(variant.path) for variant in held.values()}
    if pieces is not None:
        count = len(pieces.stages)
        for i, (stage, file) in enumerate(zip(pieces.stages, pieces.files, strict=True), 1):
            if stage.node == node:
                model, variant = stage.piece.partition("[")[0].split("/")
                files[piece_name(model, variant, i, count)] = file
    repository.mkdir(parents=True)
    for name, file in files.items():
        version = repository / name / "1"
        version.mkdir(parents=True)
        # A model may keep its weights in files beside it, which are found from where it really lies.
        (version / "model.onnx").symlink_to(file.resolve())


async def _start_node(
    settings: Settings,
    node: Node,
    repository: Path,
    group: caps.Group,
    token_file: Path | None,
    ends: AsyncExitStack,
) -> Started:
    told = {
        "join": [str(file) for file in group.join],
        "settings": {
            "repository": str(repository),
            "listen": f"{_LOOPBACK}:0",
            "grpc": f"{_LOOPBACK}:0",
            "scenario": str(settings.scenario),
            "as_node": node.name,
            "slots": node.slots,
            "virtual_share": node.cpu_share if group.kind == "virtual" else None,
            "token_file": None if token_file is None else str(token_file),
        },
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from gramwise.gateway.fleetup import node_main; node_main()",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    ends.push_async_callback(_stop, process)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(told).encode() + b"\n")
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_S)
    except TimeoutError:
        line = b""
    if not line:
        with contextlib.suppress(TimeoutError):  # its end is told a moment after that of its output
            await asyncio.wait_for(process.wait(), _ENDED_S)
        code = process.returncode
        why = f"it ended with {code}" if code is not None else f"it was not ready after {_START_S:g} s"
        if group.memory_kills():
            why = f"the kernel killed it at its cap of {node.memory_bytes / 2**20:.0f} MiB"
        raise ExecutionError(f"node {node.name} did not start: {why}.")
    said = json.loads(line)
    return Started(node.name, node.zone, process.pid, said["http"], said["grpc"])


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _delayed(scenario: Scenario, started: list[Started], ends: AsyncExitStack) -> dict[str, Any]:
    """Proxies before the nodes whose links are declared: addresses to reach those through them."""
    links = {name: table.link.record() for name, table in scenario.nodes.items()}
    wanted = [
        {
            "to": [one.http, one.grpc],
            "rtt_s": links[one.name].rtt_s,
            "bytes_per_s": links[one.name].bytes_per_s,
        }
        for one in started
        if links[one.name].rtt_s or links[one.name].bytes_per_s
    ]
    names = [one.name for one in started if links[one.name].rtt_s or links[one.name].bytes_per_s]
    if not wanted:
        return {}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from gramwise.gateway.front.delay import main; main()",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    ends.push_async_callback(_stop, process)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(wanted).encode() + b"\n")
    line = await asyncio.wait_for(process.stdout.readline(), _START_S)
    if not line:
        raise ExecutionError("the proxy that delays what passes did not start.")
    overrides = {}
    for name, (http, grpc) in zip(names, json.loads(line), strict=True):
        overrides[f"nodes.{name}.address"] = http
        overrides[f"nodes.{name}.server.grpc"] = grpc
    return overrides


def _token(folder: Path) -> tuple[str, Path]:
    """A key that opens the gateway, and the file that shows it to the nodes, which ask for the same."""
    _, text = KeyFile(folder / "keys.json").add(TENANT, _RIGHTS, now_s=SystemClock().now_s())
    file = folder / "token"
    with os.fdopen(
        os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii"
    ) as opened:
        opened.write(text + "\n")
    return text, file


def _text(where: tuple[str, int] | None) -> str | None:
    return None if where is None else f"{where[0]}:{where[1]}"


def node_main() -> None:
    """A node's process: under its cap before it loads anything, told on standard input what to be."""
    told = json.loads(sys.stdin.readline())
    caps.join(told["join"])
    from gramwise.gateway.node.server import run_node
    from gramwise.gateway.node.settings import Settings as NodeSettings

    def ready(listening: Any) -> None:
        print(json.dumps({"http": _text(listening.http), "grpc": _text(listening.grpc)}), flush=True)

    threading.Thread(target=_end_with_parent, daemon=True).start()
    run(run_node(NodeSettings.of(**told["settings"]), ready))


def _end_with_parent() -> None:
    """Standard input ends when the process that started this one does."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)
