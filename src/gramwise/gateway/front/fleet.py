"""A scenario with real nodes behind it: who is there, what they take, and the engine that decides among them.

Whatever changes (a scenario that is read anew, a node that joins or leaves, one that comes back) ends in a new plan
table or a new world and engine, put in place at once. Requests under way end with the engine that they began with.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from gramwise.core.ahead import ClassKey, Guidance
from gramwise.core.clock import Clock
from gramwise.core.decision import PlanTable, columns
from gramwise.core.errors import ConfigError, NodeLost, Rejected
from gramwise.core.machines import Link
from gramwise.core.units import S_PER_DAY
from gramwise.fleet.rows import NodeTable
from gramwise.fleet.scenario import Scenario
from gramwise.gateway.oip.metadata import ModelMetadata
from gramwise.runtime.chain import Network
from gramwise.runtime.engine import Engine, variant_key
from gramwise.runtime.world import Grid
from gramwise.schedule import load_policy

from .books import Places
from .busyworld import BusyWorld
from .executor import RemoteExecutor
from .inforce import InForce, Unpriced
from .joined import Joined, read_joined, write_joined
from .meeting import Acquaintance, variants_of
from .negotiate import batched
from .peers import Peer
from .profiling import Taken, table_of
from .settings import Settings
from .stages import Staged
from .supply import Supply

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

_LOG = logging.getLogger("gramwise.gateway.front")

VARIANTS_SUFFIX = "+variants"
_LOOK_S = 0.02
_FIRST_VALUES_S = 3.0
"""How long the start waits for a provider's first values."""
_HISTORY = 5


@dataclass(frozen=True, slots=True)
class Served:
    """What the fleet serves under one model's name: whether its first dimension counts inferences, and its metadata."""

    batched: bool
    metadata: ModelMetadata


