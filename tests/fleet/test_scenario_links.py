"""Who can speak to whom: links of a node's own, links between two places, and what a split plan must keep to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gramwise.core.errors import ConfigError
from gramwise.core.machines import Link
from gramwise.fleet.scenario import Scenario, links_of, load_scenario

Write = Callable[..., Path]

OSLO_LINK = """
[nodes.oslo.link]
bytes_per_s = 5e6
rtt_s = 0.03
energy_j_per_byte = 2e-7
source = "plug meter"
"""

PAIR = """
[[links]]
from = "lyon"
to = "oslo"
bytes_per_s = 1e6
rtt_s = 0.04
energy_j_per_byte = 3e-7
receive_j_per_byte = 1e-7
source = "plug meters"
"""


def load(file: Path, **arguments: Any) -> Scenario:
    return load_scenario(file, environ={}, **arguments)


@pytest.fixture
def ask(write: Write) -> Callable[[str], Scenario]:
    """The valid scenario with more tables before [goals]."""

    def ask(more: str) -> Scenario:
        return load(write("[goals]", f"{more}\n[goals]"))

    return ask


@pytest.fixture
def refused(write: Write) -> Callable[[str], ConfigError]:
    def refused(more: str) -> ConfigError:
        file = write("[goals]", f"{more}\n[goals]")
        with pytest.raises(ConfigError) as caught:
            load(file)
        assert str(caught.value).startswith(f"{file}: {caught.value.key}: ")
        return caught.value

    return refused


def test_the_client_reaches_a_node_by_the_nodes_own_link(ask: Callable[[str], Scenario]) -> None:
    links = links_of(ask(OSLO_LINK))
    own = Link(bytes_per_s=5e6, rtt_s=0.03, energy_j_per_byte=2e-7, source="plug meter")
    assert links["", "oslo"] == links["oslo", ""] == own
    assert links["", "lyon"] == Link(bytes_per_s=1.25e7, rtt_s=0.002)


def test_without_links_two_nodes_speak_through_both_of_their_own(ask: Callable[[str], Scenario]) -> None:
    links = links_of(ask(OSLO_LINK))
    there = links["lyon", "oslo"]
    assert there.rtt_s == pytest.approx(0.032)
    # One byte takes 80 ns on the first link and 200 ns on the second.
    assert there.bytes_per_s == pytest.approx(1 / 280e-9)
    assert (there.energy_j_per_byte, there.receive_j_per_byte) == (None, None)
    assert set(links) == {(a, b) for a in ("", "lyon", "oslo") for b in ("", "lyon", "oslo") if a != b}


def test_two_known_energies_are_spent_each_at_its_own_end(write: Write) -> None:
    text = write("[goals]", f"{OSLO_LINK}\n[goals]").read_text("utf-8")
    more = 'rtt_s = 0.002\nenergy_j_per_byte = 5e-8\nsource = "data sheet"'
    links = links_of(load(write("rtt_s = 0.002", more, text=text)))
    forth, back = links["lyon", "oslo"], links["oslo", "lyon"]
    assert (forth.energy_j_per_byte, forth.receive_j_per_byte) == (5e-8, 2e-7)
    assert (back.energy_j_per_byte, back.receive_j_per_byte) == (2e-7, 5e-8)
    assert forth.source == "data sheet; plug meter"


def test_a_bandwidth_that_nobody_declared_takes_no_time(ask: Callable[[str], Scenario]) -> None:
    links = links_of(ask(""))
    assert links["lyon", "oslo"].bytes_per_s == pytest.approx(1.25e7)
    assert links["lyon", "oslo"].rtt_s == 0.002


def test_a_declared_link_is_the_same_both_ways(ask: Callable[[str], Scenario]) -> None:
    links = links_of(ask(PAIR))
    expected = Link(
        bytes_per_s=1e6, rtt_s=0.04, energy_j_per_byte=3e-7, receive_j_per_byte=1e-7, source="plug meters"
    )
    assert links["lyon", "oslo"] == links["oslo", "lyon"] == expected
    assert links["", "lyon"].bytes_per_s == 1.25e7


def test_a_one_way_link_leaves_the_other_direction_without(ask: Callable[[str], Scenario]) -> None:
    links = links_of(ask(f"{PAIR}one_way = true\n"))
    assert ("lyon", "oslo") in links
    assert ("oslo", "lyon") not in links


@pytest.mark.parametrize("client", ["client", ""])
def test_a_link_from_the_client_replaces_the_nodes_own(ask: Callable[[str], Scenario], client: str) -> None:
    links = links_of(ask(f'[[links]]\nfrom = "{client}"\nto = "lyon"\nrtt_s = 0.5\none_way = true\n'))
    assert links["", "lyon"] == Link(rtt_s=0.5)
    assert links["lyon", ""].rtt_s == 0.002
    assert ("lyon", "oslo") not in links


def test_a_node_that_is_called_client_is_that_node(write: Write) -> None:
    text = write("[goals]", f"{PAIR}\n[goals]").read_text("utf-8").replace("oslo", "client")
    links = links_of(load(write(text=text)))
    assert ("lyon", "client") in links
    assert links["", "lyon"].rtt_s == 0.002


def test_an_empty_list_of_links_lets_no_node_speak_to_another(write: Write) -> None:
    scenario = load(write("[models.digits]", "links = []\n[models.digits]"))
    assert set(links_of(scenario)) == {("", "lyon"), ("lyon", ""), ("", "oslo"), ("oslo", "")}
    assert set(links_of(load(write("schema = 1", "links = []\nschema = 1")))) == set(links_of(scenario))


def test_links_and_split_read_back_as_they_were(ask: Callable[[str], Scenario], tmp_path: Path) -> None:
    more = """
