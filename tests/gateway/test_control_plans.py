"""Plans from words over HTTP: solved, asked back, kept, queued, stopped, applied, and counted for who asked."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the control API needs the serve extra")
pytest.importorskip("sqlalchemy", reason="the ledger needs the serve extra")

from control_rig import Rig, rig

from gramwise.core.clock import ManualClock
from gramwise.fleet.scenario import load_scenario
from gramwise.gateway.access.keys import Limits
from gramwise.gateway.control.limits import WORDS_BYTES
from gramwise.gateway.control.shelf import Shelf, plan_id
from gramwise.runtime.words import MOST_BYTES

WORDS = (
    "Two jobs run in Lyon or in Essen. The scan takes 2 kWh, the report 3 kWh, wherever they run. The grid emits "
    "50 g/kWh in Lyon and 400 g/kWh in Essen. Least CO2."
)
PROBLEM: dict[str, Any] = {
    "schema": "gramwise.problem/1",
    "meta": {"id": "two-jobs"},
    "sets": [
        {"name": "JOB", "labels": ["scan", "report"], "source": "text:0-9"},
        {"name": "SITE", "labels": ["Lyon", "Essen"], "source": "text:0-9"},
    ],
    "params": [
        {"name": "E", "index": ["JOB"], "unit": "kWh", "values": [2, 3], "source": "text:0-9"},
        {"name": "CI", "index": ["SITE"], "unit": "gCO2e/kWh", "values": [50, 400], "source": "text:0-9"},
    ],
    "variables": [{"name": "x", "index": ["JOB", "SITE"], "domain": "binary", "lower": 0, "upper": 1}],
    "objective": {"sense": "min", "unit": "gCO2e", "expr": "sum(j in JOB, s in SITE) x[j,s]*E[j]*CI[s]"},
    "constraints": [
        {
            "name": "one",
            "kind": "logic",
            "forall": "j in JOB",
            "lhs": "sum(s in SITE) x[j,s]",
            "rel": "==",
            "rhs": "1",
        },
        {"name": "room", "kind": "capacity", "lhs": "sum(j in JOB) x[j,Lyon]", "rel": "<=", "rhs": "1"},
    ],
}
"""Lyon takes one job: the report, at 3 kWh x 50 g/kWh; the scan goes to Essen, 2 kWh x 400 g/kWh."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("plans")) as served:
        yield served


@pytest.fixture(scope="module")
def solved(api: Rig) -> dict[str, object]:
    answer = api.ask("POST", "/v2/plans", key="infer", json={"words": WORDS})
    assert answer.status_code == 200
    document: dict[str, object] = answer.json()
    return document


def test_words_become_a_solved_plan_with_a_scenario_that_loads(
    solved: dict[str, object], tmp_path: Path
) -> None:
    assert solved["status"] == "solved"
    solution, scenario, files = solved["solution"], solved["scenario"], solved["scenario_files"]
    assert isinstance(solution, dict)
    assert solution["objective_g"] == pytest.approx(5 * 50)
    assert solved["shares"] == {"scan": {"Lyon": 1.0}, "report": {"Lyon": 1.0}}
    assert isinstance(scenario, str)
    assert isinstance(files, dict)
    (tmp_path / "plan.toml").write_text(scenario, "utf-8")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    assert load_scenario(tmp_path / "plan.toml").model


def test_the_same_body_has_the_same_answer_and_a_tenant_sees_its_own_plans_only(
    api: Rig, solved: dict[str, object]
) -> None:
    again = api.ask("POST", "/v2/plans", key="infer", json={"words": WORDS, "seed": 0}).json()
    assert again == solved
    path = f"/v2/plans/{solved['plan_id']}"
    assert api.ask("GET", path, key="infer").json() == solved
    assert api.ask("GET", path, key="all").status_code == 404
    assert api.ask("GET", "/v2/plans/p" + "0" * 24, key="infer").status_code == 404


def test_what_planning_took_is_in_the_ledger_once_under_who_asked(
    api: Rig, solved: dict[str, object]
) -> None:
    rows = api.ask("GET", "/v2/ledger/rows?model=gramwise-plan&tenant=acme").json()["rows"]
    own = solved["own"]
    assert isinstance(own, dict)
    (row,) = [row for row in rows if row["carbon_g"] == own["carbon_g"]]
    assert (row["energy_j"], row["count"], row["zone"]) == (own["energy_j"], 0, "FR")
    assert row["carbon_low_g"] < row["carbon_g"] < row["carbon_high_g"]


def test_a_problem_is_judged_and_solved_as_it_stands(api: Rig) -> None:
    answer = api.ask("POST", "/v2/plans", json={"problem": PROBLEM})
    assert answer.status_code == 200
    told = answer.json()
    assert told["solution"]["objective_g"] == pytest.approx(3 * 50 + 2 * 400)
    assert told["shares"] == {"scan": {"Essen": 1.0}, "report": {"Lyon": 1.0}}
    assert told["formulator"]["name"] == "given"


