"""Text of an expression to its tree, by recursive descent over a closed grammar: nothing is ever evaluated as code.

    expr   = term { ("+" | "-") term }
    term   = factor { ("*" | "/") factor }
    factor = "-" factor | "sum" "(" scope ")" term | atom [ "^" exponent ]
    atom   = number [ "[" unit "]" ] | name [ "[" index { "," index } "]" ]
           | function "(" expr { "," expr } ")" | "(" expr ")"
    scope  = name "in" SET { "," name "in" SET } [ "where" condition { "and" condition } ]
    index  = name [ ("+" | "-") integer ] | integer | 'label'

``sum(j in JOB) a[j]*b[j] + c`` sums the product and then adds c. Caps: 64 000 characters, depth 16, 400 nodes,
8 binders to a scope.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from .findings import Refused
from .nodes import (
    COMPARISONS,
    FUNCTIONS,
    Binary,
    Binder,
    Call,
    Compare,
    Index,
    Node,
    Number,
    Power,
    Ref,
    Scope,
    Sum,
)

MOST_CHARACTERS = 64_000
MOST_DEPTH = 16
MOST_NODES = 400
MOST_BINDERS = 8
_KEPT_CHARACTERS = (
    2_000  # longer texts are parsed anew each time, so that the memory of the caches is bounded
)
_KEYWORDS = {"sum", "in", "where", "and", "forall"} | set(FUNCTIONS)

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]{0,63})"
    r"|(?P<label>'[^'\n]{0,80}'|\"[^\"\n]{0,80}\")"
    r"|(?P<op><=|>=|==|!=|[-+*/^(),\[\]<>])"
)


def parse_expression(text: str) -> Node:
    """The tree of ``text``.

    Raises:
        Refused: E201 with what was expected and where.
    """
    return _kept_expression(text) if len(text) <= _KEPT_CHARACTERS else _read_expression(text)


def parse_scope(text: str) -> Scope:
    """What a ``forall`` ranges over; nothing for an empty text.

    Raises:
        Refused: E201.
    """
    return _kept_scope(text) if len(text) <= _KEPT_CHARACTERS else _read_scope(text)


def _read_expression(text: str) -> Node:
    reader = _Reader(text)
    node = reader.expression(0)
    reader.end()
    return node


def _read_scope(text: str) -> Scope:
    if not text.strip():
        return Scope()
    reader = _Reader(text)
    scope = reader.scope(0)
    reader.end()
    return scope


_kept_expression = lru_cache(maxsize=4096)(_read_expression)
_kept_scope = lru_cache(maxsize=4096)(_read_scope)


class _Reader:
    """Tokens and a place among them."""

    def __init__(self, text: str) -> None:
        if len(text) > MOST_CHARACTERS:
            raise Refused("E201", f"an expression is no longer than {MOST_CHARACTERS} characters.")
        self._tokens: list[tuple[str, str]] = []
        self._at = self._count = 0
        place = 0
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise Refused(
                    "E201",
                    f"{text[place]!r} has no place in an expression.",
                    fragment=text[place : place + 40],
                )
            if found.lastgroup != "space":
                self._tokens.append((str(found.lastgroup), found.group()))
                if len(self._tokens) > 8 * MOST_NODES:
                    raise Refused("E201", f"an expression has at most {MOST_NODES} parts.")
            place = found.end()

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise Refused(
                "E201", f"{self._tokens[self._at][1]!r} was not expected here.", fragment=self._rest()
            )

    def expression(self, depth: int) -> Node:
        node = self._term(self._deeper(depth))
        while self._peek() in ("+", "-"):
            op = self._next()
            node = self._made(Binary(op, node, self._term(depth + 1)))
        return node

    def scope(self, depth: int) -> Scope:
        binders, where = [], []
        while True:
            name = self._name("a name before `in`")
            self._expect("in")
            binders.append(Binder(name, self._name("the name of a set after `in`")))
            if self._peek() != ",":
                break
            self._next()
        if self._peek() == "where":
            self._next()
            where.append(self._condition(depth))
            while self._peek() == "and":
                self._next()
                where.append(self._condition(depth))
        if len(binders) > MOST_BINDERS:
            raise Refused("E201", f"a scope has at most {MOST_BINDERS} binders.")
        if len({b.name for b in binders}) < len(binders):
            raise Refused(
                "E201", "each binder has a name of its own.", fragment=", ".join(b.name for b in binders)
            )
        return Scope(tuple(binders), tuple(where))

    def _condition(self, depth: int) -> Compare:
        left = self.expression(depth + 1)
        if self._peek() in COMPARISONS:
            op = self._next()
            return Compare(left, op, self.expression(depth + 1))
        return Compare(left, "!=", Number(0.0))

    def _term(self, depth: int) -> Node:
        node = self._factor(self._deeper(depth))
        while self._peek() in ("*", "/"):
            op = self._next()
            node = self._made(Binary(op, node, self._factor(depth + 1)))
        return node

    def _factor(self, depth: int) -> Node:
        depth = self._deeper(depth)
        if self._peek() == "-":
            self._next()
            return self._made(Binary("*", Number(-1.0), self._factor(depth)))
        if self._peek() == "sum":
            self._next()
            self._expect("(")
            scope = self.scope(depth)
            self._expect(")")
            return self._made(Sum(scope, self._term(depth)))
        node = self._atom(depth)
        if self._peek() == "^":
            self._next()
            return self._made(Power(node, self._exponent()))
        return node

    def _atom(self, depth: int) -> Node:
        kind, token = self._token()
        if kind == "number":
            self._next()
            return self._made(Number(_finite(token), self._unit()))
        if token == "(":
            self._next()
            node = self.expression(depth)
            self._expect(")")
            return node
        if token in FUNCTIONS:
            self._next()
            return self._made(self._call(token, depth))
        name = self._name("a number, a name or a parenthesis")
        return self._made(Ref(name, self._indices()))

    def _call(self, name: str, depth: int) -> Call:
        self._expect("(")
        args = [self.expression(depth)]
        while self._peek() == ",":
            self._next()
            args.append(self.expression(depth))
        self._expect(")")
        least, most = FUNCTIONS[name]
        if not least <= len(args) <= most:
            raise Refused(
                "E201", f"{name} takes {least} argument{'s' * (least > 1)}, not {len(args)}.", fragment=name
            )
        return Call(name, tuple(args))

    def _indices(self) -> tuple[Index, ...]:
        if self._peek() != "[":
            return ()
        self._next()
        indices = [self._index()]
        while self._peek() == ",":
            self._next()
            indices.append(self._index())
        self._expect("]")
        return tuple(indices)

    def _index(self) -> Index:
        kind, token = self._token()
        if kind == "label":
            self._next()
            return Index(label=token[1:-1])
        if kind == "number":
            self._next()
            return Index(position=_whole(token))
        name = self._name("a subscript")
        if self._peek() in ("+", "-"):
            sign = 1 if self._next() == "+" else -1
            return Index(name=name, shift=sign * _whole(self._next()))
        return Index(name=name)

    def _unit(self) -> str:
        if self._peek() != "[":
            return ""
        self._next()
        parts: list[str] = []
        while self._peek() not in ("]", ""):
            parts.append(self._next())
        self._expect("]")
        return "".join(parts)

    def _exponent(self) -> float:
        closing = self._peek() == "("
        if closing:
            self._next()
        sign = 1.0
        if self._peek() == "-":
            self._next()
            sign = -1.0
        kind, token = self._token()
        if kind != "number":
            raise Refused("E201", "an exponent is a number.", fragment=self._rest())
        self._next()
        value = sign * _finite(token)
        if self._peek() == "/" and closing:
            self._next()
            below = _finite(self._next()) if self._token()[0] == "number" else 0.0
            if below == 0:
                raise Refused("E201", "an exponent is a number.", fragment=self._rest())
            value /= below
        if closing:
            self._expect(")")
        if abs(value) > 8:
            raise Refused("E201", "an exponent lies between -8 and 8.", fragment=token)
        return value

    def _token(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _peek(self) -> str:
        return self._token()[1]

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise Refused("E201", "the expression ends too early.")
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        if self._peek() != token:
            raise Refused(
                "E201", f"{token!r} was expected, not {self._peek() or 'the end'!r}.", fragment=self._rest()
            )
        self._at += 1

    def _name(self, wanted: str) -> str:
        kind, token = self._token()
        if kind != "name" or token in _KEYWORDS:
            raise Refused(
                "E201", f"{wanted} was expected, not {token or 'the end'!r}.", fragment=self._rest()
            )
        self._at += 1
        return token

    def _rest(self) -> str:
        return " ".join(token for _, token in self._tokens[self._at : self._at + 8])

    def _deeper(self, depth: int) -> int:
        # One level of grammar is three calls, so that depth counts parentheses, sums and calls.
        if depth > 3 * MOST_DEPTH + 2:
            raise Refused("E201", f"an expression is at most {MOST_DEPTH} deep.")
        return depth + 1

    def _made(self, node: Node) -> Node:
        self._count += 1
        if self._count > MOST_NODES:
            raise Refused("E201", f"an expression has at most {MOST_NODES} parts.")
        return node


def _finite(token: str) -> float:
    try:
        value = float(token)
    except ValueError:
        raise Refused("E201", f"{token!r} is no number.", fragment=token) from None
    if not math.isfinite(value):
        raise Refused("E201", f"{token} is too large a number.", fragment=token)
    return value


def _whole(token: str) -> int:
    if not token.isdigit() or len(token) > 6:
        raise Refused("E201", f"{token!r} is no position.", fragment=token)
    return int(token)