class LiveFleet:
    """The nodes of a running gateway.

    Args:
        settings: of the gateway.
        supply: of intensities.
        clock: of everything.
        staged: a plan over several nodes, if any.
        kept: file of the nodes that joined; None keeps them nowhere.

    Attributes:
        peers: by name.
        now: what decides.
        models: that are served, by name.
        deadline_s, floor_frac, allowed_zones: of requests that name none; no floor where no variants are chosen.
        told_until_s: an operator's shares (`guide`) hold until then, and no plan of the gateway's own; Unix seconds.
    """

    def __init__(
        self,
        settings: Settings,
        supply: Supply,
        clock: Clock,
        staged: Staged | None = None,
        kept: Path | None = None,
    ) -> None:
        self._kept = kept
        self.settings, self.supply, self.clock, self.staged = settings, supply, clock, staged
        self.peers: dict[str, Peer] = {}
        self.executor = RemoteExecutor(
            self.peers,
            clock,
            answer_s=settings.answer_s,
            most_bytes=settings.most_body_bytes,
            unread=not settings.accounting,
        )
        self.scenario: Scenario
        self.deadline_s = settings.patience_s
        self.floor_frac: float | None = None
        self.allowed_zones: frozenset[str] | None = None
        self.now: InForce
        self.models: dict[str, Served] = {}
        self.told_until_s = 0.0
        self._told: Mapping[str, Mapping[str, float]] = {}
        self._joined: dict[str, Joined] = {}
        self._known = Acquaintance(self.executor, settings.profile_runs)
        self._policy = load_policy(settings.deciding.removesuffix(VARIANTS_SUFFIX))
        self._patient = load_policy(settings.waiting_policy)
        self._changing, self._moving = asyncio.Lock(), asyncio.Lock()
        self._feeding: asyncio.Task[None] | None = None
        self._parting: set[asyncio.Task[None]] = set()

    @property
    def policy(self) -> str:
        """Name of the policy that decides."""
        return self._policy.name

    def _stand(self, scenario: Scenario) -> None:
        """Have a scenario, and what its goals say of requests that say nothing themselves."""
        goals, settings = scenario.goals, self.settings
        self.scenario = scenario
        self.deadline_s = goals.deadline_s or settings.patience_s
        self.floor_frac = None
        if settings.deciding.endswith(VARIANTS_SUFFIX):
            self.floor_frac = goals.accuracy_floor_frac
        self.allowed_zones = None if goals.allowed_zones is None else frozenset(goals.allowed_zones)

    async def apply(self, scenario: Scenario, tokens: Mapping[str, SecretStr] | None = None) -> None:
        """Put a scenario in force. Nodes that stay the same keep their connections; those that left finish.

        Args:
            scenario: read and checked.
            tokens: that nodes ask for, by name, where no file holds them.

        Raises:
            ConfigError: it cannot be served; what was in force stays so.
        """
        async with self._changing:
            peers = self._peers(scenario, tokens or {})
            grids = self.supply.grids(scenario, self._by_zone())
            others = bool(self.peers) and variants_of(scenario) != variants_of(self.scenario)
            self._stand(scenario)
            stay = [name for name, peer in peers.items() if self.peers.get(name) is peer]
            gone = [peer for name, peer in self.peers.items() if peers.get(name) is not peer]
            # Peers of before keep serving while the new ones are asked and timed.
            for peer in peers.values():
                if self.peers.get(peer.name) is not peer:
                    self._known.forget(peer.name)
                    self.peers[peer.name] = peer
                elif not others:
                    continue
                await self._known.meet(peer, scenario, self.staged)
            # In the scenario's order, which its intensities have too; in place, since the executor holds the same.
            self.peers.clear()
            self.peers.update(peers)
            if self.staged is not None:
                await self.staged.time(self.executor, scenario, self.settings.profile_runs)
            self._found(grids, stay)
            for peer in gone:
                self._part(peer, self.settings.drain_s)
        await self._feed()

    async def begin(self, scenario: Scenario) -> None:
        """Put the first scenario in force, with the nodes that joined before a restart.

        Raises:
            ConfigError: it cannot be served, or the nodes that joined cannot with it: names their file.
        """
        if self._kept is not None:
            self._joined = await asyncio.to_thread(read_joined, self._kept)
        try:
            await self.reload(scenario)
        except ConfigError as fault:
            if self._joined:
                self._can_be_served(scenario)  # else it is the scenario's own fault, and is told as such
                raise ConfigError(
                    f"a node that joined cannot be used: {fault.message}",
                    file=self._kept,
                    key=fault.key,
                    fix=f"{fault.fix or ''} Mend its entry, or take it out.".strip(),
                ) from None
            raise

    def _can_be_served(self, scenario: Scenario) -> None:
        self._peers(scenario, {})
        self.supply.grids(scenario, {})

    async def reload(self, scenario: Scenario) -> None:
        """Put a scenario in force that was read anew; nodes that joined meanwhile stay.

        Raises:
            ConfigError: it cannot be served; what was in force stays so.
        """
        async with self._moving:
            await self._reload(scenario)

    async def _reload(self, scenario: Scenario) -> None:
        joined = {name: each for name, each in self._joined.items() if name not in scenario.nodes}
        nodes = {**scenario.nodes, **{name: each.table for name, each in joined.items()}}
        tokens = {name: each.token for name, each in joined.items() if each.token is not None}
        await self.apply(scenario.model_copy(update={"nodes": nodes}), tokens)

    async def meet(self, peer: Peer) -> bool:
        """Ask a node that answers again what it serves, and time it if it never was; True once it can take work."""
        async with self._changing:
            if self.peers.get(peer.name) is not peer:
                return False
            if not await self._known.meet(peer, self.scenario, self.staged):
                return False
            if self.staged is not None:
                await self.staged.time(self.executor, self.scenario, self.settings.profile_runs)
            self._renew()
            self._know_models()
            return True

    def found(self, peer: Peer) -> None:
        """A node takes work again."""
        peer.back()
        if self.peers.get(peer.name) is peer:
            self.now.world.found(peer.name)

    async def join(self, name: str, table: NodeTable, token: SecretStr | None) -> Peer:
        """A node more.

        Args:
            name: of it; not taken.
            table: as a scenario would have it.
            token: that it asks for, if any.

        Raises:
            ConfigError: it cannot be used so, or cannot be written down.
            NodeLost: it does not answer.
            Rejected: it serves none of the models.
        """
        async with self._moving:  # joins, leaves and reloads go one after the other, each with its file
            before = self.scenario
            changed = before.model_copy(update={"nodes": {**before.nodes, name: table}})
            await self.apply(changed, {name: token} if token else {})
            peer = self.peers[name]
            if not peer.up:
                why = peer.why
                await self.apply(before)
                raise (Rejected if "serves none" in why else NodeLost)(f"node {name}: {why}")
            self._joined[name] = Joined(table, token)
            try:
                await self._keep()
            except ConfigError:
                del self._joined[name]
                await self.apply(before)
                raise
            return peer

    async def _keep(self) -> None:
        """Write down who joined."""
        if self._kept is not None:
            await asyncio.to_thread(write_joined, self._kept, dict(self._joined))

    async def leave(self, name: str, drain_s: float) -> None:
        """A node less: it gets nothing new, and what it holds may end for so long.

        Raises:
            Rejected: it is the last.
            ConfigError: it is gone, but that could not be written down: it would be back after a restart.
        """
        async with self._moving:
            rest = {key: table for key, table in self.scenario.nodes.items() if key != name}
            if not rest:
                raise Rejected(f"{name} is the last node; a gateway without one can only refuse.")
            peer = self.peers[name]
            changed: dict[str, Any] = {"nodes": rest}
            if self.scenario.baseline_node == name:
                changed["baseline_node"] = next(iter(rest))
            await self.apply(self.scenario.model_copy(update=changed))
            if self._joined.pop(name, None) is not None:
                await self._keep()
        await self._parted(peer, drain_s)

    def guide(self, shares: Mapping[str, Mapping[str, float]]) -> int:
        """Send each model's requests to nodes by these shares, for a day or until others come.

        They outlive the nodes that come and go meanwhile, but not a restart.

        Args:
            shares: by model (``""`` for all), of each node.

        Returns:
            The version of the snapshot that carries them.
        """
        self._told, self.told_until_s = shares, self.clock.now_s() + S_PER_DAY
        self.now.engine.policy = self._policy = load_policy("fractions")
        self._retell()
        return self.now.world.version

    def _retell(self) -> None:
        """The operator's shares into the world in force, as long as they hold."""
        now_s, shares = self.clock.now_s(), self._told
        if now_s >= self.told_until_s:
            return
        snapshot = self.now.world.snapshot(now_s)
        table, names = snapshot.plans, snapshot.nodes
        fractions: dict[ClassKey, Floats] = {}
        zones = self.allowed_zones
        for model in self.models:
            by_node = shares.get(model, shares.get("", {}))
            reference = self.scenario.models[model].reference
            row_shares = [
                by_node.get(names[int(node)], 0.0) if (m, v) == (model, reference) else 0.0
                for node, m, v in zip(table.node, table.model, table.variant, strict=True)
            ]
            fractions[(model, None, zones)] = columns(row_shares)
        self.now.world.renew(
            guidance=Guidance(
                start_s=now_s,
                end_s=self.told_until_s,
                price_g_per_s=columns([0.0] * len(names)),
                fractions=fractions,
            )
        )

    async def close(self) -> None:
        """Hang up on everybody."""
        if self._feeding is not None:
            self._feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._feeding
        for task in list(self._parting):
            task.cancel()
        await self.executor.close()

    def _peers(self, scenario: Scenario, tokens: Mapping[str, SecretStr]) -> dict[str, Peer]:
        found = {}
        for node in scenario.node_records():
            table = scenario.nodes[node.name]
            # The link is real here: it is timed, not slept.
            record = replace(node, link=Link())
            old = self.peers.get(node.name)
            if old is not None and old.identity == (node.name, node.address, table.server):
                old.node = record
                found[node.name] = old
                continue
            try:
                found[node.name] = Peer(
                    record, table.server, scenario.path.parent, token=tokens.get(node.name)
                )
            except ConfigError as fault:
                raise ConfigError(
                    fault.message, file=fault.file or scenario.path, key=fault.key, fix=fault.fix
                ) from fault
        return found

    def _found(self, grids: Sequence[Grid], stay: Sequence[str]) -> None:
        """The new world and engine; what is under way at nodes that stay is known to it."""
        nodes = [peer.node for peer in self.peers.values()]
        goals = self.scenario.goals
        plans = self._table()
        world = BusyWorld(
            nodes,
            grids,
            plans,
            baseline=self.scenario.baseline_node,
            max_intensity_age_s=goals.max_intensity_age_s,
            history=self._known.history(self.peers, self.scenario),
        )
        for peer in self.peers.values():
            if not peer.up:
                world.lost(peer.name)
        if stay:
            world.inherit(self.now.world, stay)
        soonest = load_policy("soonest" if plans.stages else "fastest")
        answers = {} if self.staged is None else self.staged.answers
        engine, patient = (
            Engine(
                policy,
                world,
                self.executor,
                Unpriced(),
                self.clock,
                soonest=soonest,
                network=Network(),
                answers=answers,
            )
            for policy in (self._policy, self._patient)
        )
        places = Places(world, self.scenario.contract_intensities())
        self.now = InForce(engine, patient, world, places, bool(plans.stages))
        self._know_models()
        self._retell()

    def _renew(self) -> None:
        """A new table for the world in force."""
        plans = self._table()
        self.now.world.renew(plans=plans)
        self.now = replace(self.now, staged=bool(plans.stages))
        self._retell()

    @property
    def changing(self) -> bool:
        """Nodes are joining, leaving, or being timed: rows of the world in force and of the next differ."""
        return self._changing.locked()

    @property
    def taken(self) -> Mapping[tuple[str, str], Taken]:
        """What each variant takes on each node, by the node and the executor's name of the variant."""
        return self._known.taken

    def relearn(self, taken: Mapping[tuple[str, str], Taken]) -> None:
        """Variants take something else than was known: a new table, under the plan that is in force."""
        self._known.taken.update(taken)
        world = self.now.world
        guidance = world.snapshot(self.clock.now_s()).guidance
        world.renew(plans=self._table(), guidance=guidance)

    def _table(self) -> PlanTable:
        nodes = [peer.node for peer in self.peers.values()]
        table = table_of(self.scenario, nodes, variants_of(self.scenario), self._known.taken)
        return table if self.staged is None else self.staged.added(table, nodes, self.scenario)

    def _know_models(self) -> None:
        """What is told of each model: as the first node says that serves its reference variant."""
        self.models = {}
        for name, table in self.scenario.models.items():
            key = variant_key(name, table.reference)
            for peer in self.peers.values():
                if key in peer.names:
                    metadata = peer.metadata[peer.names[key]]
                    self.models[name] = Served(
                        batched(metadata),
                        ModelMetadata(name, metadata.platform, metadata.inputs, metadata.outputs),
                    )
                    break

    def _by_zone(self) -> dict[str, Grid]:
        if not self.peers:
            return {}
        return dict(zip((node.zone for node in self.now.world.nodes), self.now.world.grids, strict=True))

    async def _feed(self) -> None:
        """Renew intensities from now on; the first values are waited for a moment, so that decisions know them."""
        if self._feeding is not None:
            self._feeding.cancel()
            self._feeding = None
        feeder = self.supply.feeder(self.scenario, self.now.world)
        if feeder is not None:
            before = self.now.world.version
            self._feeding = asyncio.create_task(feeder.run())
            until_s = asyncio.get_running_loop().time() + _FIRST_VALUES_S
            while self.now.world.version == before and asyncio.get_running_loop().time() < until_s:
                await asyncio.sleep(_LOOK_S)

    def _part(self, peer: Peer, drain_s: float) -> None:
        task = asyncio.create_task(self._parted(peer, drain_s))
        self._parting.add(task)
        task.add_done_callback(self._parting.discard)

    async def _parted(self, peer: Peer, drain_s: float) -> None:
        """Let a node go: wait for what it holds, then hang up."""
        peer.leaving = True
        peer.out("it is leaving")
        until_s = asyncio.get_running_loop().time() + drain_s
        while peer.http.in_flight and asyncio.get_running_loop().time() < until_s:
            await asyncio.sleep(_LOOK_S)
        await peer.close()
