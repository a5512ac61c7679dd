"""The agent with an episodic memory.

Letters: B environments, N slots, R rows of a chunk's slot table, n decisions, D embedding width, A actions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reinstate.agents.chunk import Chunk, Decision, Inputs
from reinstate.agents.encoders import (
    ImageEncoder,
    ObservationSpec,
    StateEncoder,
    TileEncoder,
    build_encoder,
    encode_distinct,
)
from reinstate.agents.heads import ActorCriticHeads, choose
from reinstate.agents.replay import EventReplay, Replay, pick
from reinstate.memory.codec import Codec, build_autoencoder
from reinstate.memory.episodes import Episodes, Events, events, visible_then
from reinstate.memory.frame_ring import FrameRing, hash_rows
from reinstate.memory.options import MemoryOptions
from reinstate.memory.patches import distinct_rows, rows_at
from reinstate.memory.read import MemoryRead, places_in_use
from reinstate.memory.recalculation import eligible, reembedded, reinstate
from reinstate.memory.store import MemoryState, clear, empty, fill, settle, slot_to_write, write
from reinstate.memory.timeline import EMPTY, Timeline
from reinstate.memory.write_rules import should_write

STATE_WIDTH = 64
# The tile vectors of f start small: gradients soon outgrow their random features. To tell the cue of a crowded room
# takes about 2,000 labelled scenes, 4,700 to 16,200 from a deviation of 1 (benchmarks/recalculation/first_scenes.py).
TILE_STD = 0.01


def distance(read: Tensor, present: Tensor) -> Tensor:
    """What each head read, [n, H * D], less the present embedding [n, D], without signs: [n, H * D]."""
    repeated = present.repeat(1, read.shape[1] // present.shape[1])
    return (read - repeated).abs()


def build_codec(spec: ObservationSpec, categories: tuple[int, ...], options: MemoryOptions) -> Codec:
    """The codec for observations of `spec`."""
    net = build_autoencoder(spec.kind, spec.shape, categories, options.code_bits)
    return Codec(net, FrameRing(options.codec_ring, spec.zero()))


@dataclass
class MemoryAgentState:
    """The memory, and where it was read last."""

    memory: MemoryState
    attention: Tensor  # [B, N] weights of each environment's last read, mean over heads

    def rows(self, index: Tensor) -> MemoryAgentState:
        """A copy of the environments `index`."""
        return MemoryAgentState(self.memory.rows(index), self.attention[index])


@dataclass
class ChunkStart:
    """What replaying a chunk needs beside its decisions: the slots before it, and when each was visible."""

    memory: MemoryState
    timeline: Timeline


class MemoryAgent(nn.Module):
    """Embedding network f, state encoder, memory read, actor and critic heads; and the codec."""

    def __init__(self, spec: ObservationSpec, actions: int, options: MemoryOptions, codec: Codec) -> None:
        super().__init__()
        self.spec, self.actions, self.options, self.codec = spec, actions, options, codec
        # f, parameters theta. Normalised: else embeddings grow, the attention saturates and no gradient crosses it.
        width, compare = options.embedding_width, options.compare
        # Images that are compared say what is in view wherever it stands, and are not begun small: else the comparison
        # is found late or never (docs/lab-notes.md, "Visual Match, and comparing"). Of tiles that was not measured.
        if spec.kind == "image" and compare:
            encoder: nn.Module = ImageEncoder(spec.shape, width, anywhere=True)
        else:
            encoder = build_encoder(spec, width)
            if isinstance(encoder, (TileEncoder, ImageEncoder)):
                encoder.start_small(TILE_STD)
        self.embed = nn.Sequential(encoder, nn.LayerNorm(width))
        self.encode_state = StateEncoder(spec, actions, STATE_WIDTH)
        self.read = MemoryRead(STATE_WIDTH + compare * width, width, options.heads, options.slots)
        self.heads = ActorCriticHeads(STATE_WIDTH + (1 + compare) * self.read.read_width, actions)

    @property
    def decides_at_every_step(self) -> bool:
        """Other rules write although nothing has changed, and then the memory has."""
        return self.options.write_rule != "novel"

    def initial_state(self, num_envs: int, keep_observations: bool = False) -> MemoryAgentState:
        """An empty memory; `keep_observations` beside the slots, for looking at them."""
        o = self.options
        kept = self.spec.zero() if o.keeps_observations or keep_observations else None
        memory = empty(num_envs, o.slots, o.embedding_width, self.codec.code_bytes, kept)
        return MemoryAgentState(memory, torch.zeros(num_envs, o.slots))

    @torch.no_grad()
    def act(
        self,
        inputs: Inputs,
        state: MemoryAgentState,
        index: Tensor,
        generator: torch.Generator | None,
        timeline: Timeline | None = None,
    ) -> tuple[Decision, MemoryAgentState]:
        """Environments `index` [n], ascending, see `inputs` [n]: write, read, decide. The state passed in is used up.

        Args:
            generator: samples the action; None takes the greedy one.
            timeline: the chunk's, where the decision is to be learnt from.
        """
        if bool(inputs.is_first.any()):
            begun = index[inputs.is_first]
            clear(state.memory, begun)
            if timeline is not None:
                timeline.record_reset(begun)
        novel, written, hashes = self._write(inputs, index, state.memory, timeline)
        if timeline is not None:
            timeline.record_read(index)
        features = self.encode_state(inputs.distinct, inputs.prev_action, inputs.prev_reward)  # [n, S]
        visible = state.memory.written[index]
        used = places_in_use(visible)
        slots = state.memory.embedding[:, :used][index]
        x, weights = self.look(features, self.present(inputs.distinct), slots, visible[:, :used])
        logits, value, log_scale = self.heads(x, inputs.time)
        attention = torch.nn.functional.pad(weights.mean(dim=1), (0, visible.shape[1] - used))
        state.attention[index] = attention
        state.memory.read_weight[index] += attention
        action, log_prob = choose(logits, generator)
        fill(state.memory, index[novel], written, action=action[novel], log_prob=log_prob[novel])
        return Decision(action, log_prob, value, log_scale.exp(), novel, hashes), state

    def present(self, seen: tuple[Tensor, Tensor]) -> Tensor | None:
        """Embeddings [n, D] of what is seen (`Inputs.distinct`), where they are compared with remembered ones."""
        frames, which = seen
        if not self.options.compare:
            return None
        present = self.embed(frames).index_select(0, which)
        return present.detach() if self.options.recalculation == "none" else present

    def look(self, features: Tensor, present: Tensor | None, slots: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Reads the memory: what the heads are told [n, ...], and the slots' weights [n, H, S]."""
        if not self.options.compare:
            read, weights = self.read(features, slots, visible)
            return torch.cat([features, read], dim=-1), weights
        read, weights = self.read(torch.cat([features, present], dim=-1), slots, visible)
        return torch.cat([features, read, distance(read, present)], dim=-1), weights

    def _write(
        self, inputs: Inputs, index: Tensor, memory: MemoryState, timeline: Timeline | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Writes where the rule says so; returns the mask [n], the places that were taken, and hashes [n] of the
        codes."""
        o, coder = self.options, self.codec.current
        frames, which = inputs.distinct
        codes = coder.encode(frames).index_select(0, which)
        hashes = hash_rows(codes)
        mask = should_write(
            o.write_rule, hashes, memory.code_hash[index], memory.written[index], inputs.time, o.write_every
        )
        if not bool(mask.any()):
            return mask, index[:0], hashes
        index, seen, codes = index[mask], inputs.rows(mask), codes[mask]
        settle(memory, index, seen.paid)
        slot = slot_to_write(memory, index, seen.time, o.eviction)
        if timeline is not None:
            timeline.record_write(index, slot)
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

    def begin_chunk(self, state: MemoryAgentState) -> ChunkStart:
        """Called before a chunk's first step: parameters have changed. Remembers the slots as they stand."""
        memory = state.memory
        if self.options.recalculation == "refresh":
            with torch.no_grad():
                memory.embedding = reembedded(memory, self.codec, self.embed, self.options.min_fidelity)
        return ChunkStart(memory.clone(), Timeline.begin(memory.written))

    def replay(self, chunk: Chunk, most: int, generator: torch.Generator) -> Replay:
        """Runs at most `most` decisions of a chunk again, under today's parameters, on the graph."""
        start: ChunkStart = chunk.start
        older = self._older_slots(start.memory)  # [B, N, D]
        table = torch.cat([older.flatten(0, 1), self._slots_of_chunk(chunk)])  # [R, D]
        picked = pick(chunk, most, generator)  # [n]
        rows = start.timeline.rows[picked]  # [n, N] rows of the table
        used = places_in_use(rows != EMPTY)
        rows = rows[:, :used]
        slots = table.index_select(0, rows.clamp(min=0).flatten()).view(*rows.shape, -1)  # [n, used, D]
        i = chunk.inputs
        frames, which = i.distinct
        kinds, which = torch.unique(which[picked], return_inverse=True)
        seen = rows_at(frames, kinds), which
        features = self.encode_state(seen, i.prev_action[picked], i.prev_reward[picked])
        x, _ = self.look(features, self.present(seen), slots, rows != EMPTY)
        outcome = self.heads(x, i.time[picked])  # [n, A], [n], [n]
        return Replay(picked, *outcome, older if older.is_leaf else None)

    def replay_episodes(self, episodes: Episodes) -> tuple[Events, EventReplay]:
        """Runs the remembered decisions of finished episodes again, from their slots alone, under today's parameters,
        on the graph: observations are reinstated, and where credit crosses the memory so are embeddings."""
        memory, o = episodes.memory, self.options
        may = memory.written if o.recalculation == "oracle" else eligible(memory, self.codec, o.min_fidelity)
        e = events(episodes, may)
        flat = e.episode * memory.written.shape[1] + e.slot
        if o.recalculation == "oracle":
            assert memory.observation is not None
            frames = memory.observation[e.episode, e.slot]
        else:
            frames = reinstate(memory, self.codec, flat)
        slots = memory.embedding
        fresh = None
        if o.recalculation not in ("none", "truncated"):
            fresh = encode_distinct(self.embed, frames)
            slots = slots.flatten(0, 1).index_copy(0, flat, fresh).view_as(slots)
        visible = visible_then(memory, e)
        used = places_in_use(visible)
        action = memory.action[e.episode, e.slot].long()
        features = self.encode_state(
            distinct_rows(frames), memory.prev_action[e.episode, e.slot].long(), memory.prev_reward[e.episode, e.slot]
        )
        present = slots[e.episode, e.slot] if fresh is None else fresh
        x, weights = self.look(features, present, slots[:, :used].index_select(0, e.episode), visible[:, :used])
        logits, value, log_scale = self.heads(x, memory.step[e.episode, e.slot])
        log_prob = torch.log_softmax(logits, dim=-1).gather(1, action[:, None]).squeeze(1)
        old = memory.log_prob[e.episode, e.slot]
        weight = torch.nn.functional.pad(weights.detach().mean(dim=1), (0, visible.shape[1] - used))
        return e, EventReplay(log_prob, old, logits, value, log_scale, slots, visible, weight)

    def _older_slots(self, memory: MemoryState) -> Tensor:
        """Slots written before the chunk [B, N, D]: leaves, or recalculated on the graph (`refresh`)."""
        if self.options.recalculation == "refresh":
            return reembedded(memory, self.codec, self.embed, self.options.min_fidelity)
        return memory.embedding.detach().clone().requires_grad_()

    def _slots_of_chunk(self, chunk: Chunk) -> Tensor:
        """Slots written in the chunk [writes, D], in the order of writing: on the graph, except for `none`."""
        fresh = encode_distinct(self.embed, rows_at(chunk.inputs.observation, chunk.novel))
        return fresh.detach() if self.options.recalculation == "none" else fresh
