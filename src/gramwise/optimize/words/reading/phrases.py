"""Members that are plain noun phrases: places and machines, listed things, and things said in parallel of one unit.

"The attic PC draws 60 W, the tablet 3 W" names two members because two phrases carry numbers of one unit; no list of
words could hold all that people name.
"""

from __future__ import annotations

from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.units import parse_unit, spell

from .clauses import Piece
from .members import GENERIC, KINDS, Member, add
from .numbers import low
from .quantities import _STOP, Quantity
from .settings import resolutions
from .tokens import Token
from .unitwords import singular, unit_at
from .vocabulary import words

QUANTITY_NOUNS = words("phrases.quantity_nouns")
_MEASURES = words("phrases.measures")
_ROLES = words("phrases.roles")
_COMMON = words("phrases.common")
_PARTS = words("phrases.parts")
_NO_THING = words("phrases.no_thing")
_VERBS = words("phrases.verbs")
_DETERMINERS = words("phrases.determiners")
_LOOSE = words("phrases.loose")
_LINKS = frozenset((",", "and", "or", "/", "&", "+"))
_PREPOSITIONS = words("phrases.prepositions")
_ADVERBS = words("phrases.adverbs")
_TRIGGERS = words("phrases.triggers")

Span = tuple[int, int]
_LABELLED = 1_000_000
"""Axis of the labels in front of colons; larger ones are of things done, one for each kind of unit."""


def dimension(unit: str) -> str:
    """What a unit measures, so that Wh and MJ, or g/kWh and t/MWh, compare equal."""
    try:
        return spell(parse_unit(unit).dims)
    except Refused:
        return unit


_SHARE = "share"


def _share(quantity: Quantity) -> bool:
    """Whether a bare number may be an accuracy: such numbers make members as units do."""
    return not quantity.noun and 0 < quantity.value < 1


