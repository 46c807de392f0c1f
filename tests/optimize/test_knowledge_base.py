"""The shipped cards are whole; a broken card is refused with its file and its id."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import gramwise.data
from gramwise.core.errors import ConfigError
from gramwise.fleet.catalogue import device
from gramwise.grid.sources.annual import Annual
from gramwise.optimize.compiled.evaluate import evaluate
from gramwise.optimize.knowledge.base import load, shipped
from gramwise.optimize.knowledge.checks import faults
from gramwise.optimize.knowledge.fill import fill, worked_problem
from gramwise.optimize.knowledge.reach import reach
from gramwise.optimize.solvers.milp import MilpSolver
from gramwise.optimize.typed.bind import bind

FOLDER = Path(str(gramwise.data.__file__)).parent / "knowledge"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "knowledge"))


def test_what_ships_has_fifteen_families_and_sixty_formulas() -> None:
    base = shipped()
    assert len(base.of("family")) == 15
    assert len(base.of("formula")) >= 60
    assert all(len(e.source) >= 8 for e in base.entries.values())


def test_every_family_has_words_of_three_registers() -> None:
    for entry in shipped().of("family"):
        assert len(entry.aliases) >= 10, entry.id
        assert len(entry.stories) >= 5, entry.id


def test_a_symbol_means_one_thing() -> None:
    texts = [(s.text, s.index) for s in shipped(seldom=True).symbols.values()]
    assert len(set(texts)) == len(texts)


def test_the_usual_cards_speak_of_nothing_seldom() -> None:
    whole, usual = shipped(seldom=True), shipped()
    seldom = {s.name for s in whole.symbols.values() if s.seldom}
    assert len(seldom) >= 60
    assert seldom.isdisjoint(usual.symbols)
    assert list(faults(usual.symbols, usual.entries)) == []
    for entry in usual.of("family"):
        model, full = entry.model, whole.family(entry.id).model
        assert model is not None
        assert full is not None
        terms = (*model.variables, *model.derived, *model.constraints)
        left_out = seldom | set(full.seldom)
        assert left_out.isdisjoint(n for t in terms for n in (*t.needs, *t.unless)), entry.id
        assert left_out.isdisjoint((*model.optional, *model.pulls)), entry.id


def test_what_few_texts_state_is_told_in_many_ways() -> None:
    for symbol in shipped(seldom=True).symbols.values():
        if symbol.seldom:
            assert len(set(symbol.cues)) >= 8, symbol.name


def test_zone_and_device_cards_repeat_the_tables() -> None:
    base = shipped()
    fact = base.entries["zone.FR"].facts[0]
    assert fact.value == Annual().intensity("FR").quantity.value
    assert "France" in base.entries["zone.FR"].aliases
    power = next(f for f in base.entries["device.pi4"].facts if f.text.startswith("power at full load"))
    assert power.value == device("pi4").busy_w
    assert power.low <= power.value <= power.high


@pytest.mark.parametrize("entry", shipped().of("worked"), ids=lambda e: e.id)
def test_a_worked_problem_solves_to_its_stated_optimum(entry: object) -> None:
    from gramwise.optimize.knowledge.entry import Entry

    assert isinstance(entry, Entry)
    assert entry.worked is not None
    bound, findings = bind(worked_problem(entry))
    assert bound is not None, findings
    answer = MilpSolver().solve(bound)
    assert answer.grams == pytest.approx(entry.worked.optimum_g, rel=1e-6)
    assert answer.point is not None
    assert evaluate(bound, answer.point[None]).worst[0] <= 1e-6


def test_a_worked_problem_cites_its_card_for_every_number() -> None:
    problem = worked_problem(shipped().entries["worked.cache"])
    assert {p.source for p in problem.params} == {"kb:worked.cache"}


def test_filling_without_a_needed_number_names_it() -> None:
    worked = shipped().entries["worked.cache"].worked
    assert worked is not None
    values = {k: v for k, v in worked.values.items() if k != "n_req"}
    with pytest.raises(ConfigError, match="n_req"):
        fill(worked.model_copy(update={"values": values}), source="kb:x")


def test_reach_holds_what_formulas_lead_back_to() -> None:
    names = {s.name for s in reach(shipped().family("family.assignment"))}
    assert {"E", "kappa", "W", "f", "rate", "P_tx_db", "CI"} <= names
    assert "bat_cap" not in names


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("formulas.toml", 'expr = "P[j,s]*t_run[j,s]"', 'expr = "P[j,s]*"', "formula.E_power_time"),
        (
            "formulas.toml",
            'expr = "P[j,s]*t_run[j,s]"',
            "expr = \"__import__('os')\"",
            "formula.E_power_time",
        ),
        ("formulas.toml", 'requires = ["P", "t_run"]', 'requires = ["P"]', "t_run"),
        ("family_cache.toml", '"E_fetch", "n_req"', '"E_fetsch", "n_req"', "E_fetsch"),
        ("family_cache.toml", 'kind = "family"', 'kind = "famly"', "family.cache"),
        ("family_cache.toml", 'lhs = "sum(j in JOB) x[j]"', 'lhs = "sum(j in JOB x[j]"', "family.cache"),
        ("symbols.toml", 'unit = "W"', 'unit = "watz"', "symbols.toml"),
        ("traps.toml", 'id = "trap.wh_j"', 'id = "trap.w_j"', "trap.w_j"),
        ("worked.toml", "[[entry]]", "[[entry", "worked.toml"),
    ],
)
def test_a_broken_card_is_refused_with_its_name(copy: Path, file: str, old: str, new: str, says: str) -> None:
    text = (copy / file).read_text(encoding="utf-8")
    assert old in text
    (copy / file).write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(copy)
    assert says in str(caught.value)
    assert file in str(caught.value)
