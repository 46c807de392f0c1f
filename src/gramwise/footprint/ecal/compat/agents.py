"""Documents for the agentic model: which kind they are, what they may say, and its authors' output names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gramwise.core.errors import ConfigError, did_you_mean

from ..agentic import accelerator, call, language_model, measured_rates, retrieval_j
from ..agentic_links import ARCHETYPES, PLACEMENTS, payload_bit, place
from ..agentic_workflow import Workflow, case_study, cost, debate, tree
from .inputs import Choice, Count, Field, Raw, Real, Schema, read

_TOKENS = Real(0, low=0.0)
_SERVED: dict[str, Field] = {
    "model": Raw("llama3_8b"),
    "hw": Raw("a100"),
    "calibrated": Raw(False),
    "virtualization_overhead": Real(None, high=1.0),
}


def agentic(inputs: Mapping[str, Any]) -> dict[str, float]:
    """Answer one document of the agentic model.

    Args:
        inputs: ``kind`` is one of ``call``, ``four_agent_rag``, ``tree``, ``debate``, ``placement``, ``retrieval`` and
            ``osi_unit``; it may be left out where the other keys tell (``p_in``: call, ``placement``: placement).

    Returns:
        The authors' output names.

    Raises:
        ConfigError: an unknown kind, key, model, accelerator or link; a number out of bounds.
    """
    if not isinstance(inputs, Mapping):
        raise ConfigError("the inputs are not a table of keys.", fix="Write a JSON object.")
    rest = dict(inputs)
    kind = rest.pop("kind", None) or _guess(rest)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ConfigError(f"there is no kind {kind!r}.", key="kind", fix=did_you_mean(str(kind), _KINDS))
    return _KINDS[kind](rest)


def _guess(inputs: Mapping[str, Any]) -> str:
    if "placement" in inputs:
        return "placement"
    if "p_in" in inputs or "p_out" in inputs:
        return "call"
    raise ConfigError("the kind is missing.", key="kind", fix=f"Write one of: {', '.join(_KINDS)}.")


_CALL = Schema({**_SERVED, "p_in": _TOKENS, "p_out": _TOKENS, "batch": Real(1, open_low=True)})


def _call(given: Mapping[str, Any]) -> dict[str, float]:
    v = read(_CALL, given)
    each = call(
        language_model(v["model"]), accelerator(v["hw"]), v["p_in"], v["p_out"], v["batch"], _rates(v)
    )
    return {
        "c_pre": each.prefill_j_per_token,
        "c_dec": each.decode_j_per_token,
        "energy_J": each.energy_j,
        "latency_s": each.latency_s,
    }


def _rates(v: Mapping[str, Any]) -> Any:
    if not isinstance(v["calibrated"], bool):
        raise ConfigError(f"{v['calibrated']!r} is neither true nor false.", key="calibrated")
    if v["calibrated"] and v["hw"] != "a100":
        raise ConfigError("rates were measured on an a100 only.", key="hw", fix="Leave calibrated out.")
    return measured_rates(v["model"]) if v["calibrated"] else None


def _flag(v: Mapping[str, Any], key: str) -> bool:
    if not isinstance(v[key], bool):
        raise ConfigError(f"{v[key]!r} is neither true nor false.", key=key)
    return bool(v[key])


_WORKFLOW: dict[str, Field] = {
    **_SERVED,
    "serving_batch": Real(1, open_low=True),
    "amortised_runs": Real(None, open_low=True),
}
_CASE_STUDY = Schema({**_WORKFLOW, "rounds": Count(1)})
_TREE = Schema(
    {
        **_WORKFLOW,
        "fanout": Count(2),
        "depth": Count(1, low=0),
        "p_out": Real(250, open_low=True),
        "sys_tokens": Real(400),
        "p_in_root": Real(300),
        "aggregate": Raw(True),
        "tx_energy_per_message_J": Real(0.5),
        "carry_history": Raw(False),
    }
)
_DEBATE = Schema(
    {
        **_WORKFLOW,
        "agents": Count(4),
        "rounds": Count(3),
        "p_in": Real(300),
        "p_out": Real(250, open_low=True),
        "history_rounds": Count(None, low=0),
        "exclude_self": Raw(False),
    }
)


def _four_agents(given: Mapping[str, Any]) -> dict[str, float]:
    v = read(_CASE_STUDY, given)
    return _bill(case_study(v["rounds"]), v)


def _tree(given: Mapping[str, Any]) -> dict[str, float]:
    v = read(_TREE, given)
    calls = sum(v["fanout"] ** level for level in range(v["depth"] + 1))
    if calls > 1_000_000:
        raise ConfigError(f"a tree of {calls} calls is too large to walk.", key="depth")
    return _bill(
        tree(
            v["fanout"],
            v["depth"],
            tokens_out=v["p_out"],
            root_tokens=v["p_in_root"],
            aggregate=_flag(v, "aggregate"),
            message_j=v["tx_energy_per_message_J"],
            system_tokens=v["sys_tokens"],
            recalls=_flag(v, "carry_history"),
        ),
        v,
    )


def _debate(given: Mapping[str, Any]) -> dict[str, float]:
    v = read(_DEBATE, given)
    workflow = debate(
        v["agents"],
        v["rounds"],
        tokens_in=v["p_in"],
        tokens_out=v["p_out"],
        history_rounds=v["history_rounds"],
        exclude_self=_flag(v, "exclude_self"),
    )
    return _bill(workflow, v)


def _bill(workflow: Workflow, v: Mapping[str, Any]) -> dict[str, float]:
    model = language_model(v["model"])
    total = cost(
        workflow,
        model,
        accelerator(v["hw"]),
        batch=v["serving_batch"],
        rates=_rates(v),
        virtualisation_frac=v["virtualization_overhead"],
    )
    if v["amortised_runs"] is None:
        per_bit = total.j_per_bit()
    elif model.training_j is None:
        raise ConfigError(
            f"nobody published what training {v['model']} took.", key="amortised_runs", fix="Leave it out."
        )
    else:
        per_bit = total.j_per_bit(model.training_j, v["amortised_runs"])
    return {
        "e_llm": total.llm_j,
        "e_prefill": total.prefill_j,
        "e_decode": total.decode_j,
        "t_llm": total.device_s,
        "t_wall": total.wall_s,
        "e_tool": total.tool_j,
        "e_retrieval": total.retrieval_j,
        "e_transmission": total.send_j,
        "prefill_tokens": total.prompt_tokens,
        "decode_tokens": total.generated_tokens,
        "e_orchestration": total.overhead_j,
        "e_total": total.total_j,
        "agentic_ecal_J_per_bit": per_bit,
    }


_PLACEMENT = Schema(
    {
        "archetype": Raw(""),
        "placement": Choice("", tuple(PLACEMENTS)),
        "segments": Raw(),
        "handoff_tokens": Raw((200, 320, 770)),
    }
)


def _placement(given: Mapping[str, Any]) -> dict[str, float]:
    v = read(_PLACEMENT, given)
    segments = v["segments"]
    if segments is None:
        if v["archetype"] not in ARCHETYPES:
            raise ConfigError(
                f"there is no archetype {v['archetype']!r}.",
                key="archetype",
                fix=did_you_mean(str(v["archetype"]), ARCHETYPES),
            )
        segments = ARCHETYPES[v["archetype"]]
    tokens = v["handoff_tokens"]
    if not isinstance(tokens, (list, tuple)) or not all(type(n) in (int, float) and n >= 0 for n in tokens):
        raise ConfigError("this is not a list of numbers of tokens.", key="handoff_tokens")
    whole = place(segments, v["placement"], tokens)
    return {
        "e_tx_J": whole.energy_j,
        "e_tx_incremental_J": place(segments, v["placement"], tokens, incremental=True).energy_j,
        "latency_s": whole.latency_s,
    }


_RETRIEVAL = Schema({"hw": Raw("a100"), "n_vec": Count(None), "exhaustive": Raw(False)})


def _retrieval(given: Mapping[str, Any]) -> dict[str, float]:
    v = read(_RETRIEVAL, given)
    found = retrieval_j(accelerator(v["hw"]), v["n_vec"], exhaustive=_flag(v, "exhaustive"))
    return {"retrieval_J": found}


def _osi_unit(given: Mapping[str, Any]) -> dict[str, float]:
    read(Schema({}), given)
    names = (
        "cascade_bits_per_payload_bit",
        "endpoint_J_per_payload_bit",
        "endpoint_incl_phy_J_per_payload_bit",
    )
    return dict(zip(names, payload_bit(), strict=True))


_KINDS: dict[str, Callable[[Mapping[str, Any]], dict[str, float]]] = {
    "call": _call,
    "four_agent_rag": _four_agents,
    "tree": _tree,
    "debate": _debate,
    "placement": _placement,
    "retrieval": _retrieval,
    "osi_unit": _osi_unit,
}
