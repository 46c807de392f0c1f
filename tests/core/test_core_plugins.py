"""Finding implementations: module names, modes by the longest leading part, entry points, and names nobody knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gramwise.core import plugins
from gramwise.core.errors import ConfigError
from gramwise.core.protocols import Policy


def test_a_name_is_a_module() -> None:
    assert plugins.create("policy", "grams").name == "grams"
    assert plugins.create("policy", "greenest-zone").name == "greenest-zone"


def test_the_longest_leading_module_wins_and_the_rest_is_the_mode() -> None:
    assert plugins.create("policy", "carbonedge-green").name == "carbonedge-green"
    assert plugins.create("policy", "carbonedge-green-corrected").name == "carbonedge-green-corrected"


def test_every_listed_policy_can_be_made_and_says_its_own_name() -> None:
    names = plugins.names("policy")
    assert names == sorted(names)
    assert {"monolithic", "round-robin", "fastest", "greenest-zone", "amp4ec", "grams"} <= set(names)
    assert {
        f"carbonedge-{m}{c}" for m in ("performance", "balanced", "green") for c in ("", "-corrected")
    } <= set(names)
    for name in names:
        policy = plugins.create("policy", name)
        assert isinstance(policy, Policy)
        assert policy.name == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("gramms", "Did you mean 'grams'?"),
        ("grams-green", "Did you mean"),
        ("carbonedge", "Did you mean 'carbonedge-"),
        ("carbonedge-greenish", "Did you mean 'carbonedge-green'?"),
        ("", "Write one of: amp4ec, "),
        ("../os", "Write one of: amp4ec, "),
        ("__init__", "Write one of: amp4ec, "),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plugins.create("policy", name)
    assert f"there is no policy called {name!r}." in str(caught.value)
    assert hint in str(caught.value)


def test_an_unknown_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no kind of plug-in called 'polcy'\. Did you mean 'policy'"):
        plugins.create("polcy", "grams")
    with pytest.raises(ConfigError, match="no kind"):
        plugins.names("polcy")


@pytest.fixture
def outsider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package, as its installer leaves it, that brings a policy of its own and one that shadows ours."""
    (tmp_path / "outsider_policies.py").write_text(
        "class Lazy:\n    name = 'lazy-bones'\n\nclass Mine:\n    name = 'mine'\n"
    )
    info = tmp_path / "outsider_policies-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outsider-policies\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[gramwise.policy]\nlazy-bones = outsider_policies:Lazy\nfastest = outsider_policies:Mine\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("outsider")
def test_an_entry_point_is_found_and_comes_first() -> None:
    assert "lazy-bones" in plugins.names("policy")
    assert plugins.create("policy", "lazy-bones").name == "lazy-bones"
    assert plugins.create("policy", "fastest").name == "mine"
    assert plugins.create("policy", "grams").name == "grams"


def test_looking_up_one_policy_loads_no_other() -> None:
    code = (
        "import sys; from gramwise.core import plugins; plugins.create('policy', 'round-robin');"
        "assert 'gramwise.schedule.policies.round_robin' in sys.modules;"
        "assert 'gramwise.schedule.policies.carbonedge' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
