"""Choosing among plans now. `load_policy` finds a policy by name; each policy is one file of `policies`."""

from __future__ import annotations

from gramwise.core import plugins
from gramwise.core.protocols import Policy


def load_policy(name: str) -> Policy:
    """The policy called ``name``, built in or registered under the entry point group ``gramwise.policy``.

    Raises:
        ConfigError: no such policy; the message names the nearest one.
    """
    policy: Policy = plugins.create("policy", name)
    return policy


def policy_names() -> list[str]:
    """Every policy that `load_policy` knows, sorted."""
    return plugins.names("policy")
