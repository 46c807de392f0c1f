"""Nodes that joined are there again after a restart, with their tokens; a broken file is named, and loses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

pytest.importorskip("httptools", reason="the gateway needs the serve extra")
pytest.importorskip("sqlalchemy", reason="the gateway needs the serve extra")
pytest.importorskip("prometheus_client", reason="the gateway needs the serve extra")

from front_rig import FakeNode, ask, binary, run, running

from gramwise.core.errors import ConfigError, Rejected
from gramwise.fleet.rows import NodeTable
from gramwise.gateway.front.joined import Joined, read_joined, write_joined
from gramwise.gateway.web.exchange import Exchange

TOKEN = SecretStr("t0ken-of-the-node-that-joins")


class Guarded(FakeNode):
    """Answers nobody without its token."""

    async def answer(self, exchange: Exchange) -> None:
        if exchange.headers.get(b"authorization") != b"Bearer " + TOKEN.get_secret_value().encode():
            exchange.reply(401, [], b"{}")
        else:
            await super().answer(exchange)


def table(address: str, zone: str = "SE") -> NodeTable:
    return NodeTable.model_validate(
        {
            "device": "pi4",
            "zone": zone,
            "intensity_g_per_kwh": 1.0,
            "intensity_source": "chosen for the test",
            "cpu_share": 1.0,
            "memory": 2**30,
            "slots": 4,
            "address": address,
        }
    )


def test_a_node_that_joined_is_there_after_a_restart_until_it_leaves(tmp_path: Path) -> None:
    file = tmp_path / "state" / "joined.json"

    async def test() -> None:
        more = Guarded()
        await more.start()

        async def served_by(client: object) -> str:
            status, head, _, _ = await ask(client, binary())  # type: ignore[arg-type]
            assert status == 200
            name: str = head["parameters"]["gramwise_node"]
            return name

        async with running(tmp_path, {"one": FakeNode()}) as (gateway, client, _):
            await gateway.fleet.join("more", table(more.address), TOKEN)
            assert await served_by(client) == "more"
            assert file.stat().st_mode & 0o777 == 0o600
            await gateway.reload()
            assert await served_by(client) == "more"
        async with running(tmp_path, {"one": FakeNode()}) as (gateway, client, _):
            assert await served_by(client) == "more", "with its token"
            await gateway.fleet.leave("more", 0.0)
            assert json.loads(file.read_text("utf-8"))["nodes"] == {}
        async with running(tmp_path, {"one": FakeNode()}) as (gateway, client, _):
            assert list(gateway.fleet.peers) == ["one"]
            with pytest.raises(Rejected, match="last node"):
                await gateway.fleet.leave("one", 0.0)
        await more.stop()

    run(test)


def test_a_node_that_does_not_answer_after_a_restart_is_waited_for(tmp_path: Path) -> None:
    async def test() -> None:
        more = FakeNode()
        await more.start()
        async with running(tmp_path, {"one": FakeNode()}) as (gateway, client, _):
            await gateway.fleet.join("more", table(more.address), None)
        await more.stop()
        async with running(tmp_path, {"one": FakeNode()}) as (gateway, client, _):
            assert (list(gateway.fleet.peers), gateway.fleet.peers["more"].up) == (["one", "more"], False)
            assert (await ask(client, binary()))[0] == 200

    run(test)


def test_a_node_that_cannot_be_written_down_does_not_join(tmp_path: Path) -> None:
    async def test() -> None:
        more = FakeNode()
        await more.start()
        async with running(tmp_path, {"one": FakeNode()}) as (gateway, client, _):
            (tmp_path / "state" / "joined.json.new").mkdir()
            with pytest.raises(ConfigError, match="cannot be written"):
                await gateway.fleet.join("more", table(more.address), None)
            assert list(gateway.fleet.peers) == ["one"]
            assert (await ask(client, binary()))[0] == 200
        await more.stop()

    run(test)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{nonsense", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("\xff\xfe", "no JSON"),
        ("[]", "valid dictionary"),
        ('{"schema": "gramwise.joined/9", "nodes": {}}', "is not gramwise.joined/1"),
        ('{"schema": "gramwise.joined/1"}', "nodes: Field required"),
        (
            '{"schema": "gramwise.joined/1", "nodes": {"a": {"node": {"zone": "FR"}, "token": "hush"}}}',
            "device",
        ),
    ],
)
def test_a_broken_file_is_named_and_left_as_it_is(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "state" / "joined.json"
    file.parent.mkdir()
    file.write_bytes(text.encode("latin-1"))
    file.chmod(0o600)

    async def test() -> None:
        with pytest.raises(ConfigError) as failed:
            async with running(tmp_path, {"one": FakeNode()}):
                pass
        assert str(failed.value).startswith(f"{file}: ")
        assert told in str(failed.value)
        assert "hush" not in str(failed.value)

    run(test)
    assert file.read_bytes() == text.encode("latin-1")


def test_a_file_that_others_can_open_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "joined.json"
    write_joined(file, {"a": Joined(table("127.0.0.1:9"), TOKEN)})
    assert read_joined(file) == {"a": Joined(table("127.0.0.1:9"), TOKEN)}
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_joined(file)


def test_a_node_that_no_longer_fits_the_scenario_is_told_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "state" / "joined.json"
    file.parent.mkdir()
    gone = NodeTable.model_validate({**table("127.0.0.1:9").model_dump(), "device": "a-device-of-before"})
    write_joined(file, {"more": Joined(gone)})

    async def test() -> None:
        with pytest.raises(ConfigError, match="a node that joined cannot be used") as failed:
            async with running(tmp_path, {"one": FakeNode()}):
                pass
        assert str(failed.value).startswith(str(file))

    run(test)
