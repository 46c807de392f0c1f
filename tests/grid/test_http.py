"""The HTTP client against a real server: what it retries, what it tells apart, and what it never says."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pytest
from loopback import Answer, Loopback, Question

from gramwise.core.clock import ManualClock
from gramwise.core.errors import BadReply, ConfigError, GramwiseError, SourceUnavailable
from gramwise.grid.http import HttpClient, KeyRefused, NotAccepted, QuotaExceeded

NOW_S = datetime(2026, 11, 21, 18, tzinfo=UTC).timestamp()
SECRET = "s3cr3t-token-abcdef"


def client(loopback: Loopback, **more: object) -> HttpClient:
    settings: dict[str, object] = {"retry_wait_s": 0.001, "clock": ManualClock(NOW_S), "timeout_s": 5.0}
    return HttpClient("Testgrid", loopback.url, ("TESTGRID_TOKEN",), **(settings | more))  # type: ignore[arg-type]


def test_an_answer_and_the_question_that_led_to_it(loopback: Loopback) -> None:
    loopback.always({"data": [1, 2]})
    answer = client(loopback).get_json("/v1/x", {"zone": "FR", "b": "ü &"}, headers={"auth-token": SECRET})
    assert answer == {"data": [1, 2]}
    (asked,) = loopback.asked
    assert asked.path == "/v1/x"
    assert asked.params == {"zone": "FR", "b": "ü &"}
    assert asked.headers["auth-token"] == SECRET


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (
            Answer("<!doctype html><html><title>Sign in</title>" + "x" * 200),
            BadReply,
            "a page where JSON is due",
        ),
        (Answer(""), BadReply, "answered nothing"),
        (Answer("   \n"), BadReply, "answered nothing"),
        (Answer("[1, 2]"), BadReply, "no JSON object"),
        (Answer('{"a": NaN}'), BadReply, "not JSON"),
        (Answer('{"a": 1'), BadReply, "not JSON"),
        (Answer("[" * 100_000), BadReply, "not JSON"),
        (Answer(b"\xff\xfe\x00"), BadReply, "not JSON"),
        (Answer({"message": "bad date"}, 400), NotAccepted, "400.*bad date"),
        (
            Answer({"error": {"code": "400 Bad Request", "message": "end before start"}}, 400),
            NotAccepted,
            "end before",
        ),
        (Answer({"message": "region XX does not exist"}, 400), ConfigError, "no zone 'XX'"),
        (Answer({"message": "No data"}, 404), ConfigError, "no zone 'XX'"),
        (Answer({"message": "no"}, 401), KeyRefused, r"TESTGRID_TOKEN \(401\)"),
        (Answer({"message": "no"}, 403), KeyRefused, r"TESTGRID_TOKEN \(403\)"),
        (Answer({}, 429), QuotaExceeded, "quota is spent"),
        (Answer({}, 302, {"Location": "http://elsewhere.invalid/"}), NotAccepted, "redirect"),
        (Answer({"a": "long"}, cut=True), SourceUnavailable, "connection was cut.*3 times"),
        (Answer({}, 503), SourceUnavailable, "it answered 503, 3 times"),
        (Answer(b"not gzip", headers={"Content-Encoding": "gzip"}), BadReply, "cannot be read"),
    ],
)
def test_every_bad_answer_is_told_apart_and_names_the_provider(
    loopback: Loopback, answer: Answer, error: type[GramwiseError], words: str
) -> None:
    loopback.reply = lambda question: answer
    with pytest.raises(error, match=words) as caught:
        client(loopback).get_json("/x", zone="XX")
    assert type(caught.value) is error
    assert "Testgrid" in str(caught.value)


def test_a_page_is_quoted_by_its_first_sixty_characters(loopback: Loopback) -> None:
    page = "<html><body>" + "".join(f"{i:03d}" for i in range(100))
    loopback.always(page)
    with pytest.raises(BadReply) as caught:
        client(loopback).get_json("/x")
    assert page[:60] in str(caught.value)
    assert page[:61] not in str(caught.value)


def test_what_may_pass_is_tried_again_and_what_may_not_is_not(loopback: Loopback) -> None:
    answers = iter([Answer({}, 502), Answer({"a": 1}, cut=True), Answer({"a": 1})])
    loopback.reply = lambda question: next(answers)
    assert client(loopback).get_json("/x") == {"a": 1}
    assert len(loopback.asked) == 3
    loopback.asked.clear()
    for status in (401, 404, 429, 400):
        loopback.always({}, status)
        with pytest.raises(GramwiseError):
            client(loopback).get_json("/x")
    assert len(loopback.asked) == 4


def test_nobody_there(loopback: Loopback) -> None:
    asking = client(loopback)
    asking.base_url = "http://127.0.0.1:1"
    with pytest.raises(SourceUnavailable, match="Testgrid: it cannot be reached"):
        asking.get_json("/x")


def test_silence_ends_after_the_time_limit_and_is_asked_once(loopback: Loopback) -> None:
    release = threading.Event()
    loopback.always({}, wait=release)
    start_s = time.monotonic()
    with pytest.raises(SourceUnavailable, match=r"no whole answer within 0\.3 s"):
        client(loopback, timeout_s=0.3).get_json("/x")
    release.set()
    assert time.monotonic() - start_s < 60.0  # it does not wait for the answer
    assert len(loopback.asked) == 1


def test_too_long_an_answer_is_not_read_to_its_end(loopback: Loopback) -> None:
    loopback.always({"a": "x" * 5000})
    with pytest.raises(BadReply, match="longer than 1000 bytes"):
        client(loopback, max_bytes=1000).get_json("/x")


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("30", 30.0),
        ("Sat, 21 Nov 2026 18:02:00 GMT", 120.0),
        ("Sat, 21 Nov 2026 17:00:00 GMT", 0.0),
        ("soon", None),
    ],
)
def test_the_wait_that_a_spent_quota_asks_for(loopback: Loopback, header: str, wait_s: float | None) -> None:
    loopback.always({"message": "slow down"}, 429, headers={"Retry-After": header})
    with pytest.raises(QuotaExceeded, match="slow down") as caught:
        client(loopback).get_json("/x")
    assert caught.value.retry_after_s == wait_s


def test_without_a_wait_none_is_made_up(loopback: Loopback) -> None:
    loopback.always({}, 429)
    with pytest.raises(QuotaExceeded) as caught:
        client(loopback).get_json("/x")
    assert caught.value.retry_after_s is None


def test_the_quota_is_what_the_newest_answer_said(loopback: Loopback) -> None:
    asking = client(loopback)
    loopback.always({})
    asking.get_json("/x")
    assert asking.quota is None
    loopback.always({}, headers={"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": "90"})
    asking.get_json("/x")
    assert asking.quota is not None
    assert (asking.quota.remaining, asking.quota.reset_s, asking.quota.seen_s) == (7, NOW_S + 90, NOW_S)
    loopback.always({}, 429, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(NOW_S + 60)})
    with pytest.raises(QuotaExceeded):
        asking.get_json("/x")
    assert (asking.quota.remaining, asking.quota.reset_s) == (0, NOW_S + 60)
    loopback.always({}, headers={"X-RateLimit-Remaining": "many"})
    asking.get_json("/x")
    assert asking.quota.remaining == 0


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
def test_no_secret_is_ever_said_or_logged(
    loopback: Loopback, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def echo(question: Question) -> Answer:
        said = f"you sent {question.headers['x-key']} and {question.headers['authorization']} and {SECRET}"
        return Answer(f"<{said}" if status == 200 else {"message": said}, status)

    loopback.reply = echo
    with pytest.raises(GramwiseError) as caught:
        client(loopback).get_json(
            "/x", headers={"x-key": SECRET, "authorization": f"Bearer {SECRET}2"}, zone="X"
        )
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert SECRET not in caplog.text
    assert all(SECRET not in str(asked.params) for asked in loopback.asked)


def test_a_password_goes_by_http_basic_and_nowhere_else(loopback: Loopback) -> None:
    loopback.always({"message": f"unknown user {SECRET}"}, 403)
    with pytest.raises(KeyRefused) as caught:
        client(loopback).get_json("/login", auth=("ada", SECRET))
    assert SECRET not in str(caught.value)
    assert loopback.asked[0].headers["authorization"].startswith("Basic ")


def test_a_credential_does_not_follow_a_redirect_to_another_host(loopback: Loopback) -> None:
    other = Loopback()
    try:
        loopback.always({}, 307, headers={"Location": f"{other.url}/x?a=b"})
        with pytest.raises(BadReply, match="not followed"):
            client(loopback).get_json("/x", headers={"auth-token": SECRET})
        assert other.asked == []
    finally:
        other.close()


def test_without_httpx2_the_install_command_is_said() -> None:
    program = (
        "import sys; sys.modules['httpx2'] = None\n"
        "from gramwise.grid.http import HttpClient\n"
        "from gramwise.core.errors import SourceUnavailable\n"
        "try: HttpClient('Testgrid', 'http://127.0.0.1:1').get_json('/x')\n"
        "except SourceUnavailable as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "asking Testgrid needs httpx2: pip install 'gramwise[grid]'"


def test_importing_the_client_loads_no_http_library() -> None:
    program = "import sys, gramwise.grid.http; print([m for m in ('httpx2', 'tenacity') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
