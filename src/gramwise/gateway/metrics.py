"""Prometheus metrics of the gateway and of its nodes: every name in one table, every series bounded.

The only module that imports prometheus_client. A series is looked up once and then kept, since finding it by its labels
costs more than counting. What clients can name (a model, a tenant) must not make series without end, so beyond a bound
further label values fall together under ``other``.

Source of the naming rules: Prometheus documentation, "Metric and label naming" and "Writing exporters".
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gramwise.core.errors import SourceUnavailable

if TYPE_CHECKING:
    import numpy.typing as npt

MOST_SERIES = 1000
"""Label sets of one metric."""

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
"""Of the text format."""

_SECONDS = tuple(base * 10.0**power for power in range(-4, 2) for base in (1.0, 2.5, 5.0))
_JOULES = tuple(base * 10.0**power for power in range(-4, 3) for base in (1.0, 2.5, 5.0))
_GRAMS = tuple(base * 10.0**power for power in range(-8, -1) for base in (1.0, 2.5, 5.0))


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        kind: counter, gauge or histogram.
        help: one line for people.
        labels: names of its labels, in order.
        buckets: upper bounds of a histogram, in the metric's unit.
    """

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS: dict[str, Metric] = {
    "gramwise_node_energy_joules_total": Metric(
        "counter",
        "Marginal energy of requests, by component.",
        ("node", "component", "source", "method"),
    ),
    "gramwise_node_power_watts": Metric(
        "gauge", "Power, by component.", ("node", "component", "source", "method")
    ),
    "gramwise_node_carbon_grams_total": Metric("counter", "Grams of CO2e.", ("node", "scope", "signal")),
    "gramwise_grid_carbon_intensity_grams_per_kwh": Metric(
        "gauge",
        "Carbon intensity of a zone's electricity, grams of CO2e per kWh.",
        ("zone", "signal", "provider", "estimated"),
    ),
    "gramwise_model_request_energy_joules": Metric(
        "histogram", "Marginal energy of a request.", ("model", "version", "node"), _JOULES
    ),
    "gramwise_model_request_carbon_grams": Metric(
        "histogram", "Marginal grams of CO2e of a request.", ("model", "version", "node"), _GRAMS
    ),
    "gramwise_model_requests_total": Metric(
        "counter", "Requests by how they ended.", ("model", "version", "node", "outcome")
    ),
    "gramwise_model_request_duration_seconds": Metric(
        "histogram", "Time of a request, by stage.", ("model", "version", "node", "stage"), _SECONDS
    ),
    "gramwise_model_batch_items": Metric(
        "histogram",
        "Items that ran together.",
        ("model", "version", "node"),
        (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0),
    ),
    "gramwise_unattributed_energy_joules_total": Metric(
        "counter", "Energy that belongs to no request.", ("node", "reason")
    ),
    "gramwise_meter_coverage_ratio": Metric(
        "gauge", "CPU seconds accounted for over CPU seconds metered.", ("node",)
    ),
    "gramwise_meter_age_seconds": Metric("gauge", "Age of the newest reading.", ("node", "source")),
    "gramwise_meter_info": Metric("gauge", "How energy is known.", ("node", "component", "source", "device")),
    "gramwise_self_cpu_seconds_total": Metric("counter", "CPU seconds of the tool's own work."),
    "gramwise_self_energy_joules_total": Metric("counter", "Energy of the tool's own work."),
    "gramwise_queued_requests": Metric("gauge", "Requests that wait.", ("node",)),
    "gramwise_running_requests": Metric("gauge", "Requests that run.", ("node",)),
    "gramwise_node_up": Metric("gauge", "1 while a node can take work.", ("node", "zone")),
    "gramwise_build_info": Metric("gauge", "Version of the program.", ("version", "commit")),
}
"""Every metric of the gateway and of its nodes, by its name."""


