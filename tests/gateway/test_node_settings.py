"""What a node is told: settings that fit each other, and what its CPU seconds cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gramwise.core.errors import ConfigError
from gramwise.fleet.catalogue import device
from gramwise.gateway.node import Settings
from gramwise.gateway.node.tariff import tariff


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"listen": "nowhere"}, "HOST:PORT"),
        ({"listen": "127.0.0.1:99999"}, "HOST:PORT"),
        ({"listen": "0.0.0.0:8000"}, "--listen"),
        ({"grpc": "[::]:8001"}, "--grpc"),
        ({"slots": 0}, "--slots"),
        ({"batch_wait_ms": float("nan")}, "--batch-wait-ms"),
        ({"device": "n100", "scenario": "a.toml", "as_node": "a"}, "--device"),
        ({"scenario": "a.toml"}, "--as"),
        ({"tls_cert": "a.pem"}, "--tls-key"),
        ({"slotz": 1}, "--slotz"),
    ],
)
def test_settings_that_cannot_be_are_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace("[", r"\[")):
        Settings.of(repository=".", **given)


def test_addresses_are_read() -> None:
    settings = Settings.of(repository=".", listen="[::1]:8000", grpc="localhost:0")
    assert settings.http_address == ("::1", 8000)
    assert settings.grpc_address == ("localhost", 0)
    assert Settings.of(repository=".").grpc_address is None


def test_without_a_device_nothing_is_known_and_nothing_said() -> None:
    prices = tariff(Settings.of(repository="."))
    assert prices.told(1.0) == {}
    assert prices.energy_j(1.0) is None


def test_a_device_prices_a_cpu_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    prices = tariff(Settings.of(repository=".", device="n100"))
    n100 = device("n100")
    assert n100.busy_w is not None
    assert n100.idle_w is not None
    told = prices.told(2.0)
    assert told["energy_joules"] == pytest.approx(2.0 * (n100.busy_w - n100.idle_w) / 4)
    low, high = told["energy_joules_low"], told["energy_joules_high"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert low <= told["energy_joules"] <= high
    assert told["energy_method"] in ("modelled", "assumed")
    assert prices.idle_w is not None
    assert prices.idle_w.value == n100.idle_w


def test_a_node_of_a_scenario_is_priced_by_its_own_speed(write_scenario: Any) -> None:
    scenario: Path = write_scenario()
    prices = tariff(Settings.of(repository=".", scenario=scenario, as_node="clean"))
    assert prices.j_per_cpu_s is not None
    assert prices.j_per_cpu_s.value == pytest.approx(12.0 - 2.0)
    assert prices.device == "box"


def test_a_node_that_the_scenario_has_not_is_named(write_scenario: Any) -> None:
    with pytest.raises(ConfigError, match="klean"):
        tariff(Settings.of(repository=".", scenario=write_scenario(), as_node="klean"))


def test_a_device_that_nobody_knows_is_named() -> None:
    with pytest.raises(ConfigError, match="n1000"):
        tariff(Settings.of(repository=".", device="n1000"))
