"""The agent with an episodic memory.

Letters: B environments, N slots, R rows of a rollout's slot table, n decisions, D embedding width, A actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from reinstate.agents.heads import ActorCriticHeads, choose, scale_of
from reinstate.agents.interface import Replay, RolloutRecord
from reinstate.agents.look import Look
from reinstate.agents.networks import STATE_WIDTH, ObservationSpec, StateEncoder, extend_ranges
from reinstate.agents.rollout import Decision, Inputs, Rollout
from reinstate.memory.codec.codec import Codec
from reinstate.memory.episodes import Episodes, Events, events, visible_then
from reinstate.memory.figures import describe
from reinstate.memory.options import MemoryOptions
from reinstate.memory.read import places_in_use
from reinstate.memory.recalculation import MODES, Direct, cosine_with_oracle, embed_unique
from reinstate.memory.slots import MemoryState, bytes_per_slot, clear, close, empty, fill, slot_to_write, write
from reinstate.memory.tensors import TensorStruct, hash_rows, take, unique_rows
from reinstate.memory.visibility import EMPTY, Visibility
from reinstate.memory.write_rules import CHANGES_ONLY, WRITE_RULES


@dataclass
class MemoryAgentState(TensorStruct):
    """The memory, and where it was read last."""

    memory: MemoryState
    attention: Tensor  # [B, N] weights of each environment's last read, mean over heads


@dataclass
class MemoryRecord:
    """What replaying a rollout needs beside its decisions: the slots before it, and when each was visible."""

    memory: MemoryState
    visibility: Visibility

    def repeat(self, index: Tensor) -> None:
        """Environments `index` [n] begin with an open decision, which reads what is there now."""
        self.visibility.record_read(index)

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"memory": self.memory.state_dict(), "visibility": self.visibility.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the values of `state_dict`."""
        self.memory.load_state_dict(state["memory"])
        self.visibility.load_state_dict(state["visibility"])


@dataclass
class EpisodeReplay:
    """Policy and critic at the n remembered decisions of M episodes, on the graph."""

    events: Events  # [n], rewards in units
    log_prob: Tensor  # [n]
    old_log_prob: Tensor  # [n] of the policy that acted
    logits: Tensor  # [n, A]
    value: Tensor  # [n]
    log_scale: Tensor  # [n]
    slots: Tensor  # [M, N, D] embeddings that were read
    weight: Tensor  # [n, N] of each decision's read, mean over heads


