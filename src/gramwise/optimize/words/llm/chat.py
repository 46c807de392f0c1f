"""One question to a chat-completions endpoint: the ladder of output modes, retries, and what counts as an answer.

The dearest promise is tried first: strict JSON schema, then any JSON object, then plain text from which an object is
taken. What a server refuses is remembered and not asked again. Cut answers, refusals and silence are faults with names.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gramwise.core.errors import BadReply, SourceUnavailable
from gramwise.grid.http import HttpClient, NotAccepted, QuotaExceeded

from .settings import KEY, Endpoint

MODES = ("json_schema", "json_object", "text")
MOST_TOKENS = 8000
_SEED, _LONGEST_WAIT_S = "seed", 30.0

Message = Mapping[str, str]


class NoAnswer(BadReply):
    """The model gave no object. ``why``: length (cut off), refusal, empty, or json (something else)."""

    def __init__(self, message: str, *, why: str) -> None:
        self.why = why
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What came back: the object, the raw text, the output mode, tokens where told, and whether it was cached."""

    content: dict[str, Any]
    raw: str
    mode: str
    tokens: int | None
    cached: bool = False


@dataclass(slots=True)
class Chat:
    """Asks one endpoint.

    Attributes:
        endpoint: from the environment.
        deadline_s: monotonic moment after which nothing more is tried.
        refused: output modes and fields that the server does not know.
        calls: requests that were sent.
    """

    endpoint: Endpoint
    deadline_s: float = field(default=0.0)
    refused: set[str] = field(default_factory=set)
    calls: int = 0

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> Said:
        """The object that the model answers.

        Raises:
            NoAnswer: cut off at the token limit, refused, empty, or no JSON object.
            BadReply: no chat completion, a page of HTML, or a refusal of every output mode.
            SourceUnavailable: not reached, too slow, or the quota is spent for longer than the deadline allows.
            KeyRefused: 401 or 403.
        """
        if not self.deadline_s:
            self.deadline_s = time.monotonic() + self.endpoint.timeout_s
        digest = _digest(self.endpoint.model, messages, schema)
        kept = self._kept(digest)
        if kept is not None:
            return kept
        said = self._descend(messages, schema)
        self._keep(digest, messages, said)
        return said

    def _descend(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> Said:
        """The ladder: what the server refuses is left out, until it accepts or nothing is left to leave out."""
        while True:
            mode = next(m for m in MODES if m not in self.refused)
            try:
                reply = self._post(_request(self.endpoint.model, messages, schema, mode, self.refused))
            except NotAccepted as refusal:
                blamed = _SEED if "seed" in refusal.said.casefold() else mode
                if (
                    refusal.status not in (400, 415, 422, 501)
                    or blamed in self.refused
                    or blamed == MODES[-1]
                ):
                    raise
                self.refused.add(blamed)
                continue
            return _read(reply, mode)

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.endpoint.key}"} if self.endpoint.key else {}
        while True:
            left_s = self.deadline_s - time.monotonic()
            if left_s <= 0:
                raise SourceUnavailable(
                    f"{self.endpoint.host}: no valid answer within {self.endpoint.timeout_s:g} s in all;"
                    " use --formulator offline, or allow more in GRAMWISE_LLM_TIMEOUT_S."
                )
            client = HttpClient(self.endpoint.host, self.endpoint.base_url, (KEY,), timeout_s=left_s)
            self.calls += 1
            try:
                return client.post_json("/chat/completions", body, headers=headers)
            except QuotaExceeded as spent:
                wait_s = 1.0 if spent.retry_after_s is None else spent.retry_after_s
                if wait_s > min(_LONGEST_WAIT_S, self.deadline_s - time.monotonic()):
                    raise
                time.sleep(wait_s)

    def _kept(self, digest: str) -> Said | None:
        if self.endpoint.cache is None:
            return None
        try:
            document = json.loads((self.endpoint.cache / f"{digest}.json").read_text(encoding="utf-8"))
            return Said(
                content=_object(document["raw"]),
                raw=document["raw"],
                mode=document["mode"],
                tokens=document["tokens"],
                cached=True,
            )
        except (OSError, ValueError, KeyError, TypeError, BadReply):
            return None  # a spoilt or missing page of the cache is asked for anew

    def _keep(self, digest: str, messages: Sequence[Message], said: Said) -> None:
        if self.endpoint.cache is None:
            return
        document = {
            "model": self.endpoint.model,
            "host": self.endpoint.host,
            "asked_unix_s": time.time(),
            "messages": [dict(m) for m in messages],
            "mode": said.mode,
            "tokens": said.tokens,
            "raw": said.raw,
        }
        try:
            self.endpoint.cache.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self.endpoint.cache / f"{digest}.json").write_text(
                json.dumps(document, indent=1), encoding="utf-8"
            )
        except OSError as fault:
            raise SourceUnavailable(
                f"replies cannot be kept in {self.endpoint.cache}: {fault.strerror}; unset GRAMWISE_LLM_CACHE."
            ) from None


def _request(
    model: str, messages: Sequence[Message], schema: Mapping[str, Any], mode: str, refused: set[str]
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "messages": [dict(m) for m in messages],
        "temperature": 0,
        "max_tokens": MOST_TOKENS,
    }
    if _SEED not in refused:
        body["seed"] = 0
    if mode == "json_schema":
        body["response_format"] = {
            "type": mode,
            "json_schema": {"name": "problem", "strict": True, "schema": dict(schema)},
        }
    elif mode == "json_object":
        body["response_format"] = {"type": mode}
    return body


def _read(reply: Mapping[str, Any], mode: str) -> Said:
    try:
        choice = reply["choices"][0]
        message = choice["message"]
        finish, content, refusal = choice.get("finish_reason"), message.get("content"), message.get("refusal")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise BadReply("the endpoint's answer has no choices[0].message: it is no chat completion.") from None
    if refusal or finish == "content_filter":
        raise NoAnswer(f"the model refused: {str(refusal or finish)[:120]!r}.", why="refusal")
    if finish == "length":
        raise NoAnswer(f"the answer was cut off at {MOST_TOKENS} tokens.", why="length")
    if not isinstance(content, str) or not content.strip():
        raise NoAnswer("the model answered nothing.", why="empty")
    usage = reply.get("usage")
    tokens = usage.get("total_tokens") if isinstance(usage, Mapping) else None
    return Said(
        content=_object(content), raw=content, mode=mode, tokens=tokens if isinstance(tokens, int) else None
    )


def _object(content: str) -> dict[str, Any]:
    """The JSON object in a text: the text itself, or the first balanced object in it."""
    for start in [0, *_braces(content)]:
        try:
            found, _ = json.JSONDecoder(parse_constant=_no_constant).raw_decode(content[start:].lstrip())
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    raise NoAnswer(f"the model answered no JSON object: {' '.join(content.split())[:60]!r}.", why="json")


def _braces(content: str) -> list[int]:
    # A handful of tries is enough for prose around an answer, and keeps a text of braces from taking long.
    return [i for i, c in enumerate(content[:20_000]) if c == "{"][:5]


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


def _digest(model: str, messages: Sequence[Message], schema: Mapping[str, Any]) -> str:
    asked = {"model": model, "messages": [dict(m) for m in messages], "schema": dict(schema)}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
