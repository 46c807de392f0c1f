"""Whether a request's tensors fit the model that they are for: asked only when a node has failed with them.

Some servers answer a tensor that their model cannot take with a fault of their own (500). The gateway knows the model's
metadata, so that the client can be told what is wrong with its request, and no other node is tried with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gramwise.gateway.oip.metadata import ModelMetadata
from gramwise.gateway.oip.scan import scan_request

from .asked import Asked


def unfit(asked: Asked, model: ModelMetadata | None) -> str:
    """What is wrong with a request's inputs, in a sentence for the client; empty where nothing is known to be.

    Args:
        asked: the request; its head is read, its tensors are not.
        model: as its node tells; None, or one without inputs, where that is not known.
    """
    if model is None or not model.inputs:
        return ""
    known = {each.name: each for each in model.inputs}
    for name, datatype, shape in _inputs(asked):
        wanted = known.get(name)
        if wanted is None:
            return f"input {name[:80]!r} is none of this model's; it has {', '.join(known)}"
        if datatype != wanted.datatype:
            return f"input {name!r} has datatype {datatype}, and must have {wanted.datatype}"
        # Some servers tell no shape at all, and an empty one is theirs as well as a scalar's.
        if wanted.shape and not _fits(shape, wanted.shape):
            return f"input {name!r} has shape {list(shape)[:16]}, and must have {wanted.shape}, where -1 is any size"
    return ""


def _inputs(asked: Asked) -> Iterable[tuple[str, str, Sequence[int]]]:
    if asked.message:
        return scan_request(asked.message).inputs
    return [(each.name, each.datatype, each.shape) for each in (asked.head.inputs if asked.head else ())]


def _fits(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    return len(shape) == len(wanted) and all(
        size < 0 or has == size for has, size in zip(shape, wanted, strict=True)
    )