class Phrases:
    """Noun phrases of a text and the members among them."""

    def __init__(
        self, tokens: list[Token], cuts: list[Piece], found: list[Quantity], book: dict[str, Member]
    ) -> None:
        self.tokens, self.cuts, self.found, self.book = tokens, cuts, found, book
        self.taken = {at for q in found for at in range(q.first, q.last + 1)}
        self.heads = {q.first for q in found}

    def collect(self) -> None:
        """Adds every member found to the book."""
        self._labelled()
        self._quoted()
        self._variants()
        resolutions(self.tokens, self.book)
        self._periods()
        self._lists()
        self._parallel()
        self._known()

    @property
    def covered(self) -> set[int]:
        return {k for m in self.book.values() for a, b in m.mentions for k in range(a, b)}

    def phrase(self, at: int, stop: int) -> Span | None:
        """The noun phrase that begins at a token, determiner left out; None where none does."""
        if low(self.tokens, at) in _LOOSE or self._adverb(at):
            return None
        while at < stop and low(self.tokens, at) in _DETERMINERS:
            at += 1
        end = at
        while end < stop and end - at < 5 and end not in self.taken:
            token = self.tokens[end]
            if token.kind != "word" or token.low in _STOP or (end > at and self._verb(end)):
                break
            if end == at and token.low in _VERBS and singular(token.low) in _VERBS:
                break
            end += 1
            if (
                "'" in token.text
                and token.low.endswith("'s")
                and singular(low(self.tokens, end)) in QUANTITY_NOUNS
            ):
                break
        return (at, end) if end > at else None

    def _adverb(self, at: int) -> bool:
        """ "Merely being on costs 1.1 kWh": a word in -ly in front of a verb or stop word names nobody."""
        word, follows = low(self.tokens, at), low(self.tokens, at + 1)
        return (
            len(word) > 5 and word.endswith("ly") and (follows in _STOP | _VERBS or follows.endswith("ing"))
        )

    def _verb(self, at: int) -> bool:
        word = low(self.tokens, at)
        if word in _VERBS or (word.endswith("ing") and at + 1 in self.taken):
            return True
        if not word.endswith(("s", "ed")) or "'" in word:
            return False
        step = at + 1
        while step - at < 4 and low(self.tokens, step) in _ADVERBS:
            step += 1
        return step in self.heads and self._subject(at)

    def _subject(self, at: int) -> bool:
        """Whether the words before a possible verb look like its subject, and not like "shelf photos 3.5 kWh"."""
        first = at
        while first and self.tokens[first - 1].kind == "word" and low(self.tokens, first - 1) not in _STOP:
            first -= 1
        told = low(self.tokens, first - 1) in _DETERMINERS | _LOOSE or self.tokens[first].text[:1].isupper()
        return told or "'" in self.tokens[first].text or singular(self.tokens[at].low) in _VERBS

    def _name(self, span: Span) -> str:
        words = [t.text for t in self.tokens[span[0] : span[1]]]
        return " ".join(words).removesuffix("'s").strip()

    def _fit(self, span: Span | None) -> bool:
        """Whether a phrase can be a member at all."""
        if span is not None and low(self.tokens, span[0]).endswith("ing") and span[1] - span[0] > 1:
            return True
        if span is None or span[1] - span[0] > 4 or low(self.tokens, span[1] - 1) in _NO_THING:
            return False
        head = singular(low(self.tokens, span[1] - 1))
        told_apart = low(self.tokens, span[0] - 1) == "the" and span[1] - span[0] == 2
        if head in ("answer", "reply", "response") and told_apart:
            return True  # "the thorough answer ..., the quick one"
        if head in QUANTITY_NOUNS and not low(self.tokens, span[1] - 1).endswith("'s"):
            return False
        if span[1] - span[0] == 1 and head.endswith("ing"):
            return False
        plural = head != low(self.tokens, span[1] - 1).removesuffix("'s")
        lone = (
            span[1] - span[0] == 1
            and head in GENERIC
            and (plural or low(self.tokens, span[0] - 1) in ("a", "an", "one"))
        )
        if (
            head == "one"
            and span[1] - span[0] > 1
            and low(self.tokens, span[0]) not in ("other", "only", "first")
        ):
            return True  # "the quick one"
        if lone or head in ("one", "other", "former", "latter", "first", "second", "third", "two", "three"):
            return False
        return unit_at(self.tokens, span[1] - 1) is None or head in GENERIC

    def _quoted(self) -> None:
        opened = -1
        spans: list[Span] = []
        for at, token in enumerate(self.tokens):
            if token.text == '"':
                if opened >= 0 and 1 <= at - opened - 1 <= 4:
                    spans.append((opened + 1, at))
                    opened = -1
                else:
                    opened = at
            elif token.kind == "newline":
                opened = -1
        names = {self._name(span).lower() for span in spans}
        if len(names) > 1:
            for span in spans:
                if not any(k in self.taken for k in range(*span)):
                    add(self.book, self._name(span), "", *span)

    def _labelled(self) -> None:
        """Two or more lines or sentences of the form "label: figures": their labels."""
        spans: list[Span] = []
        units = {at for q in self.found for at in range(q.first, q.last + 1) if q.unit}
        for piece in self.cuts:
            first = piece.first
            while first < piece.stop and (
                self.tokens[first].kind == "newline" or self.tokens[first].text in "-*+"
            ):
                first += 1
            if (
                first + 1 < piece.stop
                and self.tokens[first].kind == "num"
                and low(self.tokens, first + 1) in (".", ")")
            ):
                first += 2
            at = first
            while (
                at < min(piece.stop, first + 9)
                and self.tokens[at].kind in ("word", "num")
                and at not in units
            ):
                at += 1
            if not (at > first and low(self.tokens, at) == ":" and at - first <= 7):
                continue
            ahead = range(at + 1, min(at + 5, piece.stop))
            if any(k in self.heads for k in ahead) and self._title_fits(first, at):
                spans.append((first, at))
        names = {self._name(span).lower() for span in spans}
        if len(names) < 2:
            return
        for first, stop in spans:
            while first + 1 < stop and low(self.tokens, first) in _DETERMINERS:
                first += 1
            known = [m for m in self.book.values() if any(a < stop and first < b for a, b in m.mentions)]
            exact = [m for m in known if (first, stop) in m.mentions]
            if exact:
                exact[0].axis = _LABELLED
                continue
            for member in known:
                member.mentions = [(a, b) for a, b in member.mentions if not (a < stop and first < b)]
            add(self.book, self._name((first, stop)), "", first, stop)
            self.book[self._name((first, stop)).lower()].axis = _LABELLED

    def _title_fits(self, first: int, stop: int) -> bool:
        """A label names a thing; "Grid intensity:" or "Deadlines:" names a quantity."""
        words = [singular(t.low) for t in self.tokens[first:stop]]
        if words[-1] in _ROLES and len(words) < 4:
            return False
        if len(words) == 1 and words[0] in GENERIC and words[0] != self.tokens[first].low:
            return False  # "Servers:" says what those behind it are
        ends = [words[0]] if len(words) > 3 else [words[0], words[-1]]
        measured = any(word in QUANTITY_NOUNS | _MEASURES for word in ends)
        return not measured and not any(
            t.low in _VERBS - {"is", "run"} for t in self.tokens[first + 1 : stop]
        )

    def _variants(self) -> None:
        """Model sizes and number formats, where at least two are told apart."""
        places: dict[str, list[int]] = {}
        covered = self.covered
        for at, token in enumerate(self.tokens):
            if token.kind == "word" and token.low in KINDS["variant"] and at not in covered:
                follows = low(self.tokens, at + 1)
                told = follows in (
                    "variant",
                    "model",
                    "version",
                    "one",
                    "net",
                    "network",
                    ",",
                    "and",
                    "or",
                    ":",
                    "(",
                    "|",
                    "=",
                    "/",
                )
                told = told or at + 1 in self.heads
                if (
                    told
                    or follows in _VERBS
                    or token.low[-1].isdigit()
                    or (low(self.tokens, at - 1) == "the" and follows in ("", ".", ")"))
                ):
                    places.setdefault(token.low, []).append(at)
        formats = [name for name in places if name[-1].isdigit()]
        if len(places) < 2 and not formats:
            return
        spoken = {
            "variant",
            "model",
            "version",
            "network",
            "net",
            "variants",
            "models",
            "versions",
            "networks",
        }
        if not formats and not any(t.low in spoken for t in self.tokens):
            return
        for ats in places.values():
            for at in ats:
                add(self.book, self.tokens[at].text, "variant", at, at + 1)

    def _periods(self) -> None:
        """Parts of the day that carry numbers: "120 g at night, 380 in the morning, 230 at noon"."""
        places: dict[str, list[int]] = {}
        for at, token in enumerate(self.tokens):
            if token.low in _PARTS and token.kind in ("word", "clock"):
                places.setdefault(token.low, []).append(at)
        tied = [w for w, ats in places.items() if any(self._beside(at) for at in ats)]
        if len(tied) > 1:
            for word in tied:
                for at in places[word]:
                    add(self.book, word, "period", at, at + 1)

    def _beside(self, at: int) -> bool:
        """Whether a number stands close to a part of the day, over "at", "in the", "the ... period"."""
        ends = {q.last for q in self.found if not q.clock}
        back = any(at - k in ends for k in range(1, 5))
        return back or any(at + k in self.heads for k in range(1, 5) if at + k < len(self.tokens))

    def _lists(self) -> None:
        """ "three sites: home, the mill and the school"; "either at home, at the mill or in the cloud"."""
        for piece in self.cuts:
            for at in range(piece.first, piece.stop):
                word = self.tokens[at].low
                if word in _TRIGGERS or (word in _PREPOSITIONS and at not in self.taken):
                    self._list(at, piece.stop, piece.first)

    def _list(self, at: int, stop: int, start: int) -> None:
        behind = self.tokens[at + 1 : at + 2]
        if low(self.tokens, at) in ("called", "named") and behind and behind[0].kind == "num":
            return  # "called 35 times"
        spans, end = self._coordination(at + 1, stop)
        if len(spans) < 2 or any(not self._fit(span) for span in spans):
            return
        trigger = low(self.tokens, at)
        noun = self._governor(at, start)
        first, stop_ = spans[0]
        lead = singular(low(self.tokens, first))
        if stop_ - first > 1 and lead in GENERIC and lead != low(self.tokens, first):
            noun, spans[0] = lead, (first + 1, stop_)  # "the sites north and south"
        covered = self.covered
        known = sum(any(k in covered for k in range(*span)) for span in spans)
        places = sum(singular(low(self.tokens, b - 1)) in KINDS["site"] | KINDS["device"] for _, b in spans)
        strong = trigger in ("either", "namely", "called", "named") or (
            noun and trigger in (":", "(", "are", "-", "includes")
        )
        if trigger in (":", "(", "-") and end in self.heads and not noun:
            strong = False
        if not (strong or (known >= 1 and known + places == len(spans)) or places == len(spans)):
            return
        for span in spans:
            if not any(k in covered for k in range(*span)):
                head = singular(low(self.tokens, span[1] - 1))
                kind = noun or (head if head in GENERIC and len(spans) > 1 else self._kind(head))
                add(self.book, self._name(span), kind, *span)

    def _coordination(self, at: int, stop: int) -> tuple[list[Span], int]:
        spans: list[Span] = []
        linked = False
        while at < stop:
            while low(self.tokens, at) in _PREPOSITIONS | {"either"} and at < stop:
                at += 1
            span = self.phrase(at, stop)
            if span is None:
                break
            spans.append(span)
            at = span[1]
            step = at
            while low(self.tokens, step) in _LINKS and step < stop and step - at < 2:
                step += 1
            if step == at:
                linked = True
                break
            at = step
        return (spans, at) if linked or len(spans) > 1 else ([], at)

    def _governor(self, at: int, start: int) -> str:
        """The plural noun that a list belongs to: "three sites (", "the jobs are"."""
        here = at - 1
        while here > start and low(self.tokens, here) in (
            "namely",
            "called",
            "named",
            ",",
            "either",
            "like",
            "are",
        ):
            here -= 1
        word = low(self.tokens, here)
        if (
            singular(word) != word
            and self.tokens[here].kind == "word"
            and "'" not in word
            and here not in self.taken
        ):
            return singular(word)
        if here in self.taken and singular(word) in GENERIC:
            return singular(word)
        return ""

    def _kind(self, head: str) -> str:
        return next((kind for kind in ("site", "device", "variant") if head in KINDS[kind]), "")

    def _parallel(self) -> None:
        """Phrases that carry numbers of one unit, at least two different ones."""
        by_unit: dict[str, dict[str, list[Span]]] = {}
        covered, last = self.covered, "?"
        for k, quantity in enumerate(self.found):
            span = self._carrier(quantity, self.found[k - 1] if k else None)
            if span is None or not self._fit(span) or quantity.clock:
                continue
            if any(at in covered for at in range(*span)):
                key = "*" + next(
                    m.label
                    for m in self.book.values()
                    if any(a < span[1] and span[0] < b for a, b in m.mentions)
                )
            else:
                key = self._name(span).lower()
            unit = dimension(quantity.unit) if quantity.unit else _SHARE if _share(quantity) else "?"
            if (
                unit == "?"
                and k
                and self.cuts[self.found[k - 1].clause].sentence == self.cuts[quantity.clause].sentence
            ):
                unit = last
            last = unit
            by_unit.setdefault(unit, {}).setdefault(key, []).append(span)
        by_unit.pop("?", None)
        for unit, names in by_unit.items():
            if len(names) < 2 or sum(name.startswith("*") for name in names) > 1:
                continue
            plain = [name for name in names if not name.startswith("*")]
            heads = {singular(name.split()[-1]) for name in plain}
            noun = heads.pop() if len(heads) == 1 and len(plain) > 1 else ""
            noun = "" if noun == "one" else noun
            for name, spans in names.items():
                if name.startswith("*"):
                    continue
                head = singular(name.split()[-1])
                deed = name.split()[0].endswith("ing") and " " in name  # what is done is no machine
                deed = deed and not any(
                    low(self.tokens, a - 1) in ("the", "a", "an", "our") for a, _ in spans
                )
                for span in spans:
                    add(self.book, self._name(span), "" if deed else noun or self._kind(head), *span)
                if deed and self.book[name].axis < 0:
                    self.book[name].axis = _LABELLED + 1 + sum(map(ord, unit))

    def _carrier(self, quantity: Quantity, before: Quantity | None) -> Span | None:
        """The phrase that a number is said of: the subject in front of it, or "in X" beside it."""
        piece = self.cuts[quantity.clause]
        first = piece.first
        if before is not None and before.last >= first:
            first = self._link(before.last + 1, quantity.first)
        starts = [first] + [
            k + 1
            for k in range(first, quantity.first)
            if low(self.tokens, k) in (",", "and", ":", ";", "or", "but")
        ]
        for start in reversed(starts):
            while start < quantity.first and (
                self.tokens[start].kind in ("punct", "newline")
                or low(self.tokens, start) in ("and", "or", "but", "then", "while", "whereas")
            ):
                start += 1
            span = self._doing(start, quantity.first) or self.phrase(start, quantity.first)
            if span is None or (span[1] < quantity.first and low(self.tokens, span[1]) in (",", ")")):
                continue
            between = {low(self.tokens, k) for k in range(span[1], quantity.first)}
            if not self._fit(span) or between & {"and", "but", ";"}:
                continue
            if "," in between and not (low(self.tokens, span[0]).endswith("ing") and span[1] - span[0] > 1):
                continue
            head = singular(low(self.tokens, span[1] - 1))
            if self._possessor(span) or head not in QUANTITY_NOUNS - {"answer", "reply", "response"}:
                return span
        for at in range(first, quantity.first):
            if low(self.tokens, at) in ("at", "in", "on", "of", "for", "from", "by"):
                inner = self.phrase(at + 1, quantity.first)
                if inner is not None and self._fit(inner):
                    return inner
        if low(self.tokens, quantity.last + 1) in ("at", "in", "on", "for", "from"):
            return self.phrase(quantity.last + 2, min(piece.stop, quantity.last + 8))
        return None

    def _doing(self, start: int, stop: int) -> Span | None:
        """ "Listening to the recordings takes 60 minutes": the whole of what is done."""
        if not low(self.tokens, start).endswith("ing") or low(self.tokens, start + 1) in (
            "it",
            "them",
            "takes",
        ):
            return None
        for at in range(start + 2, min(stop, start + 9)):
            if self.tokens[at].kind != "word" or at in self.taken:
                return None
            if low(self.tokens, at) in (
                "takes",
                "costs",
                "needs",
                "uses",
                "consumes",
                "lasts",
                "keeps",
                "requires",
                "is",
            ):
                return (start, at)
        return None

    def _link(self, first: int, stop: int) -> int:
        """Where a new statement begins behind a number; the end where none does."""
        for at in range(first, stop):
            if low(self.tokens, at) in (",", "and", ";", ":", "or", "but", "while", ")"):
                return at
        return stop

    def _possessor(self, span: Span) -> bool:
        return low(self.tokens, span[1] - 1).endswith("'s")

    def _known(self) -> None:
        """Places and machines said with an article or bare: "the cloud", "home", "granny's tablet"."""
        covered = self.covered
        entries: list[tuple[str, str, str, Span]] = []
        counted = {q.noun for q in self.found if not q.unit and not q.per and q.value >= 2}
        for at, token in enumerate(self.tokens):
            head = token.low.removesuffix("'s")
            if token.kind != "word" or at in self.taken or at in covered or head != singular(head):
                continue
            kind = next((k for k in ("site", "device") if head in KINDS[k]), "")
            if not kind or head in _COMMON:
                continue
            first = self._widen(at, covered)
            if first == at and head in counted:
                continue  # "six boxes ... a box" is one of the six
            article = low(self.tokens, first - 1)
            bare = head in ("home", "cloud", "edge", "upstairs", "downstairs", "on-prem", "on-premises")
            if not (article in _DETERMINERS or bare or "'" in self.tokens[first].text[:-1]) or self._compound(
                at
            ):
                continue
            if first == at and any(label != head and label.split()[-1] == head for label in self.book):
                continue
            entries.append((self._name((first, at + 1)), head, kind, (first, at + 1)))
        distinct = {head for _, head, _, _ in entries} | set(self.book)
        if len(distinct) < 2:
            return
        longer: dict[str, set[str]] = {}
        for label, head, _, _ in entries:
            longer.setdefault(head, set()).add(label.lower())
        for label, head, kind, span in entries:
            others = [name for name in longer[head] if name != head]
            whole = next((lab for lab, h, _, _ in entries if h == head and lab.lower() in others), label)
            add(self.book, whole if label.lower() == head and len(others) == 1 else label, kind, *span)

    def _widen(self, at: int, covered: set[int]) -> int:
        first = at
        while first and at - first < 2:
            token = self.tokens[first - 1]
            if token.kind != "word" or first - 1 in covered or first - 1 in self.taken or token.low in _STOP:
                break
            if token.low in _VERBS or token.low in _DETERMINERS or token.low.endswith(("ing", "ly")):
                break
            if singular(token.low) != token.low and "'" not in token.low:
                break
            first -= 1
        return first

    def _compound(self, at: int) -> bool:
        """ "the edge server", "home page": the word only modifies the next."""
        follows = low(self.tokens, at + 1)
        if self.tokens[at].low.endswith("'s"):
            return False
        return (
            follows.isalpha()
            and follows not in _STOP | _VERBS
            and singular(follows) in KINDS["site"] | KINDS["device"] | GENERIC
        )