[split]
origin = "lyon"
input_stays = true
line = ["lyon", "oslo"]
rate_per_s = 4.0
[split.may_run]
Conv = ["oslo"]
"com.microsoft:FusedConv" = ["oslo", "lyon"]
"""
    for tables in (PAIR + more, f"{PAIR}one_way = true\n", more, ""):
        first = ask(tables)
        copy = tmp_path / "copy.toml"
        copy.write_text(first.toml(), "utf-8")
        again = load(copy)
        assert again.model_dump() == first.model_dump()
        assert links_of(again) == links_of(first)


def test_an_empty_list_of_links_reads_back_as_one(write: Write, tmp_path: Path) -> None:
    first = load(write("schema = 1", "links = []\nschema = 1"))
    copy = tmp_path / "copy.toml"
    copy.write_text(first.toml(), "utf-8")
    assert load(copy).links == ()


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ('to = "oslo"', 'to = "osslo"', "links.0.to", "there is no node 'osslo'. Did you mean 'oslo'?"),
        ('from = "lyon"', 'from = "cliant"', "links.0.from", "Did you mean 'client'?"),
        ('to = "oslo"', 'to = "lyon"', "links.0.to", "leads from 'lyon' to itself. Name another node."),
        ('from = "lyon"\n', "", "links.0.from", 'Write for instance from = "lyon".'),
        ('to = "oslo"', 'to = "os lo"', "links.0.to", "letters, digits"),
        ('source = "plug meters"\n', "", "links.0.source", "an energy figure needs a source"),
        (
            'energy_j_per_byte = 3e-7\nreceive_j_per_byte = 1e-7\nsource = "plug meters"',
            "receive_j_per_byte = 1e-7",
            "links.0.energy_j_per_byte",
            "what sending takes is not. Write energy_j_per_byte with its source",
        ),
        ("rtt_s = 0.04", "rtt = 0.04", "links.0.rtt", "[links.0] has no key 'rtt'. Did you mean 'rtt_s'?"),
        ("bytes_per_s = 1e6", "bytes_per_s = 0", "links.0.bytes_per_s", "greater than 0"),
        ("receive_j_per_byte = 1e-7", "receive_j_per_byte = -1", "links.0.receive_j_per_byte", "to 0"),
        ("[[links]]", "[links]", "links", "it must be a list"),
    ],
)
def test_each_fault_of_a_link_says_what_to_write(
    refused: Callable[[str], ConfigError], old: str, new: str, key: str, says: str
) -> None:
    assert old in PAIR
    error = refused(PAIR.replace(old, new, 1))
    assert error.key == key
    assert says in str(error)


@pytest.mark.parametrize(
    "second",
    [
        'from = "lyon"\nto = "oslo"',
        'from = "oslo"\nto = "lyon"',
        'from = "oslo"\nto = "lyon"\none_way = true',
    ],
)
def test_a_direction_that_stands_there_twice(refused: Callable[[str], ConfigError], second: str) -> None:
    error = refused(f"{PAIR}[[links]]\n{second}\n")
    assert error.key == "links.1"
    assert "stands in links.0 already. Keep one of the two" in str(error)


def test_two_one_way_links_may_differ(ask: Callable[[str], Scenario]) -> None:
    back = '[[links]]\nfrom = "oslo"\nto = "lyon"\nrtt_s = 9.0\none_way = true\n'
    links = links_of(ask(f"{PAIR}one_way = true\n{back}"))
    assert (links["lyon", "oslo"].rtt_s, links["oslo", "lyon"].rtt_s) == (0.04, 9.0)


@pytest.mark.parametrize(
    ("table", "key", "says"),
    [
        ('origin = "lion"', "split.origin", "Did you mean 'lyon'?"),
        ('destination = "lion"', "split.destination", "Did you mean 'lyon'?"),
        ('line = ["lyon", "olso"]', "split.line", "Did you mean 'oslo'?"),
        ('line = ["lyon", "oslo", "lyon"]', "split.line", "'lyon' stands there twice"),
        ("line = []", "split.line", "it is empty"),
        ("input_stays = true", "split.origin", "who runs nothing. Write origin = one of: lyon, oslo."),
        ("rate_per_s = 0", "split.rate_per_s", "greater than 0"),
        ('may_run.Conv = ["npu"]', "split.may_run.Conv", "there is no node 'npu'"),
        ('may_run.Conv = ["client"]', "split.may_run.Conv", "there is no node 'client'"),
        ("may_run.Conv = []", "split.may_run.Conv", "it is empty"),
        ('orgin = "lyon"', "split.orgin", "Did you mean 'origin'?"),
    ],
)
def test_each_fault_of_split_says_what_to_write(
    refused: Callable[[str], ConfigError], table: str, key: str, says: str
) -> None:
    error = refused(f"[split]\n{table}\n")
    assert error.key == key
    assert says in str(error)


def test_a_line_needs_its_links(
    refused: Callable[[str], ConfigError], ask: Callable[[str], Scenario]
) -> None:
    line = '[split]\nline = ["oslo", "lyon"]\n'
    assert ask(PAIR + line).split.line == ("oslo", "lyon")
    error = refused(f"{PAIR}one_way = true\n{line}")
    assert error.key == "split.line"
    assert 'Add a [[links]] table with from = "oslo" and to = "lyon"' in str(error)


def test_a_share_of_a_nodes_time_needs_a_rate(write: Write) -> None:
    partly = write("cpu_share = 0.4", "cpu_share = 0.4\ntaken_frac = 0.3")
    with pytest.raises(ConfigError, match=r"leaves 0\.7 of its time free") as caught:
        load(partly)
    assert caught.value.key == "split.rate_per_s"
    assert load(partly, overrides={"split.rate_per_s": 2.0}).nodes["lyon"].taken_frac == 0.3
    full = write("cpu_share = 0.4", "cpu_share = 0.4\ntaken_frac = 1.0")
    assert load(full).nodes["lyon"].taken_frac == 1.0
    with pytest.raises(ConfigError, match="less than or equal to 1"):
        load(write("cpu_share = 0.4", "cpu_share = 0.4\ntaken_frac = 30"))
