"""A receipt in the words of other tools. One file an exporter, which ends in ``PLUGIN = its_function``, found by name.

An exporter is ``(document, book) -> str``: the receipt and the account of it that is asked for. What a format has a
field for and the receipt does not know stays out or empty, never 0.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, cast

from gramwise.core.errors import ConfigError, DataError, did_you_mean

Exporter = Callable[[Mapping[str, Any], Mapping[str, Any]], str]


def export(document: Mapping[str, Any], to: str, *, account: str | None = None) -> str:
    """A receipt as another tool's file.

    Args:
        document: from `gramwise.report.receipt.read_receipt`.
        to: name of the format, from `names`.
        account: which account; None where the receipt holds only one.

    Returns:
        The file's text.

    Raises:
        ConfigError: no such format or account, or several accounts to choose from.
        DataError: the receipt lacks what the format cannot do without.
    """
    return _load(to)(document, chosen(document, account))


def names() -> list[str]:
    """Every format, sorted."""
    stems = [module.name for module in pkgutil.iter_modules(__path__)]
    return sorted(stem.replace("_", "-") for stem in stems if hasattr(_module(stem), "PLUGIN"))


def chosen(document: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
    """The account of that name, or the only one.

    Raises:
        ConfigError: there is none of that name, or several.
        DataError: there is none at all.
    """
    books = {book["name"]: book for book in document["accounts"]}
    if name is None and len(books) == 1:
        return cast(Mapping[str, Any], next(iter(books.values())))
    if not books:
        raise DataError("the receipt holds no account.")
    if name is None:
        raise ConfigError(
            "this receipt holds several accounts, and the format has room for one.",
            fix=f"Name one of: {', '.join(books)}.",
        )
    if name not in books:
        raise ConfigError(f"the receipt has no account {name!r}.", fix=did_you_mean(name, books))
    return cast(Mapping[str, Any], books[name])


def _load(name: str) -> Exporter:
    stem = name.replace("-", "_")
    known = stem.isidentifier() and find_spec(f"{__name__}.{stem}") is not None
    plugin = getattr(_module(stem), "PLUGIN", None) if known else None
    if plugin is None:
        raise ConfigError(f"there is no export format {name!r}.", fix=did_you_mean(name, names()))
    return cast(Exporter, plugin)


def _module(stem: str) -> Any:
    return importlib.import_module(f"{__name__}.{stem}")
