"""The node's counters, in the words of `gramwise.gateway.metrics`."""

from __future__ import annotations

from typing import Any, NamedTuple

import gramwise
from gramwise.core.quantity import Quantity
from gramwise.gateway.metrics import Metrics

from .batching import GONE, Slots
from .model import Model
from .runs import Done
from .tariff import Tariff
from .usage import Usage

_OUTCOMES = {429: "queue_full", GONE: "gone", 503: "refused"}


class _Series(NamedTuple):
    """What every answered request of a model counts into, looked up once; energy is None where no price is known."""

    answered: Any
    whole: Any
    queue: Any
    run: Any
    items: Any
    energy: Any
    total_energy: Any


class Measures:
    """Counts what a node does.

    Args:
        node: its name.
        tariff: prices of CPU seconds and idle power.
    """

    def __init__(self, node: str, tariff: Tariff) -> None:
        self._node, self._tariff, self._metrics = node, tariff, Metrics()
        self._told: dict[tuple[str, ...], float] = {}
        self._series: dict[tuple[str, str], _Series] = {}
        metrics = self._metrics
        metrics["gramwise_build_info"].of(gramwise.__version__, "").set(1)
        if tariff.j_per_cpu_s is not None:
            metrics["gramwise_meter_info"].of(node, "cpu", "cpu-time", tariff.device).set(1)
        if tariff.idle_w is not None:
            watts = metrics["gramwise_node_power_watts"].of(node, "idle", tariff.device, tariff.idle_w.method)
            watts.set(tariff.idle_w.value)

    def refused(self, model: Model, status: int) -> None:
        """A request was refused with this HTTP status."""
        outcome = _OUTCOMES.get(status, "bad_request" if status < 500 else "failed")
        requests = self._metrics["gramwise_model_requests_total"]
        requests.of(model.name, model.version, self._node, outcome).inc()

    def answered(self, model: Model, done: Done, whole_s: float) -> None:
        """A request was answered ``whole_s`` seconds after it came."""
        series = self._series.get((model.name, model.version)) or self._bind(model)
        series.answered.inc()
        series.whole.observe(whole_s)
        series.queue.observe(done.queue_s)
        series.run.observe(done.run_s)
        series.items.observe(done.items)
        energy_j = self._tariff.energy_j(done.cpu_s)
        if energy_j is not None:
            series.energy.observe(energy_j)
            series.total_energy.inc(energy_j)

    def text(self, usage: Usage, slots: Slots) -> bytes:
        """Everything in Prometheus' text format, with what is only read when somebody looks."""
        metrics, tariff, node = self._metrics, self._tariff, self._node
        metrics["gramwise_queued_requests"].of(node).set(slots.queued)
        metrics["gramwise_running_requests"].of(node).set(slots.running)
        overhead_s = usage.overhead_s
        if overhead_s is not None:
            self._raise("gramwise_self_cpu_seconds_total", overhead_s)
            overhead_j = tariff.energy_j(overhead_s)
            if overhead_j is not None:
                self._raise("gramwise_self_energy_joules_total", overhead_j)
                self._raise("gramwise_unattributed_energy_joules_total", overhead_j, node, "overhead")
        if tariff.idle_w is not None:
            idle_j = tariff.idle_w.value * usage.window_s
            self._raise("gramwise_unattributed_energy_joules_total", idle_j, node, "idle")
        return metrics.text()

    def _bind(self, model: Model) -> _Series:
        labels = (model.name, model.version, self._node)
        metrics, price = self._metrics, self._tariff.j_per_cpu_s
        seconds = metrics["gramwise_model_request_duration_seconds"]
        series = self._series[model.name, model.version] = _Series(
            answered=metrics["gramwise_model_requests_total"].of(*labels, "ok"),
            whole=seconds.of(*labels, "whole"),
            queue=seconds.of(*labels, "queue"),
            run=seconds.of(*labels, "run"),
            items=metrics["gramwise_model_batch_items"].of(*labels),
            energy=price and metrics["gramwise_model_request_energy_joules"].of(*labels),
            total_energy=price and self._total_energy(price),
        )
        return series

    def _total_energy(self, price: Quantity) -> Any:
        total = self._metrics["gramwise_node_energy_joules_total"]
        return total.of(self._node, "cpu", self._tariff.device, price.method)

    def _raise(self, name: str, to: float, *labels: str) -> None:
        """Bring a counter up to what a clock says; a clock that went back leaves it."""
        key = (name, *labels)
        told = self._told.get(key, 0.0)
        if to > told:
            self._told[key] = to
            self._metrics[name].of(*labels).inc(to - told)
