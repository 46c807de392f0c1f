"""Tasks on a Ray cluster: the one module that imports Ray."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gramwise.core.errors import SourceUnavailable

LOCAL = "local"
"""Address that starts a cluster on this machine for the time of the call."""

_ANSWERS_S = 5.0
"""A machine that takes no connection for so long is not there; Ray itself would try for minutes."""


def spread_on_ray(
    function: Callable[[Any, Any], Any], shared: Any, tasks: Sequence[Any], address: str
) -> Iterator[tuple[int, Any]]:
    """As `gramwise.sim.parallel.spread`; gramwise must be installed on every machine of the cluster.

    Raises:
        SourceUnavailable: Ray is not installed, or there is no cluster at that address.
    """
    try:
        import ray
    except ImportError as fault:
        raise SourceUnavailable("a cluster needs Ray: pip install 'gramwise[ray]'") from fault
    ours = not ray.is_initialized()
    if ours:
        try:
            if address == LOCAL:
                ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
            else:
                _reach(address)
                ray.init(address=address, log_to_driver=False, configure_logging=False)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as fault:
            raise SourceUnavailable(f"no Ray cluster answers at {address}: {fault}") from fault
    try:
        stored = ray.put(shared)
        remote = ray.remote(num_cpus=1)(function)
        waiting = {remote.remote(stored, task): i for i, task in enumerate(tasks)}
        while waiting:
            done, _ = ray.wait(list(waiting), num_returns=1)
            yield waiting.pop(done[0]), ray.get(done[0])
    finally:
        if ours:
            ray.shutdown()


def _reach(address: str) -> None:
    """Raise OSError unless something listens at HOST:PORT; other forms of address are Ray's to judge."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWERS_S).close()