def test_a_problem_that_is_none_is_a_fault_and_one_that_is_wrong_is_told_with_codes(api: Rig) -> None:
    nonsense = api.ask("POST", "/v2/plans", json={"problem": {**PROBLEM, "x": 1}})
    assert nonsense.status_code == 400
    assert nonsense.json()["error"].startswith("problem.x")
    objective = {**PROBLEM["objective"], "expr": "sum(j in JOB, s in SITE) x[j,s]*nothing[s]"}
    wrong = api.ask("POST", "/v2/plans", json={"problem": {**PROBLEM, "objective": objective}})
    assert (wrong.status_code, wrong.json()["status"]) == (422, "needs_input")
    assert wrong.json()["codes"]
    assert "nothing" in wrong.json()["reason"]
    none = [
        *PROBLEM["constraints"],
        {"name": "n", "kind": "capacity", "lhs": "x[scan,Essen]", "rel": "<=", "rhs": "0"},
    ]
    none += [{"name": "m", "kind": "capacity", "lhs": "x[scan,Lyon]", "rel": "<=", "rhs": "0"}]
    infeasible = api.ask("POST", "/v2/plans", json={"problem": {**PROBLEM, "constraints": none}})
    assert (infeasible.status_code, infeasible.json()["status"]) == (409, "infeasible")
    assert api.ask("POST", f"/v2/plans/{infeasible.json()['plan_id']}/apply").status_code == 409


def test_what_is_not_solved_says_why_with_its_own_status(api: Rig) -> None:
    aside = api.ask("POST", "/v2/plans", json={"words": "Please buy milk on the way home."})
    assert (aside.status_code, aside.json()["status"]) == (422, "out_of_scope")
    words = WORDS.replace(" The grid emits 50 g/kWh in Lyon and 400 g/kWh in Essen.", "")
    asks = api.ask("POST", "/v2/plans", json={"words": words})
    assert (asks.status_code, asks.json()["status"]) == (422, "needs_input")
    question = asks.json()["questions"][0]
    said = {"question": question["id"], "about": question["about"], "text": "300 g/kWh"}
    heard = api.ask("POST", "/v2/plans", json={"words": words, "answers": [said]})
    assert heard.json()["plan_id"] != asks.json()["plan_id"]
    assert question["about"] not in {q["about"] for q in heard.json()["questions"]}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "either words or a problem"),
        ({"words": WORDS, "problem": {}}, 400, "either words or a problem"),
        ({"words": ""}, 400, "no words"),
        ({"words": " \n "}, 400, "no words"),
        ({"words": "a\x00b"}, 400, "binary"),
        ({"words": "x" * 64_001}, 413, "64000 bytes"),
        ({"words": "é" * 32_001}, 413, "64000 bytes"),
        ({"words": WORDS, "solver": "guess"}, 400, "no solver called 'guess'"),
        ({"words": WORDS, "solver": "../x"}, 400, "solver"),
        ({"words": WORDS, "formulator": "llm"}, 409, "no language model"),
        ({"words": WORDS, "formulator": "oracle"}, 400, "formulator"),
        ({"words": WORDS, "time_limit_s": 0}, 400, "time_limit_s"),
        ({"words": WORDS, "time_limit_s": 61}, 400, "at most 60 s"),
        ({"words": WORDS, "seed": -1}, 400, "seed"),
        ({"words": WORDS, "seed": 1.5}, 400, "seed"),
        ({"words": WORDS, "zone": "Nowhere"}, 400, "zone"),
        ({"words": WORDS, "base_url": "http://evil"}, 400, "base_url"),
        ({"words": WORDS, "answers": [{"question": "q"}]}, 400, "answers"),
        ({"words": WORDS, "answers": [{"question": "q", "about": "a", "text": "x" * 2001}]}, 400, "answers"),
        ({"problem": {}, "formulator": "llm"}, 400, "as it stands"),
    ],
)
def test_what_cannot_be_planned_is_a_fault_with_a_sentence(
    api: Rig, body: dict[str, object], status: int, said: str
) -> None:
    answer = api.ask("POST", "/v2/plans", json=body)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert said in answer.json()["error"]


def test_half_a_character_is_no_text(api: Rig) -> None:
    json_text: dict[str, Any] = {
        "content": b'{"words": "\\ud800"}',
        "headers": {"Content-Type": "application/json"},
    }
    answer = api.ask("POST", "/v2/plans", **json_text)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_a_plan_is_applied_to_nodes_of_its_places_names(api: Rig) -> None:
    mine = api.ask("POST", "/v2/plans", json={"problem": PROBLEM}).json()
    before = api.ask("GET", "/v2/fleet").json()["version"]
    done = api.ask("POST", f"/v2/plans/{mine['plan_id']}/apply").json()
    assert done["version"] == before + 1
    assert api.fleet.applied[-1] == {"scan": {"essen": 1.0}, "report": {"lyon": 1.0}}
    api.fleet.mark("essen", "leaving")
    refused = api.ask("POST", f"/v2/plans/{mine['plan_id']}/apply")
    api.fleet.mark("essen", "ready")
    assert refused.status_code == 409
    assert refused.json()["missing"] == ["Essen"]


