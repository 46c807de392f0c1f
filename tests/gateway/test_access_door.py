"""From a header to an identity: cached, rationed, following the file, and never more than the file says."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gramwise.core.clock import ManualClock
from gramwise.core.errors import ConfigError
from gramwise.gateway.access.denied import Denied
from gramwise.gateway.access.door import ANYBODY, Door, Identity
from gramwise.gateway.access.hashing import Hash, matches
from gramwise.gateway.access.keys import KeyFile


class CountingCheck:
    """The real check, counted; once ``hasty`` it says no to all without the work."""

    def __init__(self) -> None:
        self.calls, self.hasty = 0, False

    def __call__(self, secret: str, kept: Hash) -> bool:
        self.calls += 1
        return not self.hasty and matches(secret, kept)


class Case:
    """A file with one key, and a door to it."""

    def __init__(self, folder: Path, **more: float) -> None:
        self.clock, self.check = ManualClock(1000.0), CountingCheck()
        self.file = KeyFile(folder / "keys.json")
        self.key, self.text = self.file.add("acme", ["infer"], now_s=1000.0, **more)  # type: ignore[arg-type]
        self.door = Door(self.file.path, self.clock, check=self.check)

    def refused(self, header: str | bytes | None) -> Denied:
        with pytest.raises(Denied) as caught:
            asyncio.run(self.door.identify(header))
        return caught.value


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_a_key_is_checked_by_scrypt_once_and_then_known(case: Case) -> None:
    header = f"Bearer {case.text}"
    assert case.door.known(header) is None
    who = asyncio.run(case.door.identify(header))
    assert who == Identity(case.key.id, "acme", frozenset({"infer"}))
    assert case.door.known(header) == who
    assert asyncio.run(case.door.identify(header.encode())) == who
    assert case.check.calls == 1


def test_many_connections_with_one_new_key_wait_for_one_check(case: Case) -> None:
    async def many() -> set[str]:
        found = await asyncio.gather(*(case.door.identify(f"Bearer {case.text}") for _ in range(20)))
        return {who.tenant for who in found}

    assert asyncio.run(many()) == {"acme"}
    assert case.check.calls == 1


def test_headers_without_a_key_in_force_are_401_and_say_what_to_write(case: Case) -> None:
    name, secret = case.text.split("_")[1:]
    wrong = "0" * 48
    for header in (
        None,
        "",
        "Bearer",
        f"Basic {case.text}",
        case.text,
        "Bearer gw_",
        f"Bearer {case.text}0",
        f"Bearer gw_{name}_{secret.upper()}",
        f"Bearer gw_00000000_{secret}",
        b"Bearer \xff\xfe",
        f"Bearer gw_{name}_{wrong}",
    ):
        fault = case.refused(header)
        assert fault.status == 401
        assert "Authorization: Bearer gw_ID_SECRET" in fault.sentence
        assert ("WWW-Authenticate", 'Bearer realm="gramwise"') in fault.headers()
        assert secret not in fault.sentence
    assert case.check.calls == 1, "only the one with the form, a known id and another secret costs a check"


def test_guesses_at_a_known_id_are_rationed_and_the_ration_comes_back(case: Case) -> None:
    case.check.hasty = True
    statuses = [case.refused(f"Bearer gw_{case.key.id}_{i:048x}").status for i in range(20)]
    assert statuses == [401] * 16 + [429] * 4
    assert case.check.calls == 16
    case.clock.advance(0.5)
    assert [case.refused(f"Bearer gw_{case.key.id}_{i:048x}").status for i in range(3)] == [401, 401, 429]
    assert case.refused(f"Bearer gw_{case.key.id}_{0:048x}").headers() == [("Retry-After", "1")]


def test_a_revoked_key_is_refused_within_a_second_and_a_new_one_is_let_in(case: Case) -> None:
    header = f"Bearer {case.text}"
    asyncio.run(case.door.identify(header))
    case.file.revoke(case.key.id, now_s=1001.0)
    _, other = case.file.add("late", ["read"], now_s=1001.0)
    assert case.door.known(header) is not None, "not looked at yet"
    case.clock.advance(1.0)
    assert case.refused(header).status == 401
    assert asyncio.run(case.door.identify(f"Bearer {other}")).tenant == "late"


def test_a_key_expires_although_it_is_remembered(tmp_path: Path) -> None:
    case = Case(tmp_path, lasts_s=10.0)
    header = f"Bearer {case.text}"
    asyncio.run(case.door.identify(header))
    case.clock.advance(9.9)
    assert case.door.known(header) is not None
    case.clock.advance(0.1)
    assert case.refused(header).status == 401


def test_a_file_that_breaks_or_goes_changes_nothing_and_is_logged(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    header = f"Bearer {case.text}"
    asyncio.run(case.door.identify(header))
    case.file.path.write_text("{", "utf-8")
    case.clock.advance(1.0)
    assert case.door.known(header) is not None
    assert "keys stay as they were" in caplog.text
    case.file.path.unlink()
    case.clock.advance(1.0)
    assert case.door.known(header) is not None


def test_spellings_of_one_header_do_not_fill_the_memory(case: Case) -> None:
    door = Door(case.file.path, case.clock, check=lambda secret, kept: True)
    spelt = [f"Bearer {' ' * i}{case.text}" for i in range(18)]
    for header in spelt:
        case.clock.advance(1.0)
        asyncio.run(door.identify(header))
    assert door.known(spelt[0]) is None, "it was forgotten when there were more than 16"
    assert door.known(spelt[-1]) is not None


def test_without_a_file_anybody_may_do_anything_and_with_an_unusable_one_nothing_starts(
    tmp_path: Path,
) -> None:
    door = Door(None)
    assert not door.asks
    assert door.known(None) == ANYBODY
    assert asyncio.run(door.identify("Bearer whatever")) == ANYBODY
    with pytest.raises(ConfigError, match="no such file"):
        Door(tmp_path / "none.json")


def test_rights_are_required_by_name(case: Case) -> None:
    who = asyncio.run(case.door.identify(f"Bearer {case.text}"))
    who.require("infer")
    with pytest.raises(Denied, match="lacks the right 'change'") as caught:
        who.require("change")
    assert caught.value.status == 403


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_adds_a_key_to_a_file_that_stays_the_servers(case: Case) -> None:
    os.chown(case.file.path, 65534, 65534)
    case.file.add("more", ["infer"], now_s=1.0)
    assert (case.file.path.stat().st_uid, case.file.path.stat().st_gid) == (65534, 65534)
