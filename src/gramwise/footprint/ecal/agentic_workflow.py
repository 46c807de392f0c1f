"""Agentic eCAL: the energy of a workflow of calls, tools, retrievals and messages per bit that it delivers.

The denominator is what is *generated*, not what is taken in: never put these J/bit beside those of eCAL proper. Source:
sensorlab/a-eCAL (arXiv 2609.18283), a research draft by its own account.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gramwise.core.errors import ConfigError

from .agentic import Accelerator, LanguageModel, Rates, call, default, retrieval_j


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One agent's turn.

    Attributes:
        agent: who.
        tokens_in: of its own task, without system prompt, retrieved chunks and history.
        tokens_out: generated.
        retrieves: whether it looks something up first.
        tool_j, tool_tokens: of a tool that it calls, and of what the tool answers.
        send_j: of messages that the step sends.
        recalls: whether it carries what others said before.
    """

    agent: str
    tokens_in: float
    tokens_out: float
    retrieves: bool = False
    tool_j: float = 0.0
    tool_tokens: float = 0.0
    send_j: float = 0.0
    recalls: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """Steps in order, and how much of the past each carries.

    Attributes:
        steps: in order.
        system_tokens: of every prompt.
        round_size: steps of a round; only completed rounds are carried.
        history_rounds: how many of them; None for all.
        exclude_self: an agent does not carry its own words.
    """

    steps: tuple[Step, ...]
    system_tokens: float = field(default_factory=lambda: default("system_tokens"))
    round_size: int = 1
    history_rounds: int | None = None
    exclude_self: bool = False

    def __post_init__(self) -> None:
        if not self.steps or self.round_size < 1:
            raise ConfigError("a workflow has a step and rounds of one step at least.", key="steps")

    def carried_tokens(self, index: int) -> float:
        """Outputs and tool answers of completed rounds that step ``index`` sees again."""
        step = self.steps[index]
        if not step.recalls:
            return 0.0
        done = index // self.round_size
        first = 0 if self.history_rounds is None else max(0, done - self.history_rounds)
        past = self.steps[first * self.round_size : done * self.round_size]
        return sum(
            s.tokens_out + s.tool_tokens for s in past if not (self.exclude_self and s.agent == step.agent)
        )

    def prompt_tokens(self, index: int) -> float:
        """``system + local + retrieved + carried``."""
        step = self.steps[index]
        retrieved = default("chunks") * default("chunk_tokens") if step.retrieves else 0
        return self.system_tokens + step.tokens_in + retrieved + self.carried_tokens(index)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowCost:
    """What one run of a workflow costs: joules, tokens, seconds.

    ``wall_s`` is the sum of the calls' latencies, ``device_s`` the share of a batched device that the joules stand for.
    """

    prefill_j: float
    decode_j: float
    tool_j: float
    retrieval_j: float
    send_j: float
    overhead_j: float
    prompt_tokens: float
    generated_tokens: float
    device_s: float
    wall_s: float

    @property
    def llm_j(self) -> float:
        """Of all calls."""
        return self.prefill_j + self.decode_j

    @property
    def total_j(self) -> float:
        """``(1 + gamma_v)`` times calls, tools, retrievals and messages."""
        return self.llm_j + self.tool_j + self.retrieval_j + self.send_j + self.overhead_j

    def j_per_bit(self, training_j: float = 0.0, runs: float = math.inf) -> float:
        """``(E_W + E_training / G) / (f_tok generated tokens)``, every generated token taken for useful.

        Args:
            training_j: of the model, to be shared by
            runs: G, workflow runs that it serves.
        """
        return (self.total_j + training_j / runs) / (default("token_bits") * self.generated_tokens)

    def crossover_runs(self, training_j: float) -> float:
        """``G* = E_training / E_W``: runs after which serving has cost what training did."""
        return training_j / self.total_j


