"""What a split plan moves when it runs is what planning charged for it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from split_kit import pieces_between, stages_of

from gramwise.core.decision import Stage
from gramwise.core.errors import Infeasible
from gramwise.core.machines import Link
from gramwise.core.protocols import Held, Ran
from gramwise.partition.instances import SHAPES, random_problem
from gramwise.partition.problem import Problem, Split, evaluate
from gramwise.partition.solver import result
from gramwise.runtime.chain import OUTSIDE, Chain, Move, Network, Route


def network_of(p: Problem) -> Network:
    """The links of a problem as a scenario would declare them."""
    names = (*p.nodes, OUTSIDE)
    links = {}
    for i, start in enumerate(names):
        for j, end in enumerate(names):
            fixed_s, s_per_byte = float(p.ways.fixed_s[i, j]), float(p.ways.s_per_byte[i, j])
            if i != j and math.isfinite(fixed_s):
                links[start, end] = Link(
                    rtt_s=2 * fixed_s, bytes_per_s=1 / s_per_byte if s_per_byte else None
                )
    line = None if p.line is None else tuple(p.nodes[node] for node in p.line)
    return Network(links=links, origin=names[p.origin], destination=names[p.destination], line=line)


@pytest.mark.parametrize("line", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_links_delay_a_request_by_what_planning_says(shape: str, line: bool) -> None:
    compared = 0
    for seed in range(40):
        p = random_problem(shape, 8, 3, seed, line=line, missing_links=0.2)  # type: ignore[arg-type]
        rng = np.random.default_rng(seed)
        place = np.sort(rng.integers(0, 3, 8))
        if p.line is not None:
            place = np.array(p.line)[place]
        costs = evaluate(p, place[None])
        answers = [t.name for t in p.tensors if t.wanted]
        network = network_of(p)
        split = Split(tuple(place.tolist()), 0.0, False)
        if not math.isfinite(costs.latency_s[0]):
            with pytest.raises(Infeasible, match="no link leads or the input must stay"):
                result(p, "by hand", split, 0.0)
            continue
        route = Route(result(p, "by hand", split, 0.0).stages, network, answers)
        sizes = {t.name: float(t.bytes) for t in p.tensors}
        wait = network.wait(route.moves)
        linked_s = wait.fixed_s + wait.transfer_s(sizes)
        assert linked_s == pytest.approx(costs.latency_s[0] - costs.busy_s[0].sum(), rel=1e-9, abs=1e-12)
        assert sum(sizes[move.tensor] for move in route.moves) == pytest.approx(costs.moved_bytes[0])
        compared += 1
    assert compared >= 12


def test_what_stays_is_what_later_stages_read_and_the_answer_comes_back() -> None:
    pieces = pieces_between(("h2",), ("h4",))
    route = Route(stages_of("aba", pieces), Network(links={("a", "b"): Link(rtt_s=0.2, bytes_per_s=1e3)}))
    assert route.hold == (("h2",), ("h4",), ())
    assert route.answers == ("logits",)
    assert route.into == (
        (Move("input", OUTSIDE, "a"),),
        (Move("h2", "a", "b"),),
        (Move("h4", "b", "a"),),  # the input is there already
    )
    assert route.out == (Move("logits", "a", OUTSIDE),)
    wanted_twice = Route(stages_of("ab", pieces_between(("h4",))), Network(), ["h4", "logits"])
    assert wanted_twice.hold == ((), ())  # what the client wants is passed on by the engine
    assert wanted_twice.into[1][0] == Move("input", OUTSIDE, "b")


def test_a_chain_passes_tensors_on_and_lets_go_of_them_early() -> None:
    a, b, c = stages_of("abc", pieces_between(("h2",), ("h4",)))
    network = Network(links={("a", "b"): Link(rtt_s=0.2, bytes_per_s=1e3), ("c", OUTSIDE): Link(rtt_s=0.5)})
    chain = Chain(Route((a, b, c), network), {"input": np.zeros(3, np.float32)})

    def ran(name: str, nbytes: int) -> Ran:
        held = Held(name=name, dtype="<f4", shape=(nbytes // 4,), nbytes=nbytes, place=None)
        return Ran(outputs={}, start_s=0.0, end_s=0.0, cpu_s=0.0, held={name: held})

    assert chain.delay_s(0) == 0.0  # no link is declared there
    assert list(chain.given(0)) == ["input"]
    assert chain.took(0, first := ran("h2", 400)) == []
    assert chain.delay_s(1) == pytest.approx(0.1 + 0.4)
    assert chain.given(1) == {"h2": first.held["h2"]}
    second = ran("h4", 40)
    assert chain.took(1, second) == [first.held["h2"]]
    assert chain.left() == [second.held["h4"]]
    assert chain.left() == []
    logits = np.ones(2)
    chain.took(2, Ran(outputs={"logits": logits}, start_s=0.0, end_s=0.0, cpu_s=0.0))
    assert chain.answer_delay_s() == 0.25
    assert chain.answer() == {"logits": logits}


def test_tensors_go_along_a_line_from_neighbour_to_neighbour() -> None:
    line = Network(line=("a", "b", "c", "d"))
    assert line.hops("a", "c") == (("a", "b"), ("b", "c"))
    assert line.hops("a", "d", {"b": None, "c": None}) == (("c", "d"),)
    assert line.hops(OUTSIDE, "b") == ((OUTSIDE, "a"), ("a", "b"))
    assert line.hops("c", "c") == ()
    assert Network().hops("a", "c", {"b": None}) == (("a", "c"),)
    skips = [
        Stage(node="a", inputs=("x",), outputs=("t", "u")),
        Stage(node="b", inputs=("t",), outputs=("v",)),
        Stage(node="c", inputs=("u", "v"), outputs=("y",)),
    ]
    into = Route(skips, line).into
    assert into[2] == (Move("u", "a", "b"), Move("u", "b", "c"), Move("v", "b", "c"))