def test_planning_is_queued_with_a_bound_and_time_that_is_up_ends_it(tmp_path: Path) -> None:
    slow = {"waiting": 1, "time_limit_s": 0.05, "formulating_s": 0.05}
    with rig(tmp_path, planner=slow) as served, ThreadPoolExecutor(6) as pool:

        def ask(i: int) -> tuple[int, str | None]:
            body = {"words": f"{WORDS} Note {i}.", "time_limit_s": 0.05}
            answer = served.ask("POST", "/v2/plans", key="infer", json=body)
            return answer.status_code, answer.headers.get("retry-after")

        seen = list(pool.map(ask, range(6)))
        assert {status for status, _ in seen} == {429, 504}
        assert sum(status == 504 for status, _ in seen) >= 2
        assert {after for status, after in seen if status == 429} == {"5"}
        rows = served.ask("GET", "/v2/ledger/rows?model=gramwise-plan").json()["rows"]
        assert [row["http_status"] for row in rows] == [504] * sum(status == 504 for status, _ in seen)
        assert all(row["carbon_g"] is None for row in rows), "what a stopped plan took is not known"


def test_a_planner_that_is_killed_is_told_written_down_and_leaves_nothing_behind(tmp_path: Path) -> None:
    def children() -> set[int]:
        lists = Path("/proc/self/task").glob("*/children")
        return {int(pid) for found in lists for pid in found.read_text().split()}

    with rig(tmp_path) as served, ThreadPoolExecutor(1) as pool:
        before = children()
        asked = pool.submit(served.ask, "POST", "/v2/plans", key="infer", json={"words": WORDS})
        while not children() - before:
            assert not asked.done()
        (planner,) = children() - before
        os.kill(planner, signal.SIGKILL)
        answer = asked.result(30)
        assert (answer.status_code, "without an answer" in answer.json()["error"]) == (500, True)
        (row,) = served.ask("GET", "/v2/ledger/rows?tenant=acme").json()["rows"]
        assert (row["status"], row["http_status"], row["carbon_g"]) == ("failed", 500, None)
        assert children() == before


def test_quotas_of_the_tenant_hold_for_plans(tmp_path: Path) -> None:
    with rig(tmp_path, limits=Limits(requests_per_s=0.001, burst=1)) as served:
        asked: dict[str, Any] = {"json": {"words": "Buy milk.", "zone": "Nowhere"}}
        assert served.ask("POST", "/v2/plans", key="infer", **asked).status_code == 400
        refused = served.ask("POST", "/v2/plans", key="infer", **asked)
        assert refused.status_code == 429
        assert "'acme' may send 0.001 requests a second" in refused.json()["error"]
        assert int(refused.headers["retry-after"]) > 100
        assert served.ask("POST", "/v2/plans", key="all", **asked).status_code == 400
        budget = served.ask("GET", "/v2/ledger/budget", key="infer").json()
        assert (budget["tenant"], budget["underway"], budget["carbon_left_g"]) == ("acme", 0, None)
        assert budget["limits"]["requests_per_s"] == 0.001


def test_plans_are_kept_for_a_day_and_the_oldest_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock(1_760_000_000.0)
    shelf = Shelf(tmp_path / "plans", clock)
    shelf.put("a", "p1", {"x": 1}, b"{}\n")
    assert (tmp_path / "plans").stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in (tmp_path / "plans").iterdir())
    assert Shelf(tmp_path / "plans", clock).get("a", "p1") == ({"x": 1}, b"{}\n")
    assert shelf.get("b", "p1") is None
    clock.advance(86_400.0)
    assert shelf.get("a", "p1") == ({"x": 1}, b"{}\n")
    clock.advance(1.0)
    assert shelf.get("a", "p1") is None
    monkeypatch.setattr("gramwise.gateway.control.shelf.MOST_PLANS", 2)
    for i in range(4):
        clock.advance(1.0)
        shelf.put("a", f"q{i}", {"x": i}, b"")
    assert [shelf.get("a", f"q{i}") for i in range(4)] == [None, None, ({"x": 2}, b""), ({"x": 3}, b"")]
    assert len(list((tmp_path / "plans").iterdir())) == 2


def test_the_bound_of_a_description_is_the_planners_own() -> None:
    assert WORDS_BYTES == MOST_BYTES


def test_the_id_of_a_plan_depends_on_all_that_its_answer_depends_on() -> None:
    asked = {"words": "a", "seed": 0}
    assert plan_id(asked, "1") == plan_id({"seed": 0, "words": "a"}, "1")
    assert len({plan_id(asked, "1"), plan_id(asked, "2"), plan_id({**asked, "seed": 1}, "1")}) == 3
