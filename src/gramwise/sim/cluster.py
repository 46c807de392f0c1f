"""Tasks on a Ray cluster: the one module that imports Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gramwise.core.errors import SourceUnavailable

LOCAL = "local"
"""Address that starts a cluster on this machine for the time of the call."""


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
                ray.init(address=address, log_to_driver=False, configure_logging=False)
        except (ConnectionError, RuntimeError, ValueError) as fault:
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
