"""The table of metrics and the loop that the gateway's processes run on."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import subprocess
import sys

import pytest

pytest.importorskip("prometheus_client", reason="the serve extra is not installed")

from gramwise.gateway import metrics as module
from gramwise.gateway.metrics import METRICS, Metrics

UNITS = (
    "_joules",
    "_watts",
    "_grams",
    "_grams_per_kwh",
    "_seconds",
    "_ratio",
    "_info",
    "_items",
    "_up",
    "_requests",
)


@pytest.mark.parametrize("name", METRICS)
def test_names_follow_prometheus_rules(name: str) -> None:
    metric = METRICS[name]
    assert re.fullmatch(r"gramwise_[a-z_]+", name)
    assert name.endswith("_total") == (metric.kind == "counter")
    assert name.removesuffix("_total").endswith(UNITS)
    assert metric.help.endswith(".")
    assert (metric.kind == "histogram") == bool(metric.buckets)


def test_a_series_counts_and_is_kept() -> None:
    metrics = Metrics()
    requests = metrics["gramwise_model_requests_total"]
    requests.of("m", "1", "n", "ok").inc()
    assert requests.of("m", "1", "n", "ok") is requests.of("m", "1", "n", "ok")
    metrics["gramwise_self_cpu_seconds_total"].of().inc(0.5)
    text = metrics.text().decode()
    assert 'gramwise_model_requests_total{model="m",node="n",outcome="ok",version="1"} 1.0' in text
    assert "gramwise_self_cpu_seconds_total 0.5" in text
    assert "_created" not in text


def test_label_sets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SERIES", 3)
    metrics = Metrics()
    up = metrics["gramwise_node_up"]
    for number in range(10):
        up.of(f"n{number}", "DE").inc()
    lines = [line for line in metrics.text().decode().splitlines() if line.startswith("gramwise_node_up{")]
    assert len(lines) == 4
    assert 'gramwise_node_up{node="other",zone="other"} 7.0' in lines


def test_a_node_that_left_leaves_the_text() -> None:
    metrics = Metrics()
    metrics["gramwise_node_up"].of("a", "DE").set(1)
    metrics["gramwise_node_up"].forget("a", "DE")
    metrics["gramwise_node_up"].forget("b", "DE")
    assert 'node="a"' not in metrics.text().decode()


def test_the_process_runs_on_uvloop_where_it_is_installed() -> None:
    program = (
        "from gramwise.gateway import loop\n"
        "async def main():\n"
        "    import asyncio; return type(asyncio.get_running_loop()).__module__\n"
        "print(loop.run(main()), loop.keep_buffers(), loop.give_back_memory() in (True, False))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    kind, kept, _ = done.stdout.split()
    wanted = "uvloop" if importlib.util.find_spec("uvloop") else asyncio.__name__
    assert kind.startswith(wanted)
    assert kept in ("True", "False")
