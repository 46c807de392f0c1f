"""The verbs of serving as a user types them: a fleet on this machine, its ledger, keys, what is said of bad input."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from e2e_kit import HERE, Cli, environment

for needed in ("httptools", "grpc", "sqlalchemy", "fastapi", "uvicorn", "prometheus_client"):
    pytest.importorskip(needed, reason="serving needs the extra 'serve'")

EXAMPLE = HERE.parents[1] / "examples" / "three-sites.toml"


def ask(http: str, token: str | None, side: int = 96) -> dict[str, object]:
    body = {
        "id": "one",
        "parameters": {"deadline_ms": 20_000},
        "inputs": [
            {"name": "input", "shape": [1, 1, side, side], "datatype": "FP32", "data": [0.5] * side * side}
        ],
    }
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(
        f"http://{http}/v2/models/digits/infer", json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        answer: dict[str, object] = json.load(reply)
    return answer


def test_a_fleet_serves_accounts_and_ends(
    start: Callable[..., subprocess.Popen[str]], cli: Cli, tmp_path: Path
) -> None:
    fleet = start("fleet", "up", EXAMPLE, "--json", "--state", tmp_path / "state")
    assert fleet.stdout is not None
    told = json.loads(fleet.stdout.readline())
    assert [n["name"] for n in told["nodes"]] == ["essen", "utrecht", "sevilla"]
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(told["http"], None)
    assert caught.value.code == 401
    caught.value.close()
    answers = [ask(told["http"], told["token"]) for _ in range(3)]
    for answer in answers:
        said = answer["parameters"]
        assert isinstance(said, dict)
        assert said["gramwise_node"] in ("essen", "utrecht", "sevilla")
        assert 0 < said["energy_joules_low"] <= said["energy_joules"] <= said["energy_joules_high"]
        assert said["carbon_grams"] > 0
    fleet.send_signal(signal.SIGTERM)
    fleet.communicate(timeout=30)
    assert fleet.returncode == 0

    ledger = tmp_path / "state" / "ledger.sqlite"
    summary = cli("ledger", "summary", ledger, "--json").document
    assert (summary["completed"], summary["failed"]) == (3, 0)
    said = [a["parameters"]["energy_joules"] for a in answers if isinstance(a["parameters"], dict)]
    assert summary["energy_j"]["value"] == pytest.approx(sum(said))
    groups = cli("ledger", "by", ledger, "node", "--json").document["groups"]
    assert sum(g["completed"] for g in groups) == 3
    assert "g CO2e" in cli("ledger", "by", ledger, "node").out
    assert "carbon, g CO2e" in cli("ledger", "summary", ledger).out
    assert cli("ledger", "energy", ledger).code == 0
    assert len(cli("ledger", "export", ledger).out.splitlines()) == 4

    sealed = cli("ledger", "receipt", ledger, "--from", "2026-01-01", "--to", "2100-01-01")
    receipt = tmp_path / "receipt.json"
    receipt.write_text(sealed.out)
    assert "The receipt holds." in cli("ledger", "verify", receipt, "--ledger", ledger).out
    receipt.write_text(sealed.out.replace('"count": 3', '"count": 4'))
    forged = cli("ledger", "verify", receipt)
    assert forged.code == 3
    assert "does NOT hold" in forged.out


def test_keys_are_shown_once_and_kept_as_hashes(cli: Cli, tmp_path: Path) -> None:
    book = tmp_path / "keys.json"
    made = cli("keys", "add", book, "alice", "--right", "infer", "--carbon-g-per-day", "5", "--json").document
    assert made["key"].startswith(f"gw_{made['id']}_")
    assert made["key"].split("_")[2] not in book.read_text()
    assert book.stat().st_mode & 0o077 == 0
    listed = cli("keys", "list", book)
    assert "alice" in listed.out
    assert "carbon_g_per_day 5" in listed.out
    assert cli("keys", "revoke", book, made["id"]).code == 0
    assert cli("keys", "list", book, "--json").document["keys"][0]["in_force"] is False


def test_no_key_gets_into_the_log(tmp_path: Path) -> None:
    secret = f"gw_3f9c02ab_{'5' * 48}"
    program = (
        "import logging; from gramwise.cli_serve import guarded_log; guarded_log();"
        f"logging.getLogger('uvicorn.error').warning('asked with %s by %s', {secret!r}, 'somebody')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "by somebody" in done.stderr
    assert secret.split("_")[2] not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("node", "nowhere"), "nowhere"),
        (("serve", "nowhere.toml"), "nowhere.toml"),
        (("serve", EXAMPLE), "address"),
        (("fleet", "up", EXAMPLE, "--no-auth", "--listen", "0.0.0.0:0"), "anybody could use this gateway"),
        (("fleet", "up", EXAMPLE, "--control", "here"), "--control"),
        (("ledger", "summary", "nowhere.sqlite"), "there is no such ledger"),
        (("ledger", "summary", "mysql://x/y"), "mysql"),
        (("ledger", "verify", EXAMPLE), "no receipt"),
        (("keys", "add", "k.json", "alice", "--right", "fly"), "fly"),
        (("keys", "list", EXAMPLE), "keys"),
    ],
)
def test_bad_input_is_one_sentence(cli: Cli, arguments: tuple[object, ...], said: str) -> None:
    done = cli(*map(str, arguments))
    assert done.code in (2, 3)
    assert said in done.err
    assert done.err.count("\n") <= 3
    assert not done.out