class Metrics:
    """A set of metrics of its own, apart from any other in the process.

    Raises:
        SourceUnavailable: prometheus_client is not installed.
    """

    def __init__(self) -> None:
        try:
            self._library = importlib.import_module("prometheus_client")
            self._core = importlib.import_module("prometheus_client.core")
        except ImportError as fault:
            raise SourceUnavailable(
                "metrics need prometheus-client, which is not installed. Run: pip install 'gramwise[serve]'"
            ) from fault
        # The time at which a series began doubles the text, and nobody asks for it.
        self._library.disable_created_metrics()
        self._registry = self._library.CollectorRegistry()
        self._families: dict[str, Family] = {}

    def __getitem__(self, name: str) -> Family:
        """The metric of this name in `METRICS`; it appears in `text` from the first time on that it is asked for."""
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = Family(self._make(name, METRICS[name]), METRICS[name])
        return family

    def text(self) -> bytes:
        """Everything in Prometheus' text format; send it as `CONTENT_TYPE`."""
        return bytes(self._library.generate_latest(self._registry))

    def _make(self, name: str, metric: Metric) -> Any:
        if metric.kind == "histogram":
            histogram = _Histogram(self._core.HistogramMetricFamily, name, metric)
            self._registry.register(histogram)
            return histogram
        kind = self._library.Counter if metric.kind == "counter" else self._library.Gauge
        return kind(name, metric.help, metric.labels, registry=self._registry)


class Bins:
    """One series of a histogram.

    Args:
        bounds: upper bounds of its buckets, rising.
    """

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: npt.NDArray[np.float64]) -> None:
        self._bounds, self.counts, self.total = bounds, np.zeros(len(bounds) + 1, dtype=np.int64), 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.observe_all((value,))

    def observe_all(self, values: Sequence[float]) -> None:
        """Count many values at once, which takes a fraction of the time."""
        self.counts += np.bincount(np.searchsorted(self._bounds, values), minlength=len(self.counts))
        self.total += math.fsum(values)


class _Histogram:
    """A histogram of prometheus_client's registry, whose series can count many values at once.

    Args:
        family: prometheus_client's ``HistogramMetricFamily``, which the registry asks for.
        name, metric: what it is.
    """

    def __init__(self, family: Any, name: str, metric: Metric) -> None:
        self._family, self._name, self._metric = family, name, metric
        self._bounds = np.array(metric.buckets)
        self._texts = [*map(str, metric.buckets), "+Inf"]
        self._bins: dict[tuple[str, ...], Bins] = {}

    def labels(self, *labels: str) -> Bins:
        """The series of these label values."""
        return self._bins.setdefault(labels, Bins(self._bounds))

    def remove(self, *labels: str) -> None:
        """Take a series away."""
        del self._bins[labels]

    def describe(self) -> list[Any]:
        """What the registry asks at registration."""
        return [self._family(self._name, self._metric.help, labels=self._metric.labels)]

    def collect(self) -> list[Any]:
        """What the registry asks for the text."""
        (family,) = self.describe()
        for labels, bins in list(self._bins.items()):
            counts = np.cumsum(bins.counts).tolist()
            family.add_metric(labels, list(zip(self._texts, counts, strict=True)), sum_value=bins.total)
        return [family]


class Family:
    """A metric with its series.

    Args:
        metric: of prometheus_client.
        described: its row of the table.
    """

    def __init__(self, metric: Any, described: Metric) -> None:
        self._metric, self._labels = metric, described.labels
        self._series: dict[tuple[str, ...], Any] = {}

    def of(self, *labels: str) -> Any:
        """The series of these label values, in the table's order: it has ``inc``, ``set`` or ``observe``.

        Beyond `MOST_SERIES` label sets, new ones share the series whose labels are all ``other``.
        """
        series = self._series.get(labels)
        if series is None:
            series = self._new(labels)
        return series

    def _new(self, labels: tuple[str, ...]) -> Any:
        if not self._labels:
            return self._series.setdefault((), self._metric)
        if len(self._series) >= MOST_SERIES:
            labels = ("other",) * len(self._labels)
        return self._series.setdefault(labels, self._metric.labels(*labels))

    def forget(self, *labels: str) -> None:
        """Take a series away, of a node that has left; one that is not there is gone already."""
        if self._series.pop(labels, None) is not None:
            self._metric.remove(*labels)
