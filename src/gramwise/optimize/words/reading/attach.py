"""Whom a number is said of: lists paired with lists, a name and its numbers, "it", "both", a heading."""

from __future__ import annotations

from .clauses import Piece
from .members import GENERIC, Member
from .numbers import low, singular_unit
from .quantities import Quantity
from .tokens import NUMBER_WORDS, Token
from .unitwords import singular
from .vocabulary import words

_ALL = words("attach.all")
_AT = frozenset(["at", "in", "for", "on", "from", "by", "of"])

_ORDINALS = {
    w: k + 1
    for k, w in enumerate(["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"])
}
_VERBAL = words("attach.verbal")
_JOINING = words("attach.joining")

_OFFERING = words("attach.offering")

Mention = tuple[int, int, int]


class Attacher:
    """Pairs the quantities of a text with its members, one group at a time."""

    def __init__(
        self, tokens: list[Token], cuts: list[Piece], found: list[Quantity], people: list[Member]
    ) -> None:
        self.tokens, self.cuts, self.found, self.people = tokens, cuts, found, people
        self.pointed: list[Mention] = []
        self.groups: dict[int, list[int]] = {}
        for k, member in enumerate(people):
            self.groups.setdefault(member.group, []).append(k)

    def run(self) -> None:
        """Sets ``subjects`` of every quantity."""
        by_sentence: dict[int, list[Quantity]] = {}
        for quantity in self.found:
            by_sentence.setdefault(self.cuts[quantity.clause].sentence, []).append(quantity)
        spans: dict[int, tuple[int, int]] = {}
        for piece in self.cuts:
            first, stop = spans.get(piece.sentence, (piece.first, piece.stop))
            spans[piece.sentence] = (min(first, piece.first), max(stop, piece.stop))
        self.pointed = self._pointers()
        for group in self.groups.values():
            self._group(group, by_sentence, spans)

    def _pointers(self) -> list[Mention]:
        """ "The first two", "the latter", "the third", "the others": mentions by place in the list named last."""
        spans = sorted(
            (a, k)
            for group in self.groups.values()
            if len(group) > 1
            for k in group
            for a, _ in self.people[k].mentions
        )
        made: list[Mention] = []
        at = 0
        recent: list[int] = []
        latest: list[int] = []
        for place, token in enumerate(self.tokens):
            while at < len(spans) and spans[at][0] <= place:
                latest, at = self.groups[self.people[spans[at][1]].group], at + 1
            if token.text in ".;:" or token.kind == "newline" or not recent:
                recent = latest
            if (
                not recent
                or low(self.tokens, place - 1) not in ("the", "all", "and", ",")
                or token.kind == "punct"
            ):
                continue
            span, chosen = self._pointed_at(place, recent)
            made.extend((place, place + span, k) for k in chosen)
        return made

    def _pointed_at(self, place: int, group: list[int]) -> tuple[int, list[int]]:
        word, after = low(self.tokens, place), low(self.tokens, place + 1)
        if word in ("former", "latter") and len(group) > 1:
            return 1, [group[-2] if word == "former" else group[-1]]
        count = int(NUMBER_WORDS.get(after, 0)) or (int(after) if after.isdigit() and len(after) < 3 else 0)
        if (
            word in ("first", "last")
            and 0 < count < len(group)
            and not singular_unit(low(self.tokens, place + 2))
        ):
            return 2, group[:count] if word == "first" else group[-count:]
        ordinal = _ORDINALS.get(word, 0)
        follows = after in _VERBAL or singular(after) == self.people[group[0]].noun
        if ordinal and ordinal <= len(group) and low(self.tokens, place - 1) == "the" and follows:
            return 1, [group[ordinal - 1]]
        return 0, []

    def _group(
        self, group: list[int], by_sentence: dict[int, list[Quantity]], spans: dict[int, tuple[int, int]]
    ) -> None:
        mentions = sorted(
            [(a, b, k) for k in group for a, b in self.people[k].mentions]
            + [m for m in self.pointed if m[2] in group]
        )
        topic: list[int] = []
        at, last = 0, -9
        heads = {self.people[k].label.lower(): k for k in group}
        for sentence, (first, stop) in sorted(spans.items()):
            while at < len(mentions) and mentions[at][0] < first:
                at += 1
            here = []
            while at < len(mentions) and mentions[at][0] < stop:
                here.append(mentions[at])
                at += 1
            quantities = by_sentence.get(sentence, [])
            if here:
                self._pair(here, quantities, group)
                blocks = self._blocks(here)
                topic = [k for _, _, k in blocks[0]]
                last = sentence
            elif quantities and (opener := self._opener(first, mentions)):
                self._say(quantities, opener, group)
            elif quantities:
                if sentence - last <= 2 and self._in_order(quantities, group):
                    continue
                self._carry(quantities, topic, group, heads, first, stop)

    def _opener(self, first: int, mentions: list[Mention]) -> list[int]:
        """ "- West: ... a day. Six at most.": the one member that opens the line of a later sentence, where the lines
        of others open alike."""
        begin = first
        while begin and self.tokens[begin - 1].kind != "newline":
            begin -= 1
        if begin == first or not any(t.kind == "newline" for t in self.tokens):
            return []
        inside = {k for a, _, k in mentions if begin <= a < first}
        opens = {k for a, _, k in mentions if self._opens_line(a)}
        mine = {k for a, _, k in mentions if begin <= a < first and self._opens_line(a)}
        return list(mine) if len(inside) == 1 and mine == inside and len(opens) > 1 else []

    def _opens_line(self, at: int) -> bool:
        while at and self.tokens[at - 1].text in ("-", "*", "+", "the", "The", "In", "At", "in", "at"):
            at -= 1
        return at == 0 or self.tokens[at - 1].kind == "newline"

    def _in_order(self, quantities: list[Quantity], group: list[int]) -> bool:
        """A list as long as the group, in the order in which its members were named."""
        paired = False
        for series in self._lists(quantities):
            rivals = [g for g in self.groups.values() if len(g) == len(series) and self._known(g, series[0])]
            if len(series) == len(group) > 1 and len(rivals) == 1 and not self._offered(series):
                paired = True
                for k, quantity in zip(group, series, strict=True):
                    self._say([quantity], [k], group)
        return paired

    def _carry(
        self,
        quantities: list[Quantity],
        topic: list[int],
        group: list[int],
        heads: dict[str, int],
        first: int,
        stop: int,
    ) -> None:
        """No member is named: a heading, a pronoun or "both" may stand for one."""
        heading = self.cuts[quantities[0].clause].heading.lower()
        owners = [k for label, k in heads.items() if label == heading or label in heading.split(" and ")]
        owners = owners or [k for label, k in heads.items() if label in heading]
        opening = [t.low for t in self.tokens[first : min(stop, first + 4)] if t.kind == "word"]
        if len(owners) == 1:
            self._say(quantities, owners, group)
        elif opening and opening[0] in _ALL:
            return
        elif topic and any(
            word in ("it", "its", "there", "this", "which", "whose", "here") for word in opening
        ):
            self._say(quantities, topic, group)

    def _say(self, quantities: list[Quantity], owners: list[int], group: list[int]) -> None:
        if len(owners) == len(group) and len(group) > 1:
            return
        for quantity in quantities:
            for k in owners:
                label = self.people[k].label
                if label not in quantity.subjects:
                    quantity.subjects.append(label)

    def _blocks(self, here: list[Mention]) -> list[list[Mention]]:
        """Mentions joined by commas and "and" form one block."""
        blocks: list[list[Mention]] = []
        for mention in here:
            if blocks:
                between = [t.low for t in self.tokens[blocks[-1][-1][1] : mention[0]]]
                close = len(between) <= 6 and all(w in _JOINING or w in GENERIC for w in between)
                if close and (not between or any(w in (",", "and", "or", "/", "&") for w in between)):
                    blocks[-1].append(mention)
                    continue
            blocks.append([mention])
        return blocks

    def _pair(self, here: list[Mention], quantities: list[Quantity], group: list[int]) -> None:
        if not quantities:
            return
        blocks = self._blocks(here)
        lists = self._lists(quantities)
        done: set[int] = set()
        for block in blocks:
            if len(block) < 2:
                continue
            for series in lists:
                if len(series) == len(block) and id(series[0]) not in done:
                    for mention, quantity in zip(block, series, strict=True):
                        self._say([quantity], [mention[2]], group)
                        done.add(id(quantity))
        rest = [q for q in quantities if id(q) not in done]
        if not rest:
            return
        after = self._follows(blocks, rest)
        for quantity in rest:
            owner = self._block_of(quantity, blocks, after)
            if owner is not None and not self._choice(owner, quantity):
                self._say([quantity], [k for _, _, k in owner], group)

    def _lists(self, quantities: list[Quantity]) -> list[list[Quantity]]:
        lists: dict[int, list[Quantity]] = {}
        for quantity in quantities:
            if quantity.listed >= 0:
                lists.setdefault(quantity.listed, []).append(quantity)
        return list(lists.values())

    def _known(self, group: list[int], quantity: Quantity) -> bool:
        """Whether the text has named some of the group before the number."""
        return any(a < quantity.first for k in group for a, _ in self.people[k].mentions)

    def _offered(self, series: list[Quantity]) -> bool:
        """ "Allowed frequencies: 1, 1.5 and 2 GHz" may be chosen from, and are not told one of each name."""
        first = series[0].first
        before = {t.low for t in self.tokens[max(self.cuts[series[0].clause].first, first - 9) : first]}
        inside = {t.low for t in self.tokens[series[-2].last + 1 : series[-1].first]}
        behind = {t.low for t in self.tokens[series[-1].last + 1 : series[-1].last + 7]}
        return bool(before & _OFFERING or "or" in inside) and "respectively" not in behind

    def _choice(self, block: list[Mention], quantity: Quantity) -> bool:
        """ "home, bs1 or the cloud" says nothing of one of them, nor does a number of things before any name."""
        words = [t.low for t in self.tokens[block[0][0] : block[-1][1]]]
        if len(block) > 1 and "or" in words:
            return True
        counts = bool(quantity.noun) and not quantity.unit
        return counts and quantity.last < block[0][0] and not self._tied(quantity, block)

    def _follows(self, blocks: list[list[Mention]], rest: list[Quantity]) -> bool:
        """Whether numbers come before their names throughout: "100 g/kWh at A, 200 at B"."""
        if rest[0].first > blocks[0][0][0]:
            return False
        first = blocks[0][0][0]
        ahead = [q for q in rest if q.first < first]
        if len(ahead) < len(rest) and self._opens(first, rest):
            return False
        return (
            low(self.tokens, first - 1) in _AT
            or low(self.tokens, first - 2) in _AT
            or len(ahead) == len(rest)
        )

    def _opens(self, first: int, rest: list[Quantity]) -> bool:
        """Whether a name opens a new statement: "60 g at my place, in Oslo it is 30"."""
        before = [t.low for t in self.tokens[max(0, first - 3) : first]]
        parted = any(w in (",", ";", "and", "but") for w in before)
        following = [q.first for q in rest if q.first > first]
        if not parted or not following:
            return False
        return not any(t.low in (",", ";", "and") for t in self.tokens[first : following[0]])

    def _block_of(self, quantity: Quantity, blocks: list[list[Mention]], after: bool) -> list[Mention] | None:
        left = [b for b in blocks if b[-1][0] < quantity.first]
        right = [b for b in blocks if b[0][0] > quantity.last]
        gap = [t.low for t in self.tokens[left[-1][-1][1] : quantity.first]] if left else []
        if left and len(gap) <= 4 and self._owns(left[-1][-1]) and all(w.isalpha() for w in gap):
            return left[-1]
        if (
            left
            and len(gap) <= 2
            and all(w in ("(", ":", "=", "at", "emits", "has", "is", "-", "uses") for w in gap)
        ):
            return left[-1]
        if (
            left
            and right
            and len(gap) > 3
            and self._tied(quantity, right[0])
            and right[0][0][0] - quantity.last <= 4
        ):
            return right[0]
        if (
            right
            and self._tied(quantity, right[0])
            and (after or not left or self._parted(left[-1], quantity))
        ):
            return right[0]
        if left and not after:
            return left[-1]
        if after and right:
            return right[0]
        if left:
            return left[-1]
        return right[0] if right and self._tied(quantity, right[0]) else None

    def _owns(self, mention: Mention) -> bool:
        """ "Lyon's grid emits 70": the name has an 's."""
        return self.tokens[mention[1] - 1].low.endswith(("'s", "s'"))

    def _tied(self, quantity: Quantity, block: list[Mention]) -> bool:
        """Only a preposition and an article between the number and the name behind it."""
        between = [t.low for t in self.tokens[quantity.last + 1 : block[0][0]]]
        if between == ["("]:
            return True
        return (
            len(between) <= 4
            and any(w in _AT for w in between)
            and not any(w in (",", ";", "and", "or", "but") for w in between)
        )

    def _parted(self, block: list[Mention], quantity: Quantity) -> bool:
        between = [t.low for t in self.tokens[block[-1][1] : quantity.first]]
        return any(w in (",", ";", ":", "and", "but", "while") for w in between)
