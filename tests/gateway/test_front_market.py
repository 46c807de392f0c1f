"""Market-based grams: from a node's contract to the gateway, and unknown in every sum where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("httptools", reason="the gateway needs the serve extra")
pytest.importorskip("sqlalchemy", reason="the gateway needs the serve extra")
pytest.importorskip("prometheus_client", reason="the gateway needs the serve extra")

from front_rig import FakeNode, ask, binary, rows_of, run, running
from typer.testing import CliRunner

from gramwise.cli import app

CONTRACT = '\n[nodes.{}.contract]\nintensity_g_per_kwh = {}\nsource = "chosen for the test"\n'


@pytest.mark.parametrize("intensity", [0.0, 36.0])
def test_a_contract_is_known_by_its_node_and_renewed_with_the_scenario(
    tmp_path: Path, intensity: float
) -> None:
    async def test() -> None:
        nodes = {"bought": FakeNode(2.0), "grid": FakeNode(2.0)}
        async with running(tmp_path, nodes) as (gateway, client, _):
            places = gateway.fleet.now.places
            assert (places.market("bought"), places.market("grid"), places.market("nobody")) == (None,) * 3
            file = tmp_path / "scenario.toml"
            file.write_text(file.read_text("utf-8") + CONTRACT.format("bought", intensity), "utf-8")
            await gateway.reload()
            places = gateway.fleet.now.places
            assert places.market("bought") == intensity
            assert places.market("grid") is None, "never the location-based figure"
            # What is bought decides nothing: the cleaner grid still goes first, and its grams stay what they were.
            status, head, _, _ = await ask(client, binary())
            assert (status, head["parameters"]["gramwise_node"]) == (200, "bought")
            (row,) = rows_of(gateway)
            assert row["carbon_g"] == pytest.approx(2.0 * 100.0 / 3.6e6)
            assert row["carbon_market_g"] == pytest.approx(2.0 * intensity / 3.6e6)
            assert row["market_intensity_g_per_kwh"] == intensity

    run(test)


def test_sums_without_any_contract_are_unknown_and_never_the_grids(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path, {"grid": FakeNode(2.0)}) as (_, client, _):
            assert (await ask(client, binary()))[0] == 200

    run(test)
    ledger = tmp_path / "state" / "ledger.sqlite"

    def told(*words: str) -> str:
        done = CliRunner().invoke(app, ["ledger", *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    wanted = {"value": None, "unit": "g", "known": 0, "unknown": 1, "scope": "scope 2, market-based"}
    whole = json.loads(told("summary", str(ledger), "--json"))
    assert whole["carbon_market_g"] == wanted
    assert whole["carbon_g"]["value"] > 0
    (group,) = json.loads(told("by", str(ledger), "node", "--json"))["groups"]
    assert group["carbon_market_g"] == wanted
    (line,) = [line for line in told("summary", str(ledger)).splitlines() if "market-based" in line]
    assert "unknown" in line
