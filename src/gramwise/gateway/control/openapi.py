"""The OpenAPI document of the control API: which statuses a route has, in which shape, and the key that it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Responses: TypeAlias = dict[int | str, dict[str, Any]]

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
_PLAN = {"type": "object", "required": ["plan_id", "schema", "status"]}


def _fault(text: str, schema: Mapping[str, Any] = _ERROR, kind: str = "application/json") -> dict[str, Any]:
    return {"description": text, "content": {kind: {"schema": schema}}}


EVERYWHERE: Responses = {
    400: _fault("What was asked makes no sense."),
    401: _fault("No key, or a wrong one."),
    403: _fault("The key lacks the right."),
    404: _fault("There is no such thing, or nothing is known."),
    408: _fault("The body came too slowly."),
    413: _fault("Too long."),
    414: _fault("The URL is too long."),
    431: _fault("The headers are too long."),
    415: _fault("Another media type than JSON."),
    429: _fault("Too much at once, or a quota is used up; Retry-After says when to come again."),
    500: _fault("The gateway failed."),
    503: _fault("What is needed is away."),
}
_BAD_GATEWAY, _CONFLICT = _fault("Somebody else failed."), _fault("It does not fit what there is.")
JOINING: Responses = {409: _CONFLICT, 502: _BAD_GATEWAY, 504: _fault("The node did not answer in time.")}
LEAVING: Responses = {409: _CONFLICT}
APPLYING: Responses = {409: _CONFLICT}
PLANNED: Responses = {
    200: {"description": "Solved.", "content": {"application/json": {"schema": _PLAN}}},
    409: _fault("Infeasible: the same document; or an error.", {"anyOf": [_PLAN, _ERROR]}),
    422: _fault("Something must be known first, clashes, or is out of scope: the same document.", _PLAN),
}
_THIS_PLAN = {
    name: {"operationId": name, "parameters": {"plan_id": "$response.body#/plan_id"}}
    for name in ("kept_plan", "apply_plan")
}
PLANNING: Responses = {
    **{status: {**answer, "links": _THIS_PLAN} for status, answer in PLANNED.items()},
    502: _fault("The language model's endpoint failed."),
    504: _fault("No answer within the limit."),
}
EMISSIONS: Responses = {
    **{
        status: _fault(str(answer["description"]), _PROBLEM, "application/problem+json")
        for status, answer in EVERYWHERE.items()
    },
    204: {"description": "Nothing is known."},
    409: _fault("Kinds that cannot be compared.", _PROBLEM, "application/problem+json"),
    501: _fault("Nobody foresees.", _PROBLEM, "application/problem+json"),
    502: _fault("A provider failed.", _PROBLEM, "application/problem+json"),
}


def finish(app: Any) -> None:
    """Make ``app``'s document once: with the key that is needed, and without answers that are never given."""
    document = app.openapi()
    document["components"].setdefault("securitySchemes", {})["key"] = {"type": "http", "scheme": "bearer"}
    document["security"] = [{"key": []}]
    for operations in document["paths"].values():
        for operation in operations.values():
            answers = operation["responses"]
            if "HTTPValidationError" in str(answers.get("422")):
                del answers["422"]  # what is not understood is 400 here
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"].get("schemas", {}).pop(name, None)


def sentence_of(errors: Sequence[Any]) -> str:
    """The first things that are wrong with a request, each with its place, in one sentence."""
    told = []
    for error in errors[:3]:
        where = ".".join(str(part) for part in error["loc"] if part not in ("body",))[:200]
        said = "there is no such key" if error["type"] == "extra_forbidden" else str(error["msg"])
        if error["type"] == "json_invalid":
            where, said = "", "this is no JSON"
        told.append(f"{where}: {said.rstrip('.')}" if where else said.rstrip("."))
    more = f" (and {len(errors) - 3} more)" if len(errors) > 3 else ""
    return f"{'; '.join(told)}{more}."[:1000]
