"""The agentic extension: calls, history, workflows, messages, placement."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gramwise.core.errors import ConfigError
from gramwise.footprint.ecal import compat
from gramwise.footprint.ecal.agentic import (
    accelerator,
    call,
    decode_rates,
    implied_batch,
    language_model,
    measured_rates,
    retrieval_j,
)
from gramwise.footprint.ecal.agentic_links import (
    ARCHETYPES,
    agents_that_fit,
    cache_bits,
    context_tokens_with_peers,
    full_context_bits,
    hand_off,
    incremental_bits,
    link,
    payload_bit,
    place,
)
from gramwise.footprint.ecal.agentic_workflow import (
    Step,
    Workflow,
    case_study,
    chain,
    cost,
    debate,
    tree,
)

LLAMA, A100 = language_model("llama3_8b"), accelerator("a100")


def test_the_case_study_as_published() -> None:
    got = cost(case_study(), LLAMA, A100)
    assert (got.prompt_tokens, got.generated_tokens) == (4990, 1020)
    assert got.llm_j == pytest.approx(4761.512832, rel=1e-9)
    assert got.total_j == pytest.approx(5240.261244, rel=1e-9)
    assert got.j_per_bit() == pytest.approx(0.3022065308190462, rel=1e-12)


def test_derived_and_measured_rates_differ_by_what_the_authors_report() -> None:
    prefill, decode = decode_rates(language_model("qwen2_5_7b"), A100)
    measured = measured_rates("qwen2_5_7b")
    assert (round(prefill, 4), round(decode, 2)) == (0.0230, 4.27)
    assert (measured.prefill_j_per_token, measured.decode_j_per_token) == (0.023, 3.2)


def test_batching_saves_weights_and_never_context() -> None:
    costs = [call(LLAMA, A100, 2048, 256, batch).decode_j for batch in (1, 8, 64, 10**9)]
    assert costs == sorted(costs, reverse=True)
    cache = 2 * 32 * 1024 * 2 * (2048 + 128)
    assert costs[-1] / 256 == pytest.approx(A100.power_w / (0.7 * A100.memory_bytes_per_s) * cache, rel=1e-6)
    assert call(LLAMA, A100, 100, 100, 0.5) == call(LLAMA, A100, 100, 100, 1)


@pytest.mark.parametrize("batch", [1.0, 13.3, 200.0])
def test_the_implied_batch_is_the_batch(batch: float) -> None:
    per_token = call(LLAMA, A100, 64, 512, batch).energy_j / 512
    assert implied_batch(LLAMA, A100, 64, 512, per_token) == pytest.approx(batch, rel=1e-9)


def test_what_no_batch_reaches_is_refused() -> None:
    with pytest.raises(ConfigError, match="j_per_token"):
        implied_batch(LLAMA, A100, 64, 512, 1e-6)


def test_retrieval_grows_with_the_logarithm_unless_exhaustive() -> None:
    assert retrieval_j(A100) == pytest.approx(0.361, abs=5e-4)
    assert retrieval_j(A100, 10**9) - retrieval_j(A100, 10**6) < 1e-3 * retrieval_j(A100)
    assert retrieval_j(A100, 0) == retrieval_j(A100, 2)
    searched = [retrieval_j(A100, n, exhaustive=True) for n in (10**6, 2 * 10**6, 3 * 10**6)]
    assert searched[2] - searched[1] == pytest.approx(searched[1] - searched[0], rel=1e-9)


def test_hand_offs_of_a_chain_are_all_that_was_said() -> None:
    workflow = case_study()
    assert [workflow.carried_tokens(i) for i in range(4)] == [0, 200, 320, 770]


def test_history_counts_completed_rounds_inside_the_window() -> None:
    full = debate(3, 4, tokens_in=10, tokens_out=100)
    assert [full.carried_tokens(i) for i in (0, 2, 3, 5, 6, 11)] == [0, 0, 300, 300, 600, 900]
    window = debate(3, 4, tokens_in=10, tokens_out=100, history_rounds=1)
    assert [window.carried_tokens(i) for i in (2, 3, 11)] == [0, 300, 300]
    others = debate(3, 4, tokens_in=10, tokens_out=100, exclude_self=True)
    assert [others.carried_tokens(i) for i in (2, 3, 11)] == [0, 200, 600]
    forgetful = debate(3, 4, tokens_in=10, tokens_out=100, history_rounds=0)
    assert forgetful.prompt_tokens(11) == 410


def test_tokens_of_a_chain_grow_with_the_square() -> None:
    def prompts(count: int) -> float:
        steps = [Step(agent=str(i), tokens_in=0, tokens_out=250) for i in range(count)]
        return cost(Workflow(steps=tuple(steps), system_tokens=0), LLAMA, A100).prompt_tokens

    assert prompts(20) == 250 * 20 * 19 / 2
    assert prompts(200) / prompts(20) == pytest.approx(100, rel=0.05)


def test_parts_of_a_workflow_sum_to_its_total() -> None:
    got = cost(case_study(3), LLAMA, A100, batch=8, virtualisation_frac=0.2)
    parts = (got.llm_j, got.tool_j, got.retrieval_j, got.send_j)
    assert got.total_j == pytest.approx(1.2 * math.fsum(parts), rel=1e-14)
    assert got.device_s == got.llm_j / A100.power_w
    assert cost(case_study(), LLAMA, A100).wall_s < got.wall_s


def test_training_is_shared_by_the_runs_and_crosses_over() -> None:
    assert LLAMA.training_j == pytest.approx(0.91e9 * 3600)
    got = cost(case_study(), LLAMA, A100)
    runs = got.crossover_runs(LLAMA.training_j or 0.0)
    assert got.j_per_bit(LLAMA.training_j or 0.0, runs) == pytest.approx(2 * got.j_per_bit(), rel=1e-12)
    assert language_model("qwen2_5_7b").training_j is None


def test_a_tree_has_a_message_for_every_call_but_the_first() -> None:
    workflow = tree(3, 2, tokens_out=250, root_tokens=300)
    assert len(workflow.steps) == 1 + 3 + 9 + 1
    got = cost(workflow, LLAMA, A100)
    assert (got.prompt_tokens, got.generated_tokens, got.send_j) == (11150, 3500, 6.5)
    bare = tree(3, 2, tokens_out=250, root_tokens=300, aggregate=False)
    assert len(bare.steps) == 13
    recalling = tree(2, 1, tokens_out=250, root_tokens=300, recalls=True)
    assert recalling.prompt_tokens(2) == 400 + 250 + 500


def test_text_swells_like_the_reference_stack() -> None:
    unit = payload_bit()
    assert unit.wire_bits == pytest.approx(2.349582066, rel=1e-9)
    assert unit.endpoint_j == pytest.approx(3.8064816777583997e-7, rel=1e-12)
    assert unit.endpoint_with_radio_j == pytest.approx(8.5126945559564e-7, rel=1e-12)


def test_incremental_accounting_frees_links_that_are_always_on() -> None:
    fibre, radio = link("backbone"), link("5g")
    endpoints = 17 * 100 * payload_bit().endpoint_j
    assert hand_off(fibre, 100, incremental=True).energy_j == pytest.approx(endpoints, rel=1e-12)
    assert hand_off(radio, 100, incremental=True) == hand_off(radio, 100)
    lossy = hand_off(radio, 100, failure_frac=0.5).energy_j - endpoints
    assert lossy == pytest.approx(2 * (hand_off(radio, 100).energy_j - endpoints), rel=1e-9)
    with pytest.raises(ConfigError, match="failure_rate"):
        hand_off(radio, 100, failure_frac=1.0)


@pytest.mark.parametrize("segments", ARCHETYPES.values(), ids=list(ARCHETYPES))
def test_distributing_costs_more_than_splitting_once(segments: tuple[str, str, str]) -> None:
    tokens = (200, 320, 770)
    together, once, everywhere = (
        place(segments, p, tokens) for p in ("co-located", "split once", "fully distributed")
    )
    assert together == (0.0, 0.0, 0.0)
    assert 0 < once.energy_j < everywhere.energy_j
    assert 0 < once.latency_s < everywhere.latency_s
    # The authors' finding: text is below a quarter of a percent of the work, but for NB-IoT.
    if "nbiot" not in segments:
        assert everywhere.energy_j < 0.0025 * cost(case_study(), LLAMA, A100).total_j


def test_volumes_of_protocols_as_published() -> None:
    """Four agents, three rounds, 250 tokens: 0.051 and 0.3315 Mbit."""
    assert incremental_bits(12, 250) == 51_000
    assert full_context_bits(12, 250) == 331_500
    assert cache_bits(LLAMA, 1) == 8 * 131_072


def test_the_width_of_the_cache_decides_how_many_agents_fit() -> None:
    memory, context = 80e9, context_tokens_with_peers(1000, 103, 9)
    assert context == 1927
    narrow = agents_that_fit(LLAMA, memory, 16.06e9, context)
    wide = agents_that_fit(language_model("llama_65b"), memory, 16.06e9, context)
    assert narrow == int((0.9 * memory - 16.06e9) // (131_072 * 1927))
    assert wide == narrow // 20
    assert agents_that_fit(LLAMA, memory, 79e9, context) == 0


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "kind"),
    ({"kind": "swarm"}, "kind"),
    ({"kind": ["call"]}, "kind"),
    ({"p_in": 1, "p_out": 1, "modle": "llama3_8b"}, "modle"),
    ({"p_in": 1, "p_out": 1, "model": "llama9"}, "model"),
    ({"p_in": 1, "p_out": 1, "hw": "tpu"}, "hw"),
    ({"p_in": -1, "p_out": 1}, "p_in"),
    ({"p_in": 1, "p_out": 1, "batch": 0}, "batch"),
    ({"kind": "four_agent_rag", "rounds": 0}, "rounds"),
    ({"kind": "four_agent_rag", "calibrated": True, "hw": "h100"}, "hw"),
    ({"kind": "four_agent_rag", "calibrated": True, "model": "llama_65b"}, "model"),
    ({"kind": "four_agent_rag", "model": "qwen2_5_7b", "amortised_runs": 10}, "amortised_runs"),
    ({"kind": "tree", "fanout": 10, "depth": 9}, "depth"),
    ({"kind": "tree", "aggregate": 1}, "aggregate"),
    ({"placement": "half", "segments": ["5g", "ftth", "metro"]}, "placement"),
    ({"placement": "split once", "segments": ["5g", "ftth", "6g"]}, "there is no link"),
    ({"placement": "split once", "segments": ["5g", "ftth"]}, "segments"),
    ({"placement": "split once", "archetype": "moon"}, "archetype"),
    ({"placement": "split once", "archetype": "5G consumer", "handoff_tokens": 3}, "handoff_tokens"),
]


@pytest.mark.parametrize(("document", "key"), BAD)
def test_bad_documents_are_refused_by_name(document: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        compat.run("agentic", document)


def test_documents_answer_with_the_authors_names() -> None:
    got = compat.run("agentic", {"kind": "debate", "agents": 3, "rounds": 2, "p_out": 100})
    assert got["decode_tokens"] == 600
    assert got["agentic_ecal_J_per_bit"] == got["e_total"] / (17 * 600)
    shared = compat.run("agentic", {"kind": "four_agent_rag", "amortised_runs": 10**6})
    assert shared["agentic_ecal_J_per_bit"] > 0.302
    lone = chain([Step(agent="a", tokens_in=64, tokens_out=512)])
    assert compat.run("agentic", {"p_in": 464, "p_out": 512})["energy_J"] == cost(lone, LLAMA, A100).llm_j


def test_an_empty_workflow_is_refused() -> None:
    with pytest.raises(ConfigError, match="steps"):
        Workflow(steps=())
