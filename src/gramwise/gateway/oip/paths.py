"""The protocol's HTTP paths: which call a path stands for, and the path of a call.

Source: Open Inference Protocol REST, with the repository index of Triton's model repository extension.
"""

from __future__ import annotations

from typing import Literal, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from .errors import BadRequest

Call = Literal[
    "server_metadata",
    "server_live",
    "server_ready",
    "model_metadata",
    "model_ready",
    "infer",
    "repository_index",
]

LONGEST_NAME = 256
"""Characters of a model's name or version: they end in file names, ledger rows and metrics."""

METHODS: dict[Call, bytes] = {
    "server_metadata": b"GET",
    "server_live": b"GET",
    "server_ready": b"GET",
    "model_metadata": b"GET",
    "model_ready": b"GET",
    "infer": b"POST",
    "repository_index": b"POST",
}
"""HTTP method of each call."""

_PLAIN: dict[bytes, Call] = {
    b"/v2": "server_metadata",
    b"/v2/": "server_metadata",
    b"/v2/health/live": "server_live",
    b"/v2/health/ready": "server_ready",
    b"/v2/repository/index": "repository_index",
}
_MODEL: dict[bytes, Call] = {b"": "model_metadata", b"ready": "model_ready", b"infer": "infer"}
_PREFIX = b"/v2/models/"


class Route(NamedTuple):
    """What a path asks: the call, and the model's name and version where it has one (empty for none)."""

    call: Call
    model: str = ""
    version: str = ""


def route(method: bytes, path: bytes) -> Route:
    """The call that a method and a path stand for.

    Args:
        method: HTTP method; HEAD is taken for GET.
        path: as it stands in the request line, percent-encoded, without the query.

    Raises:
        BadRequest: 404, no such path; 405, not with this method; 400, a name that cannot be.
    """
    found = _find(path)
    if METHODS[found.call] != (b"GET" if method == b"HEAD" else method):
        raise wrong_method(METHODS[found.call])
    return found


def wrong_method(wanted: bytes) -> BadRequest:
    """The refusal of any method but one; GET has HEAD beside it."""
    name = wanted.decode()
    return BadRequest(405, f"this path wants {name}", allow="GET, HEAD" if name == "GET" else name)


def infer_path(model: str, version: str = "") -> bytes:
    """The path that infers with a model."""
    middle = f"/versions/{quote(version, safe='')}" if version else ""
    return f"/v2/models/{quote(model, safe='')}{middle}/infer".encode()


def model_path(model: str, version: str = "", *, ready: bool = False) -> bytes:
    """The path of a model's metadata, or of its readiness."""
    return infer_path(model, version)[: -len(b"/infer")] + (b"/ready" if ready else b"")


def _find(path: bytes) -> Route:
    call = _PLAIN.get(path)
    if call is not None:
        return Route(call)
    if not path.startswith(_PREFIX):
        raise BadRequest(404, "no such path; the Open Inference Protocol begins at /v2")
    parts = path[len(_PREFIX) :].rstrip(b"/").split(b"/")
    version = b""
    if len(parts) >= 3 and parts[1] == b"versions":
        version = parts[2]
        del parts[1:3]
    call = _MODEL.get(parts[1] if len(parts) == 2 else b"" if len(parts) == 1 else b"?")
    if call is None:
        raise BadRequest(404, "no such path below /v2/models; use NAME, NAME/ready or NAME/infer")
    return Route(call, _name(parts[0], "model"), _name(version, "version") if version else "")


def _name(part: bytes, what: str) -> str:
    try:
        name = (unquote_to_bytes(part) if b"%" in part else part).decode()
    except UnicodeDecodeError:
        raise BadRequest(400, f"the {what}'s name is not UTF-8") from None
    return checked_name(name, what)


def checked_name(name: str, what: str) -> str:
    """The name of a model or version itself, if it is one that can be.

    Args:
        name: as the client gave it, decoded.
        what: for the sentence, "model" or "version".

    Raises:
        BadRequest: 400, empty, too long, or with control characters or slashes.
    """
    if not name or len(name) > LONGEST_NAME:
        raise BadRequest(400, f"the {what}'s name has {len(name)} characters; 1 to {LONGEST_NAME} are served")
    if not name.isprintable() or "/" in name or "\\" in name or name in (".", ".."):
        raise BadRequest(400, f"the {what}'s name has characters that no {what} here can have")
    return name
