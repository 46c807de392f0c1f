"""A node as a child process: joins its control group, loads its variants, answers runs one at a time.

Started as ``python -m gramwise.runtime.worker`` with a JSON argument. Its three clocks: inference (thread CPU round
each run), overhead (thread CPU of its own work round them) and, for where no control group counts, the process total.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from gramwise.core.clock import Clock, SystemClock
from gramwise.core.errors import ModelError, Rejected
from gramwise.runtime import caps, wire
from gramwise.runtime.session import Session
from gramwise.runtime.store import Stores


def serve(
    connection: socket.socket,
    memory: wire.SharedMemory,
    stores: Stores,
    models: dict[str, str],
    virtual_share: float | None,
) -> None:
    """Answer until the other side hangs up."""
    sessions: dict[str, Session] = {}
    for variant, path in models.items():
        try:
            sessions[variant] = Session(path)
        except ModelError as fault:
            connection.sendall(wire.frame(wire.Fault("model", str(fault))))
            return
    connection.sendall(wire.frame(_ready(sessions)))
    # What loading cost is not part of any window, so every clock starts here.
    attributed_s = overhead_s = 0.0
    mark_s, process_mark_s = time.thread_time(), time.process_time()
    clock = SystemClock()
    while (body := _receive(connection)) is not None:
        question = wire.read_question(body)
        if isinstance(question, wire.Usage):
            clocks = wire.Clocks(attributed_s, overhead_s, time.process_time() - process_mark_s)
            connection.sendall(wire.frame(clocks))
        elif isinstance(question, wire.Load | wire.Drop):
            connection.sendall(wire.frame(_change(question, sessions)))
        else:
            answer, cpu_s = _run(question, sessions, memory, stores, virtual_share, clock)
            attributed_s += cpu_s
            overhead_s -= (
                cpu_s  # what this turn took besides: its own clock from mark to mark, less the inference
            )
            connection.sendall(wire.frame(answer))
        now_s = time.thread_time()
        overhead_s += now_s - mark_s
        mark_s = now_s


def _ready(sessions: Mapping[str, Session]) -> wire.Ready:
    return wire.Ready({variant: session.inputs for variant, session in sessions.items()}, _rss_bytes())


def _change(question: wire.Load | wire.Drop, sessions: dict[str, Session]) -> wire.Answer:
    """Load or drop a variant. A file that cannot be loaded leaves what was there."""
    if isinstance(question, wire.Drop):
        sessions.pop(question.variant, None)
        return _ready(sessions)
    try:
        sessions[question.variant] = Session(question.path)
    except ModelError as fault:
        return wire.Fault("model", str(fault))
    return _ready(sessions)


def _run(
    question: wire.Run,
    sessions: dict[str, Session],
    memory: wire.SharedMemory,
    stores: Stores,
    virtual_share: float | None,
    clock: Clock,
) -> tuple[wire.Answer, float]:
    """The answer, and the CPU seconds of the inference."""
    stores.free(question.freed)
    start_s = clock.now_s()
    try:
        session = sessions[question.variant]
    except KeyError:
        return wire.Fault("rejected", f"this node holds no {question.variant}"), 0.0
    try:
        outputs, cpu_s = session.run(stores.read(question.tensors, memory))
        missing = [name for name in question.hold if name not in outputs]
        if missing:
            raise Rejected(f"{question.variant} makes no {missing[0]}")
        kept = {name: outputs.pop(name) for name in question.hold}
        tensors, data = wire.pack(outputs)
        held = stores.hold(kept)
    except Rejected as fault:
        return wire.Fault("rejected", str(fault)), 0.0
    if virtual_share is not None:
        time.sleep(max(0.0, cpu_s * (1.0 / virtual_share - 1.0)))
    return wire.Done(tensors, data, start_s, clock.now_s(), cpu_s, held), cpu_s


def _receive(connection: socket.socket) -> bytes | None:
    header = _exactly(connection, wire.HEADER.size)
    return None if header is None else _exactly(connection, wire.HEADER.unpack(header)[0])


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)


def _rss_bytes() -> int:
    """Peak resident memory of this program; getrusage alone would count what the parent held when it forked."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    """Entry of the child process. Ctrl-C in a terminal reaches children too; only the parent answers it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = json.loads(sys.argv[1])
    caps.join(order["join"])
    connection = socket.socket(fileno=order["socket"])
    memory = wire.SharedMemory(order["memory"])
    stores = Stores([wire.SharedMemory(descriptor) for descriptor in order["stores"]], order["store"])
    with connection:
        serve(connection, memory, stores, order["models"], order["virtual_share"])


if __name__ == "__main__":
    main()
