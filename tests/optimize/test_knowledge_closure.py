"""Closure: given, derived or asked; fewest questions, no cycles, the same each time."""

from __future__ import annotations

from itertools import combinations

from gramwise.optimize.knowledge.base import shipped
from gramwise.optimize.knowledge.closure import close, close_family
from gramwise.optimize.knowledge.reach import reach


def ids(closed: object) -> list[str]:
    from gramwise.optimize.knowledge.closure import Closure

    assert isinstance(closed, Closure)
    return [e.id for e in closed.derivations]


def test_a_given_symbol_is_not_derived() -> None:
    closed = close(["E"], ["E", "P", "t_run"])
    assert closed.complete
    assert ids(closed) == []


def test_cycles_and_radio_energy_are_derived_from_what_is_given() -> None:
    given = ["CI", "W", "f", "kappa", "D", "rate", "P_tx", "L"]
    closed = close_family("family.assignment", given)
    assert closed.complete
    assert set(ids(closed)) == {
        "formula.E_cpu",
        "formula.E_tx_radio",
        "formula.t_run_cycles",
        "formula.t_tx_rate",
    }


def test_a_given_running_time_makes_us_ask_for_the_power() -> None:
    closed = close(["E"], ["t_run"])
    assert [m.symbol for m in closed.missing] == ["P"]
    assert closed.missing[0].unit == "W"


def test_nothing_given_is_one_question_not_three() -> None:
    closed = close(["E"], [])
    assert [m.symbol for m in closed.missing] == ["E"]
    assert ("P", "t_run") in closed.missing[0].alternatives


def test_what_is_asked_for_once_is_known_afterwards() -> None:
    closed = close(["t_run", "E"], ["f", "kappa"])
    assert [m.symbol for m in closed.missing] == ["W"]


def test_mutual_definitions_do_not_run_in_circles() -> None:
    assert ids(close(["dur"], ["E_job", "P_job"])) == ["formula.dur"]
    assert [m.symbol for m in close(["P_job"], []).missing] == ["P_job"]


def test_derivations_stand_behind_what_they_rest_on() -> None:
    order = ids(close(["E_upl", "E_lv"], ["P_tx_0_db", "D_mod", "rate_s", "W", "f_o", "P_o"]))
    assert order.index("formula.P_tx_0") < order.index("formula.E_upl_radio")
    assert order.index("formula.t_lv") < order.index("formula.E_lv_power")


def test_the_way_that_uses_more_of_the_text_wins() -> None:
    closed = close(["t_e2e"], ["t_dev", "t_rem", "D_cut", "rate_0"])
    assert "formula.t_e2e" in ids(closed)


def test_a_neutral_default_is_taken_and_told() -> None:
    assert close(["T_acc"], []).defaulted == ("T_acc",)
    assert close(["T_acc"], ["T_hor"]).defaulted == ()


def test_a_limit_pulls_in_what_it_needs() -> None:
    closed = close_family("family.assignment", ["E", "CI", "L"])
    assert [m.symbol for m in closed.missing] == ["t_run"]


def test_the_alternative_that_asks_for_least_is_taken() -> None:
    closed = close_family("family.clock", ["CI_0", "W", "kappa_0", "f_lo", "f_hi"])
    assert closed.complete
    assert close_family("family.clock", ["CI_0", "P_o", "t_lv"]).complete


def test_every_pair_of_formulas_closes_deterministically_and_in_order() -> None:
    base = shipped()
    for family in base.of("family"):
        names = [s.name for s in reach(family) if not s.flag]
        for pair in list(combinations(names, 2))[:25]:
            first, again = close_family(family, pair), close_family(family, pair)
            assert first == again
            known = set(pair) | {m.symbol for m in first.missing} | set(first.defaulted) | {"remote"}
            for card in first.derivations:
                assert set(card.requires) <= known, (family.id, pair, card.id)
                known.add(str(card.defines))
