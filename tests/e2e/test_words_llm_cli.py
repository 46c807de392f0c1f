"""The whole path of a language model over real HTTP, with the rule-based formulator behind it: truthful, and no LLM."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_kit import run

from gramwise.optimize.words.llm.wire import reply_of
from gramwise.optimize.words.offline import OfflineFormulator

sys.path.append(str(Path(__file__).parents[1] / "optimize"))

from llm_kit import OPTIMUM_G, TEXT, LlmServer, Scripted

NAME = "offline-rule-based"


@pytest.fixture
def server() -> Iterator[LlmServer]:
    started = LlmServer()
    yield started
    started.close()


def description(body: dict[str, Any]) -> str:
    """What stands between the fences of the request."""
    user = next(m["content"] for m in body["messages"] if m["role"] == "user")
    begin = next(line for line in user.splitlines() if line.startswith("BEGIN description "))
    return str(user.split(begin + "\n")[1].split("\nEND description")[0])


def by_rule(body: dict[str, Any], number: int) -> Scripted:
    """Answers with the rule-based formulator's draft of the description that was sent."""
    assert body["model"] == NAME
    text = description(body)
    return Scripted(reply_of(OfflineFormulator().formulate(text), text).model_dump())


def plan(server: LlmServer, folder: Path, text: str, **settings: str) -> Any:
    (folder / "words.txt").write_text(text)
    env = server.environment(GRAMWISE_LLM_MODEL=NAME) | settings
    return run("plan", "--words", "words.txt", "--formulator", "llm", "--json", cwd=folder, env=env)


def test_the_same_plan_comes_out_over_http_as_without(server: LlmServer, tmp_path: Path) -> None:
    server.script = by_rule
    done = plan(server, tmp_path, TEXT)
    assert done.code == 0, done.out + done.err
    document = done.document
    assert document["solution"]["objective_g"] == pytest.approx(OPTIMUM_G, rel=1e-9)
    assert document["problem"]["meta"]["formulator"]["model"] == NAME
    assert (tmp_path / document["scenario"]).exists()
    assert len(server.asked) == 1


def test_what_the_rules_ask_or_decline_is_passed_on(server: LlmServer, tmp_path: Path) -> None:
    server.script = by_rule
    asked = plan(
        server, tmp_path, TEXT.replace("The grid emits 50 g/kWh in Lyon and 400 g/kWh in Essen.", "")
    )
    assert (asked.code, asked.document["status"]) == (2, "needs_input")
    assert asked.document["questions"]
    declined = plan(server, tmp_path, "Find the cheapest flight from Lyon to Essen.")
    assert (declined.code, declined.document["status"]) == (2, "out_of_scope")


@pytest.mark.parametrize(
    ("answer", "limit_s", "words"),
    [
        (Scripted(body="<html>login</html>"), "60", "a page where JSON is due"),
        (Scripted({}, wait_s=2.0), "0.5", "within 0."),
        (Scripted("I would rather not."), "60", "no valid problem in 4 tries"),
    ],
)
def test_an_endpoint_that_misbehaves_is_named_in_one_line(
    server: LlmServer, tmp_path: Path, answer: Scripted, limit_s: str, words: str
) -> None:
    server.say(answer)
    done = plan(
        server, tmp_path, TEXT, GRAMWISE_LLM_TIMEOUT_S=limit_s, GRAMWISE_LLM_API_KEY="sk-secret-secret"
    )
    assert (done.code, done.out) == (3, "")
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert "sk-secret-secret" not in done.err
