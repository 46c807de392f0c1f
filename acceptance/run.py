"""Real clients, servers and tools that nobody here wrote, against our node and gateway: ``make acceptance``.

Usage: ``run.py [PART ...] [--fuzz INPUTS] [--examples N] [--folder DIR]``. Each client runs in a process and an
environment of its own under ``build/acceptance``. Parts: clients, peers, fleet, schema, control, fuzz; else all.
Exit code 1: something failed. A part whose environment cannot be made is told and counts as failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import jobs
import targets
import venvs
from jobs import Found
from servers import Failed
from subject import MODEL, Served


def main() -> int:
    """Run the parts, print a line for each client, keep the whole as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART")
    parser.add_argument("--fuzz", type=int, default=100_000, help="inputs for the fuzzer (default: 100,000)")
    parser.add_argument(
        "--examples", type=int, default=40, help="generated requests for each call (default: 40)"
    )
    parser.add_argument("--folder", type=Path, default=venvs.BUILD / "run")
    told = parser.parse_args()
    found: list[Found] = []
    for part in told.parts or list(PARTS):
        started_s = time.monotonic()
        try:
            with Served(told.folder / part) as served:
                for each in PARTS[part](served, told):
                    found.append(each)
                    _say(each)
        except (venvs.Unavailable, Failed) as fault:
            found.append(Found(part, "", 0, (str(fault),)))
            _say(found[-1])
        print(f"{part}: {time.monotonic() - started_s:.0f} s", flush=True)
    (told.folder / "results.json").write_text(json.dumps([asdict(each) for each in found], indent=1), "utf-8")
    failed = sum(bool(each.failures) for each in found)
    print(f"{sum(each.checks for each in found)} checks, {failed} of {len(found)} runs failed")
    return 1 if failed else 0


def clients(served: Served, told: argparse.Namespace) -> Iterator[Found]:
    """tritonclient and kserve against the node and the gateway."""
    for target in (targets.on_node(served), targets.on_gateway(served)):
        for script in jobs.CLIENTS:
            if script != "triton_tls":
                yield jobs.client(script, target)
    for target in (targets.on_node_tls(served), targets.on_gateway_tls(served)):
        yield jobs.client("triton_tls", target)


def peers(served: Served, told: argparse.Namespace) -> Iterator[Found]:
    """MLServer and KServe as nodes behind the gateway."""
    for name, protocols in jobs.PROTOCOLS.items():
        at = jobs.peer(served, name, served.fp32, MODEL)
        for protocol in protocols:
            target = targets.before(served, name, at, protocol)
            for script in ("triton_http", "triton_grpc"):
                yield jobs.client(script, target)


def fleet(served: Served, told: argparse.Namespace) -> Iterator[Found]:
    """tritonclient against a whole fleet, as `gramwise fleet up` starts it."""
    target = targets.on_fleet(served)
    for script in ("triton_http", "triton_grpc"):
        yield jobs.client(script, target)


def schema(served: Served, told: argparse.Namespace) -> Iterator[Found]:
    """schemathesis on the protocol's description, node and gateway."""
    at = served.node("near")
    yield jobs.protocol(served, "node", at["http"], served.node_token, told.examples)
    front = served.gateway("gateway", targets.near(served, at))
    yield jobs.protocol(served, "gateway", front["http"], served.key, told.examples)


def control(served: Served, told: argparse.Namespace) -> Iterator[Found]:
    """schemathesis on the control API's own description: its listener, and the gateway's port that passes it on."""
    front = served.gateway("gateway", targets.near(served, served.node("near")), control=True)
    yield jobs.control(served, "control", front["control"], served.key, told.examples)
    yield jobs.control(served, "control-passed-on", front["http"], served.key, told.examples)


def fuzz(served: Served, told: argparse.Namespace) -> Iterator[Found]:
    """atheris on the decoding of tensors."""
    yield jobs.fuzz(told.fuzz, 0)


PARTS: dict[str, Callable[[Served, argparse.Namespace], Iterator[Found]]] = {
    "clients": clients,
    "peers": peers,
    "fleet": fleet,
    "schema": schema,
    "control": control,
    "fuzz": fuzz,
}


def _say(found: Found) -> None:
    state = "ok" if not found.failures else f"{len(found.failures)} FAILED"
    print(f"{found.client:<16} {found.against:<18} {found.checks:>8} checks  {state}", flush=True)
    for failure in found.failures:
        print(f"    {failure}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