class MemoryAgent(nn.Module):
    """Embedding network f, state encoder, look into the memory, actor and critic; and the codec."""

    def __init__(
        self, spec: ObservationSpec, actions: int, options: MemoryOptions, codec: Codec, look: type[Look] = Look
    ) -> None:
        super().__init__()
        self.spec, self.actions, self.options = spec, actions, options
        width = options.embedding_width
        # f, parameters theta. Normalised: else embeddings grow, the attention saturates and no gradient crosses it.
        self.embed = nn.Sequential(look.embedding_network(spec, width), nn.LayerNorm(width))
        self.encode_state = StateEncoder(spec, actions, STATE_WIDTH)
        self.look = look(options)
        self.heads = ActorCriticHeads(self.look.width, actions)
        self.codec = codec
        self.recalculation = MODES[options.recalculation](codec, self.embed, options)

    @property
    def decides_every_step(self) -> bool:
        """True for write rules that write where nothing has changed: the memory then changes at every step."""
        return self.options.write_rule not in CHANGES_ONLY

    def parameter_groups(self) -> list[list[nn.Parameter]]:
        parts = (self.encode_state, self.look, self.heads)
        return [list(self.embed.parameters()), [p for part in parts for p in part.parameters()]]

    def initial_state(self, num_envs: int, keep_observations: bool = False) -> MemoryAgentState:
        """An empty memory; `keep_observations` keeps true observations beside the slots, for inspection."""
        o = self.options
        keep = keep_observations or o.check_cosine or self.recalculation.keeps_observations
        memory = empty(num_envs, o.slots, o.embedding_width, self.codec.code_bytes, self.spec.zero() if keep else None)
        return MemoryAgentState(memory, torch.zeros(num_envs, o.slots))

    @torch.no_grad()
    def act(
        self,
        inputs: Inputs,
        state: MemoryAgentState,
        index: Tensor,
        generator: torch.Generator | None,
        record: RolloutRecord | None = None,
    ) -> tuple[Decision, MemoryAgentState]:
        """Environments `index` [n] write, read, and decide."""
        assert record is None or isinstance(record, MemoryRecord)
        visibility = None if record is None else record.visibility
        memory = state.memory
        if bool(inputs.is_first.any()):
            begun = index[inputs.is_first]
            clear(memory, begun)
            if visibility is not None:
                visibility.record_reset(begun)
        wrote, slot, hashes = self._write(inputs, index, memory, visibility)
        if visibility is not None:
            visibility.record_read(index)
        visible = memory.written[index]
        used = places_in_use(visible)
        features = self.encode_state(inputs.unique, inputs.prev_action, inputs.prev_reward)  # [n, STATE_WIDTH]
        slots = memory.embedding[:, :used][index]
        x, weights = self.look(features, self._present(inputs.unique), slots, visible[:, :used])
        logits, value, log_scale = self.heads(x, inputs.time)
        state.attention[index] = nn.functional.pad(weights.mean(dim=1), (0, visible.shape[1] - used))
        action, log_prob = choose(logits, generator)
        fill(memory, index[wrote], slot, action=action[wrote], log_prob=log_prob[wrote])
        unit = self.encode_state.unit.size.expand_as(value).clone()
        return Decision(action, log_prob, value, scale_of(log_scale), wrote, hashes, unit), state

    def extend_ranges(self, observation: Tensor) -> None:
        if extend_ranges(self, observation) or self.codec.autoencoder.outgrown:
            self.codec.restart()

    def begin_rollout(self, state: MemoryAgentState) -> MemoryRecord:
        self.recalculation.begin_rollout(state.memory)
        return MemoryRecord(state.memory.clone(), Visibility.begin(state.memory.written))

    def replay(self, rollout: Rollout, picked: Tensor) -> Replay:
        record, i = rollout.record, rollout.inputs
        assert isinstance(record, MemoryRecord)
        older = self.recalculation.older(record.memory)  # [B, N, D]
        written = embed_unique(self.embed, take(i.observation, rollout.decision.wrote))
        table = torch.cat([older.flatten(0, 1), self.recalculation.recent(written)])  # [R, D]
        rows = record.visibility.rows[picked]  # [n, N] rows of the table
        used = places_in_use(rows != EMPTY)
        rows = rows[:, :used]
        slots = table.index_select(0, rows.clamp(min=0).flatten()).view(*rows.shape, -1)  # [n, used, D]
        frames, which = i.unique
        kinds, which = torch.unique(which[picked], return_inverse=True)
        seen = take(frames, kinds), which
        features = self.encode_state(seen, i.prev_action[picked], i.prev_reward[picked])
        x, _ = self.look(features, self._present(seen), slots, rows != EMPTY)
        logits, value, log_scale = self.heads(x, i.time[picked])
        return Replay(logits, value, log_scale, older)

    def send(self, rollout: Rollout, replay: Replay, first_epoch: bool) -> dict[str, float]:
        """Recalculation: the gradients of slots older than the rollout go on into f."""
        record, remembered = rollout.record, replay.remembered
        assert isinstance(record, MemoryRecord) and remembered is not None
        log: dict[str, float] = {}
        gradient = remembered.grad if remembered.is_leaf else None
        if gradient is None:
            return log
        if first_epoch and self.options.check_cosine and isinstance(self.recalculation, Direct):
            log["recalculation/cosine"] = cosine_with_oracle(self.recalculation, record.memory, gradient)
        return log | self.recalculation.send(record.memory, gradient).figures()

    def replay_episodes(self, episodes: Episodes) -> EpisodeReplay:
        """Runs the remembered decisions of finished episodes again, from their slots alone, under the present
        parameters, on the graph. Observations are reinstated; embeddings are recalculated where the mode says so.
        """
        memory, way = episodes.memory, self.recalculation
        e = events(episodes, way.readable(memory))
        e.reward = self.encode_state.unit.sums(e.reward, e.duration)
        at = e.episode, e.slot
        flat = e.episode * memory.written.shape[1] + e.slot
        frames, slots = way.observations(memory, flat), memory.embedding
        if way.embeds_again:
            fresh = embed_unique(self.embed, frames)
            slots = slots.flatten(0, 1).index_copy(0, flat, fresh).view_as(slots)
            present = fresh
        else:
            present = slots[at]
        visible = visible_then(memory, e)
        used = places_in_use(visible)
        features = self.encode_state(unique_rows(frames), memory.prev_action[at].long(), memory.prev_reward[at])
        x, weights = self.look(features, present, slots[:, :used].index_select(0, e.episode), visible[:, :used])
        logits, value, log_scale = self.heads(x, memory.step[at])
        log_prob = torch.log_softmax(logits, dim=-1).gather(1, memory.action[at].long()[:, None]).squeeze(1)
        weight = nn.functional.pad(weights.detach().mean(dim=1), (0, visible.shape[1] - used))
        return EpisodeReplay(e, log_prob, memory.log_prob[at], logits, value, log_scale, slots, weight)

    def figures(self, state: MemoryAgentState, time: Tensor) -> dict[str, float]:
        return describe(state.memory, state.attention, time)

    def describe(self, num_envs: int) -> str:
        size = bytes_per_slot(self.initial_state(1).memory)
        total = size * self.options.slots * num_envs / 1e6
        return f"recalculation {self.options.recalculation}; a slot takes {size} bytes, the memory {total:.1f} MB"

    def _present(self, seen: tuple[Tensor, Tensor]) -> Tensor | None:
        """Embeddings [n, D] of what is seen (`Inputs.unique`), where the look needs them."""
        if not self.look.embeds_present:
            return None
        frames, which = seen
        return self.recalculation.recent(self.embed(frames).index_select(0, which))

    def _write(
        self, inputs: Inputs, index: Tensor, memory: MemoryState, visibility: Visibility | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Writes where the rule says so; returns the mask [n], the slots written [m], and hashes [n] of the codes."""
        coder = self.codec.current
        frames, which = inputs.unique
        codes = coder.encode(frames).index_select(0, which)
        hashes = hash_rows(codes)
        mask = WRITE_RULES[self.options.write_rule](hashes, memory.code_hash[index], memory.written[index])
        if not bool(mask.any()):
            return mask, index[:0], hashes
        index, seen, codes = index[mask], inputs.take(mask), codes[mask]
        close(memory, index, seen.paid)
        slot = slot_to_write(memory, index, self.options.eviction)
        if visibility is not None:
            visibility.record_write(index, slot)
        write(
            memory,
            index,
            slot,
            embedding=self.embed(seen.observation),
            code=codes,
            code_hash=hashes[mask],
            version=self.codec.version,
            fidelity=coder.fidelity(seen.observation, codes),
            step=seen.time,
            prev_action=seen.prev_action,
            prev_reward=seen.prev_reward,
            paid=seen.paid,
            **({} if memory.observation is None else {"observation": seen.observation}),
        )
        return mask, slot, hashes