def cost(
    workflow: Workflow,
    model: LanguageModel,
    hw: Accelerator,
    *,
    batch: float = 1,
    rates: Rates | None = None,
    virtualisation_frac: float | None = None,
) -> WorkflowCost:
    """Run through a workflow.

    Args:
        workflow: its steps.
        model, hw, batch, rates: as for `call`.
        virtualisation_frac: gamma_v; None for the authors' default.
    """
    gamma = default("virtualisation_frac") if virtualisation_frac is None else virtualisation_frac
    prompts = [workflow.prompt_tokens(i) for i in range(len(workflow.steps))]
    calls = [
        call(model, hw, p, s.tokens_out, batch, rates) for p, s in zip(prompts, workflow.steps, strict=True)
    ]

    def summed(of: Callable[[Step], float]) -> float:
        return math.fsum(of(step) for step in workflow.steps)

    llm = math.fsum(c.energy_j for c in calls)
    tools, sent = summed(lambda s: s.tool_j), summed(lambda s: s.send_j)
    looked_up = summed(lambda s: s.retrieves) * retrieval_j(hw)
    return WorkflowCost(
        prefill_j=math.fsum(c.prefill_j for c in calls),
        decode_j=math.fsum(c.decode_j for c in calls),
        tool_j=tools,
        retrieval_j=looked_up,
        send_j=sent,
        overhead_j=gamma * (llm + tools + looked_up + sent),
        prompt_tokens=math.fsum(prompts),
        generated_tokens=summed(lambda s: s.tokens_out),
        device_s=llm / hw.power_w,
        wall_s=math.fsum(c.latency_s for c in calls),
    )


def chain(steps: Sequence[Step], rounds: int = 1) -> Workflow:
    """Agents that speak one after the other, each hearing all that was said before, for some rounds."""
    return Workflow(steps=tuple(steps) * rounds)


def case_study(rounds: int = 1) -> Workflow:
    """The authors' planner, retriever, analyst with a tool, and writer; one round is 4,990 prompt tokens, 1,020 out."""
    return chain(
        (
            Step(agent="planner", tokens_in=300, tokens_out=200),
            Step(agent="retriever", tokens_in=120, tokens_out=120, retrieves=True),
            Step(agent="analyst", tokens_in=200, tokens_out=300, tool_j=2.0, tool_tokens=150),
            Step(agent="writer", tokens_in=200, tokens_out=400),
        ),
        rounds,
    )


def tree(
    fanout: int,
    depth: int,
    *,
    tokens_out: float,
    root_tokens: float,
    aggregate: bool = True,
    message_j: float = 0.5,
    system_tokens: float | None = None,
    recalls: bool = False,
) -> Workflow:
    """A root that hands its answer to ``fanout`` children, and they to theirs; the leaves' answers may be gathered.

    Args:
        fanout, depth: children of each node, levels below the root.
        tokens_out: generated by every call; what a child is told is its parent's answer.
        root_tokens: of the root's task.
        aggregate: a last call reads all leaves.
        message_j: of every message; each call but the root's receives one (the authors' flat half joule).
        system_tokens: of every prompt; None for the authors' 400.
        recalls: children also carry all that was said before them.
    """
    below = sum(fanout**level for level in range(1, depth + 1))
    root = Step(agent="root", tokens_in=root_tokens, tokens_out=tokens_out, recalls=recalls)
    inner = [
        Step(agent=f"node{i}", tokens_in=tokens_out, tokens_out=tokens_out, send_j=message_j, recalls=recalls)
        for i in range(below)
    ]
    gather = Step(
        agent="aggregate",
        tokens_in=fanout**depth * tokens_out,
        tokens_out=tokens_out,
        send_j=message_j,
        recalls=recalls,
    )
    system = default("system_tokens") if system_tokens is None else system_tokens
    return Workflow(steps=(root, *inner, *([gather] if aggregate else [])), system_tokens=system)


def debate(
    agents: int,
    rounds: int,
    *,
    tokens_in: float,
    tokens_out: float,
    history_rounds: int | None = None,
    exclude_self: bool = False,
) -> Workflow:
    """Agents that answer at the same time, round after round, each hearing the completed rounds inside its window."""
    steps = [
        Step(agent=f"agent{a}", tokens_in=tokens_in, tokens_out=tokens_out)
        for _ in range(rounds)
        for a in range(agents)
    ]
    return Workflow(
        steps=tuple(steps), round_size=agents, history_rounds=history_rounds, exclude_self=exclude_self
    )
