"""The node's counters, in the words of `gramwise.gateway.metrics`."""

from __future__ import annotations

from typing import Any, NamedTuple

import gramwise
from gramwise.core.quantity import Quantity
from gramwise.gateway.metrics import Metrics

from .batching import GONE, Slots
from .model import Model
from .runs import Done
from .tariff import CPU_TIME, Tariff
from .usage import Usage, UsageReply

_OUTCOMES = {429: "queue_full", GONE: "gone", 503: "refused"}


class _Series(NamedTuple):
    """What every answered request of a model counts into, looked up once."""

    answered: Any
    whole: Any
    queue: Any
    run: Any
    items: Any


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
        self._energy: dict[tuple[str, str], Any] = {}
        self._total_energy: dict[tuple[str, str], Any] = {}
        self._shown: set[tuple[str, ...]] = set()
        self._window, self._boundary = 1, ""
        metrics = self._metrics
        metrics["gramwise_build_info"].of(gramwise.__version__, "").set(1)

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
        price = self._tariff.j_per_cpu_s
        if price is not None:
            self._count(model, price, done.cpu_s * price.value)

    def text(self, usage: Usage, slots: Slots) -> bytes:
        """Everything in Prometheus' text format, with what is only read when somebody looks."""
        metrics, node = self._metrics, self._node
        metrics["gramwise_queued_requests"].of(node).set(slots.queued)
        metrics["gramwise_running_requests"].of(node).set(slots.running)
        told = usage.read(queued=slots.queued, running=slots.running, ready=True)
        if usage.windows != self._window:
            self._window = usage.windows
            self._begin()
        if told.overhead_s is not None:
            self._raise("gramwise_self_cpu_seconds_total", told.overhead_s)
        if told.overhead_energy is not None:
            overhead_j = told.overhead_energy.value
            self._raise("gramwise_self_energy_joules_total", overhead_j)
            self._raise("gramwise_unattributed_energy_joules_total", overhead_j, node, "overhead")
        if told.idle_energy is not None:
            self._raise("gramwise_unattributed_energy_joules_total", told.idle_energy.value, node, "idle")
        self._show_sources(told)
        return metrics.text()

    def _show_sources(self, told: UsageReply) -> None:
        """How energy is known now, and no longer how it was known before."""
        tariff, node, shown = self._tariff, self._node, dict[tuple[str, ...], float]()
        if tariff.j_per_cpu_s is not None:
            shown["gramwise_meter_info", node, "cpu", tariff.source, tariff.device] = 1.0
        if tariff.idle_w is not None:
            labels = (node, "idle", self._origin, tariff.idle_w.method)
            shown["gramwise_node_power_watts", *labels] = tariff.idle_w.value
        if told.meter is not None and told.meter.age_s is not None:
            shown["gramwise_meter_age_seconds", node, told.meter.name] = told.meter.age_s
        for name, *old in self._shown - shown.keys():
            self._metrics[name].forget(*old)
        for (name, *new), value in shown.items():
            self._metrics[name].of(*new).set(value)
        self._shown = set(shown)

    @property
    def _origin(self) -> str:
        """What joules and watts are worked out from: a meter, or a device's figures."""
        return self._tariff.device if self._tariff.source == CPU_TIME else self._tariff.source

    def _count(self, model: Model, price: Quantity, energy_j: float) -> None:
        """Joules of a request. Their series begin with the first price, as no joules are not 0 joules, and anew where
        a price includes something else: joules of a board and of a chip are not added."""
        if price.boundary != self._boundary:
            self._boundary = price.boundary
            for old in self._energy:
                self._metrics["gramwise_model_request_energy_joules"].forget(*old, self._node)
            self._energy.clear()
        key = (model.name, model.version)
        series = self._energy.get(key)
        if series is None:
            each = self._metrics["gramwise_model_request_energy_joules"]
            series = self._energy[key] = each.of(*key, self._node)
        series.observe(energy_j)
        how = (self._origin, price.method)
        total = self._total_energy.get(how)
        if total is None:
            node_total = self._metrics["gramwise_node_energy_joules_total"]
            total = self._total_energy[how] = node_total.of(self._node, "cpu", *how)
        total.inc(energy_j)

    def _bind(self, model: Model) -> _Series:
        labels = (model.name, model.version, self._node)
        metrics = self._metrics
        seconds = metrics["gramwise_model_request_duration_seconds"]
        series = self._series[model.name, model.version] = _Series(
            answered=metrics["gramwise_model_requests_total"].of(*labels, "ok"),
            whole=seconds.of(*labels, "whole"),
            queue=seconds.of(*labels, "queue"),
            run=seconds.of(*labels, "run"),
            items=metrics["gramwise_model_batch_items"].of(*labels),
        )
        return series

    def _begin(self) -> None:
        """The usage counts anew: joules do so too, which Prometheus takes for a restart; CPU seconds go on."""
        for name, *labels in self._told:
            if "joules" in name and labels:
                self._metrics[name].forget(*labels)
            elif "joules" in name:
                self._metrics[name].of().reset()
        self._told.clear()

    def _raise(self, name: str, to: float, *labels: str) -> None:
        """Bring a counter up to what a clock says; a clock that went back leaves it."""
        key = (name, *labels)
        told = self._told.get(key, 0.0)
        if to > told:
            self._told[key] = to
            self._metrics[name].of(*labels).inc(to - told)
