"""The control API over a real socket: who may ask what, what ledger and fleet answer, and every fault's shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the control API needs the serve extra")
pytest.importorskip("sqlalchemy", reason="the ledger needs the serve extra")

from control_rig import Rig, rig

from gramwise.gateway.ledger.receipts import verify

SECURITY = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("control")) as served:
        for i, (tenant, node, carbon_g) in enumerate(
            [("acme", "lyon", 0.5), ("acme", "essen", 0.25), ("root", "lyon", None)]
        ):
            served.record(
                request_id=f"r{i}",
                tenant=tenant,
                node=node,
                attempts=1 + (i == 1),
                energy_j=2.0,
                energy_low_j=1.5,
                energy_high_j=2.5,
                energy_method="measured" if i == 0 else "modelled",
                carbon_g=carbon_g,
                signal="average",
                basis="lifecycle",
            )
        served.record(request_id="r3", tenant="root", status="lost", attempts=2)
        yield served


NODE = {"zone": "FR", "device": "pi4", "cpu_share": 4.0, "memory_bytes": 2**30}
READING = ["/v2/fleet", "/metrics", "/locations", "/emissions/bylocation?location=FR"]
OPENLY = [
    "/v2/ledger/budget",
    "/v2/ledger/summary",
    "/v2/ledger/rows",
    "/v2/ledger/by/node",
    "/v2/plans/solvers",
]


@pytest.mark.parametrize("path", [*READING, *OPENLY, "/openapi.json", "/nowhere", "/v2/plans/p" + "0" * 24])
def test_every_path_needs_a_key_and_every_answer_carries_the_security_headers(api: Rig, path: str) -> None:
    without = api.ask("GET", path, key=None)
    assert without.status_code == 401
    assert without.headers["www-authenticate"] == 'Bearer realm="gramwise"'
    wrong = api.ask("GET", path, key=None, headers={"Authorization": f"Bearer gw_{'0' * 8}_{'0' * 48}"})
    assert wrong.status_code == 401
    right = api.ask("GET", path)
    assert right.status_code in (200, 404)
    for answer in (without, wrong, right):
        assert SECURITY.items() <= dict(answer.headers).items()
        assert "server" not in answer.headers
        assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize(
    ("key", "method", "path", "status"),
    [
        *[("infer", "GET", path, 403) for path in READING],
        *[(key, "GET", path, 200) for key in ("infer", "read", "all") for path in OPENLY],
        *[("read", "GET", path, 200) for path in READING],
        ("read", "DELETE", "/v2/fleet/nodes/lyon", 403),
        ("infer", "DELETE", "/v2/fleet/nodes/lyon", 403),
        ("read", "POST", "/v2/plans/p" + "0" * 24 + "/apply", 403),
        ("infer", "POST", "/v2/plans/p" + "0" * 24 + "/apply", 403),
        ("all", "POST", "/v2/plans/p" + "0" * 24 + "/apply", 404),
    ],
)
def test_each_right_opens_its_own_routes(api: Rig, key: str, method: str, path: str, status: int) -> None:
    answer = api.ask(method, path, key=key)
    assert answer.status_code == status
    if status == 403:
        assert "lacks the right" in answer.text
        assert api.keys[key] not in answer.text


def test_a_reader_may_not_have_plans_made(api: Rig) -> None:
    assert api.ask("POST", "/v2/plans", key="read", json={"words": "x"}).status_code == 403


def test_the_summary_counts_since_start_and_tells_what_is_not_known(api: Rig) -> None:
    told = api.ask("GET", "/v2/ledger/summary").json()
    assert (told["completed"], told["failed"], told["lost"], told["retried"]) == (3, 1, 1, 2)
    assert told["since_start"]
    assert told["joules"] == told["energy_j"]["value"] == 6.0
    assert told["grams"] == told["carbon_g"]["value"] == 0.75
    assert told["energy_j"]["method"] == "modelled"
    assert told["carbon_g"]["unknown"] == 2, "one without an intensity and the lost one"
    assert api.ask("GET", "/v2/ledger/summary?node=essen").json()["completed"] == 1
    none = api.ask("GET", "/v2/ledger/summary?from_s=0&to_s=3600").json()
    assert (none["completed"], none["joules"], none["since_start"]) == (0, None, False)


def test_a_key_without_the_right_to_read_sees_its_own_tenant_only(api: Rig) -> None:
    assert api.ask("GET", "/v2/ledger/summary", key="infer").json()["completed"] == 2
    rows = api.ask("GET", "/v2/ledger/rows", key="infer").json()["rows"]
    assert {row["tenant"] for row in rows} == {"acme"}
    groups = api.ask("GET", "/v2/ledger/by/tenant", key="infer").json()["groups"]
    assert [group["tenant"] for group in groups] == ["acme"]
    assert api.ask("GET", "/v2/ledger/summary?tenant=root", key="infer").status_code == 403
    assert api.ask("GET", "/v2/ledger/summary?tenant=acme", key="infer").status_code == 200


def test_rows_are_told_a_few_at_a_time_and_groups_by_any_axis(api: Rig) -> None:
    some = api.ask("GET", "/v2/ledger/rows?limit=3").json()
    assert [row["request_id"] for row in some["rows"]] == ["r0", "r1", "r2"]
    assert some["more"]
    assert some["rows"][2]["carbon_g"] is None
    groups = {g["node"]: g for g in api.ask("GET", "/v2/ledger/by/node").json()["groups"]}
    assert groups["lyon"]["completed"] == 2
    assert groups["essen"]["retried"] == 1


def test_a_receipt_is_of_a_span_and_verifies(api: Rig) -> None:
    assert api.ask("GET", "/v2/ledger/receipt").status_code == 400
    document = api.ask("GET", "/v2/ledger/receipt?from_s=0&to_s=4000000000&tenant=acme").json()
    assert verify(document)["valid"]
    assert '"r1"' in json.dumps(document)
    assert verify(json.loads(json.dumps(document).replace('"r1"', '"r9"')))["valid"] is False


def test_nodes_join_and_leave_and_the_version_grows(api: Rig) -> None:
    before = api.ask("GET", "/v2/fleet").json()
    body = {"name": "jura", "address": "https://10.0.0.9:8443", "token": "a-node-token-0123", **NODE}
    joined = api.ask("POST", "/v2/fleet/nodes", json=body)
    assert joined.status_code == 201
    assert joined.json()["node"]["name"] == "jura"
    assert joined.json()["version"] == before["version"] + 1
    assert "a-node-token" not in joined.text
    assert api.fleet.joined[-1].token is not None
    assert api.fleet.joined[-1].token.get_secret_value() == "a-node-token-0123"
    assert api.ask("POST", "/v2/fleet/nodes", json=body).status_code == 409
    assert api.ask("DELETE", "/v2/fleet/nodes/jura?drain_s=1").json()["left"] == "jura"
    assert api.ask("DELETE", "/v2/fleet/nodes/jura").status_code == 404
    away = api.ask("POST", "/v2/fleet/nodes", json={**body, "address": "http://127.0.0.1:9"})
    assert (away.status_code, away.json()) == (502, {"error": "jura does not answer."})


@pytest.mark.parametrize(
    "change",
    [
        {"address": "ftp://a"},
        {"address": "http://a/path"},
        {"address": "http://user:pw@a"},
        {"address": "http://a:99999"},
        {"address": "http://[::::::]:1"},
        {"address": "http://a?x"},
        {"name": "../etc"},
        {"name": "a" * 64},
        {"address": "http://a"},
        {"grpc": "http://a:1"},
        {"cpu_share": 0},
        {"memory_bytes": 1.5},
        {"slots": 0},
        {"slots": "1"},
        {"slots": True},
        {"pue": 0.5},
        {"zone": ""},
        {"token": "x" * 513},
        {"colour": "green"},
    ],
)
def test_a_join_that_makes_no_sense_is_400_and_changes_nothing(api: Rig, change: dict[str, object]) -> None:
    before = len(api.fleet.states)
    body = {"name": "new", "address": "http://127.0.0.1:7070", **NODE, **change}
    answer = api.ask("POST", "/v2/fleet/nodes", json=body)
    assert answer.status_code == 400
    assert next(iter(change)) in answer.json()["error"]
    assert len(api.fleet.states) == before


@pytest.mark.parametrize(
    ("method", "path", "more", "status", "said"),
    [
        ("GET", "/nowhere", {}, 404, "nothing here"),
        ("PUT", "/v2/fleet", {}, 405, "not done here"),
        ("GET", "/v2/fleet?x=1", {}, 400, "query.x"),
        ("GET", "/v2/ledger/summary?mode=1", {}, 400, "query.mode"),
        ("GET", "/v2/ledger/summary?from_s=nan", {}, 400, "from_s"),
        ("GET", "/v2/ledger/summary?from_s=1e400", {}, 400, "from_s"),
        ("GET", "/v2/ledger/summary?from_s=9&to_s=1", {}, 400, "ends after it begins"),
        ("GET", "/v2/ledger/rows?limit=10001", {}, 400, "limit"),
        ("GET", "/v2/ledger/by/colour", {}, 400, "axis"),
        ("GET", "/v2/ledger/summary?model=" + "x" * 257, {}, 400, "model"),
        ("GET", "/v2/fleet/?" + "x" * 8000, {}, 414, "8000 bytes"),
        ("GET", "/v2/plans/nonsense", {}, 400, "plan_id"),
        (
            "POST",
            "/v2/plans",
            {"content": b"{", "headers": {"Content-Type": "application/json"}},
            400,
            "no JSON",
        ),
        (
            "POST",
            "/v2/plans",
            {"content": b"[" * 9000, "headers": {"Content-Type": "application/json"}},
            400,
            "",
        ),
        (
            "POST",
            "/v2/plans",
            {"content": b"\xff\xfe{", "headers": {"Content-Type": "application/json"}},
            400,
            "",
        ),
        ("POST", "/v2/plans", {"content": b"a=1", "headers": {"Content-Type": "text/plain"}}, 415, "JSON"),
        ("POST", "/v2/plans", {"content": b"{}"}, 415, "Content-Type"),
        ("POST", "/v2/plans", {"json": ["words"]}, 400, ""),
        ("POST", "/v2/plans", {"json": {"pad": "x" * 1_000_001}}, 413, "1000000 bytes"),
        ("GET", "/v2/fleet?api_key=x", {}, 400, "in the URL"),
    ],
)
def test_faults_have_the_protocols_shape(
    api: Rig, method: str, path: str, more: dict[str, Any], status: int, said: str
) -> None:
    answer = api.ask(method, path, **more)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    assert said in answer.json()["error"]


def test_a_key_in_the_url_is_refused_even_with_a_good_one_in_the_header(api: Rig) -> None:
    answer = api.ask("GET", f"/v2/fleet?x={api.keys['all']}")
    assert answer.status_code == 400
    assert api.keys["all"] not in answer.text


def test_the_document_of_the_api_names_the_key_and_no_answer_that_is_never_given(api: Rig) -> None:
    document = json.loads(api.ask("GET", "/openapi.json").text)
    assert document["security"] == [{"key": []}]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert "HTTPValidationError" not in json.dumps(document)
    assert "422" in document["paths"]["/v2/plans"]["post"]["responses"]
    assert "422" not in document["paths"]["/v2/ledger/summary"]["get"]["responses"]


def test_metrics_are_the_text_that_was_given(api: Rig) -> None:
    answer = api.ask("GET", "/metrics", key="read")
    assert answer.text == "gramwise_build_info 1\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_on_loopback_without_keys_everything_is_open(tmp_path: Path) -> None:
    with rig(tmp_path, auth=False) as served:
        assert served.ask("GET", "/v2/fleet", key=None).status_code == 200
        assert served.ask("DELETE", "/v2/fleet/nodes/essen?drain_s=0", key=None).status_code == 200
        assert served.ask("DELETE", "/v2/fleet/nodes/lyon?drain_s=0", key=None).status_code == 409


def test_what_nobody_foresaw_is_500_without_its_inside_which_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with rig(tmp_path) as served:
        served.fleet.states = None  # type: ignore[assignment]
        answer = served.ask("GET", "/v2/fleet")
        assert answer.status_code == 500
        assert answer.json() == {"error": "the gateway failed on this request; its log says how."}
        assert SECURITY.items() <= dict(answer.headers).items()
        assert served.ask("GET", "/metrics").status_code == 200
    assert [record.message for record in caplog.records if record.exc_info] == ["GET /v2/fleet failed"]
