"""No secret in a log, a URL or a document: keys, tokens, credentials, passwords, however they got there."""

from __future__ import annotations

import io
import logging
import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from gramwise.core.errors import ConfigError
from gramwise.gateway.access.denied import Denied
from gramwise.gateway.access.hashing import new_key
from gramwise.gateway.access.redaction import guard_logs, redact, redact_tree, refuse_key_in_url
from gramwise.gateway.access.tokens import bearer, new_token, read_token, shows, write_token

SECRET = "5" * 48
KEY = f"gw_0a1b2c3d_{SECRET}"


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"Bearer {SECRET}",
        f"authorization: Basic {SECRET}==",
        f"{{'auth-token': '{SECRET}'}}",
        f'"api_key": "{SECRET}"',
        f"https://host/x?token={SECRET}&a=1",
        f"postgresql+psycopg://gramwise:{SECRET}@db/ledger",
        f"password={SECRET}",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----",
        f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}",
    ],
)
def test_a_secret_is_cut_out_by_its_form(text: str) -> None:
    assert SECRET not in redact(text)
    assert "[hidden]" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "gw_0a1b2c3d was revoked",
        "3 tokens per second",
        "GET /v2/plans/p0123456789abcdef01234567 200",
        "https://host:8000/path@x",
        "carbon_g=0.5 energy_j=2 request=7f3b",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_the_id_of_a_key_stays_so_that_it_can_be_revoked() -> None:
    made = new_key()
    assert redact(f"refused {made.text}") == f"refused gw_{made.id}_[hidden]"


def test_a_log_holds_no_secret_in_message_arguments_traceback_or_stack() -> None:
    token = new_token()
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    guard_logs([handler])
    guard_logs([handler])
    log = logging.getLogger("gramwise.test.redaction.child")
    log.addHandler(handler)
    try:
        log.warning("header %s and %s", f"Bearer {KEY}", {"token": SECRET})
        log.warning("the plain token %s", token.get_secret_value())
        try:
            raise ValueError(f"cannot connect with {KEY} to postgresql://a:{SECRET}@db/x")
        except ValueError:
            log.exception("failed")
        log.warning("stack", stack_info=True)
    finally:
        log.removeHandler(handler)
    written = out.getvalue()
    assert "Traceback" in written
    assert "Stack (most recent call last)" in written
    assert "gw_0a1b2c3d_[hidden]" in written
    assert SECRET not in written
    assert token.get_secret_value() not in written


def test_a_document_for_a_run_directory_holds_no_secret() -> None:
    document = {
        "node": {"address": "https://edge:1", "token": SECRET, "tokens_per_s": 4},
        "argv": ["serve", "--url", f"postgresql://a:{SECRET}@db/x", KEY],
        "notes": (f"Bearer {SECRET}", 3.5, None),
    }
    clean = redact_tree(document)
    assert SECRET not in str(clean)
    assert clean["node"]["tokens_per_s"] == 4
    assert clean["node"]["address"] == "https://edge:1"
    assert clean["notes"][1:] == [3.5, None]


@pytest.mark.parametrize(
    "target",
    [
        f"/v2/fleet?key={KEY}",
        "/v2/fleet?a=1&api_key=x",
        "/v2/fleet?Access_Token=x",
        f"/v2/models/{KEY}/infer",
        f"/v2/fleet?x=%67w_0a1b2c3d_{SECRET}",
        "/v2/fleet?%74oken=x",
    ],
)
def test_a_key_in_a_url_is_refused_and_not_repeated(target: str) -> None:
    with pytest.raises(Denied) as caught:
        refuse_key_in_url(target.encode())
    assert caught.value.status == 400
    assert "Authorization" in caught.value.sentence
    assert SECRET not in caught.value.sentence


@pytest.mark.parametrize(
    "target", ["/v2/models/gw_x/infer", "/emissions/bylocation?location=FR", "/a%20b?monkey=1"]
)
def test_other_urls_pass(target: str) -> None:
    refuse_key_in_url(target.encode())


def test_a_token_is_written_for_its_user_read_back_shown_and_never_printed(tmp_path: Path) -> None:
    token, path = new_token(), tmp_path / "node.token"
    write_token(path, token)
    assert path.stat().st_mode & 0o777 == 0o600
    again = read_token(path)
    assert again == token
    assert token.get_secret_value() not in f"{again} {again!r}"
    assert shows(bearer(token), again)
    assert shows(bearer(token).encode(), again)
    for wrong in (
        None,
        "",
        "Bearer",
        f"Basic {token.get_secret_value()}",
        bearer(new_token()),
        b"Bearer \xff",
    ):
        assert not shows(wrong, again)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_token(path, token)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("short", 0o600, "16 to 512"),
        ("has a space in it somewhere", 0o600, "16 to 512"),
        ("two-lines-of-a-token\nmore-lines", 0o600, "16 to 512"),
        ("é" * 20, 0o600, "16 to 512"),
        ("a-good-token-0123456789", 0o644, "chmod 600"),
    ],
)
def test_a_file_without_a_usable_token_is_refused(tmp_path: Path, text: str, mode: int, said: str) -> None:
    path = tmp_path / "node.token"
    path.write_text(text, "utf-8")
    path.chmod(mode)
    with pytest.raises(ConfigError, match=said) as caught:
        read_token(path)
    assert text not in "".join(traceback.format_exception(caught.value)).replace(str(path), "")


def test_secrets_are_held_in_a_type_that_does_not_print() -> None:
    assert isinstance(new_token(), SecretStr)
