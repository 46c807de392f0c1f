"""The file of keys: what it keeps, what it refuses, and that writers do not lose each other's keys."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gramwise.core.errors import ConfigError
from gramwise.gateway.access.hashing import hashed, matches
from gramwise.gateway.access.keys import EVERYONE, KeyFile, Limits


def _one_key(rights: str, salt: str) -> str:
    kept = f'{{"salt": "{salt}", "scrypt": "ab"}}'
    return (
        f'{{"keys": [{{"id": "a", "tenant": "t", "rights": [{rights}], "hash": {kept}, "made_unix_s": 1}}]}}'
    )


def test_a_key_is_shown_once_and_only_its_salted_hash_is_kept(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    key, text = file.add("acme", ["infer", "read"], now_s=100.0, note="dashboard", lasts_s=50.0)
    secret = text.split("_")[2]
    kept = file.path.read_text("utf-8")
    assert text.startswith(f"gw_{key.id}_")
    assert len(secret) == 48
    assert secret not in kept
    assert secret not in str(file.listed(now_s=100.0))
    assert file.path.stat().st_mode & 0o777 == 0o600
    stored = json.loads(kept)["keys"][0]
    assert stored["hash"]["n"] >= 2**14
    assert stored["rights"] == ["infer", "read"]
    (listed,) = file.listed(now_s=149.0)["keys"]
    assert "hash" not in listed
    assert listed["in_force"]
    assert not file.listed(now_s=150.0)["keys"][0]["in_force"]


def test_the_hash_tells_the_secret_from_others_and_two_hashes_of_it_differ() -> None:
    first, second = hashed("a secret"), hashed("a secret")
    assert matches("a secret", first)
    assert not matches("A secret", first)
    assert first.salt != second.salt
    assert first.scrypt != second.scrypt


def test_a_revoked_key_stays_revoked_since_its_first_revocation(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    key, text = file.add("acme", ["infer"], now_s=1.0)
    assert file.revoke(text, now_s=5.0).revoked_unix_s == 5.0
    assert file.revoke(key.id, now_s=9.0).revoked_unix_s == 5.0
    with pytest.raises(ConfigError, match="no key 'ffffffff'"):
        file.revoke("ffffffff", now_s=9.0)


def test_limits_are_the_tenants_own_else_everyones_else_none(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    file.add("acme", ["infer"], now_s=1.0, limits=Limits(concurrent=2))
    assert file.read().limits("other") == Limits()
    file.limit(EVERYONE, Limits(requests_per_s=3.0))
    book = file.read()
    assert book.limits("acme") == Limits(concurrent=2)
    assert book.limits("other") == Limits(requests_per_s=3.0)


def test_writers_at_the_same_time_lose_nothing_of_each_other(tmp_path: Path) -> None:
    path, together = tmp_path / "keys.json", threading.Barrier(4)

    def write(name: int) -> None:
        together.wait()
        for i in range(15):
            KeyFile(path).limit(f"t{name}-{i}", Limits(concurrent=1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert len(KeyFile(path).read().tenants) == 60
    assert {file.name for file in tmp_path.iterdir()} == {"keys.json", ".keys.json.lock"}


@pytest.mark.parametrize(
    ("tenant", "rights", "more", "said"),
    [
        ("a b", ["infer"], {}, "cannot be a tenant's name"),
        ("*", ["infer"], {}, "cannot be a tenant's name"),
        ("a", [], {}, "at least one right"),
        ("a", ["reed"], {}, "Did you mean 'read'"),
        ("a", ["read"], {"note": "two\nlines"}, "one line"),
        ("a", ["read"], {"lasts_s": 0.0}, "longer than 0"),
        ("a", ["read"], {"lasts_s": float("nan")}, "longer than 0"),
    ],
)
def test_what_makes_no_sense_is_refused_and_writes_nothing(
    tmp_path: Path, tenant: str, rights: list[str], more: dict[str, object], said: str
) -> None:
    file = KeyFile(tmp_path / "keys.json")
    with pytest.raises(ConfigError, match=said):
        file.add(tenant, rights, now_s=1.0, **more)  # type: ignore[arg-type]
    assert not file.path.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"schema": "gramwise.keys/2"}',
        '{"schema": "gramwise.keys/1", "extra": 1}',
        '{"schema": "gramwise.keys/1", "tenants": {"a": {"requests_per_s": 0}}}',
        '{"schema": "gramwise.keys/1", "tenants": {"a": {"carbon_per_day": 1}}}',
        _one_key('"root"', "ab"),
        _one_key("", "zz"),
    ],
)
def test_a_file_that_is_none_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"keys\.json: this is no file of keys"):
        KeyFile(path).read()


def test_a_file_that_others_may_open_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    file.add("acme", ["infer"], now_s=1.0)
    file.path.chmod(0o640)
    with pytest.raises(ConfigError, match=f"chmod 600 {file.path}"):
        file.read()
    with pytest.raises(ConfigError, match="no such file of keys"):
        KeyFile(tmp_path / "none.json").read()
