"""The agent with an episodic memory.

Letters: B environments, T steps of a chunk, N slots, R rows of a chunk's slot table, n states, D embedding width,
A actions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from agents.chunk import Chunk, Decision, Inputs
from agents.encoders import ImageEncoder, ObservationSpec, StateEncoder, TileEncoder, build_encoder, encode_distinct
from agents.heads import ActorCriticHeads, choose
from agents.replay import Replay, pick_states, spread
from memory.codec import Codec, build_autoencoder
from memory.frame_ring import FrameRing, hash_rows
from memory.options import MemoryOptions
from memory.read import MemoryRead, places_in_use
from memory.recalculation import reembedded
from memory.store import MemoryState, empty, slot_to_write, start_step, write
from memory.timeline import EMPTY, Timeline
from memory.write_rules import should_write

STATE_WIDTH = 64
# The tile vectors of f start small: gradients soon outgrow their random features. To tell the cue of a crowded room
# takes about 2,000 labelled scenes, 4,700 to 16,200 from a deviation of 1 (benchmarks/recalculation/first_scenes.py).
TILE_STD = 0.01


def build_codec(spec: ObservationSpec, categories: tuple[int, ...], options: MemoryOptions) -> Codec:
    """The codec for observations of `spec`."""
    net = build_autoencoder(spec.kind, spec.shape, categories, options.code_bits)
    return Codec(net, FrameRing(options.codec_ring, spec.zero()))


@dataclass
class MemoryAgentState:
    """The memory, and the last step's outcome: where nothing has changed since, it is still the answer."""

    memory: MemoryState
    seen: Inputs  # the inputs that the outcome below belongs to
    logits: Tensor  # [B, A]
    value: Tensor  # [B]
    scale: Tensor  # [B]
    attention: Tensor  # [B, N] read weights, mean over heads
    stale: bool = True  # parameters have changed: recompute all

    def rows(self, index: Tensor) -> MemoryAgentState:
        """A copy of the environments `index`."""
        return MemoryAgentState(
            self.memory.rows(index),
            self.seen.rows(index),
            self.logits[index],
            self.value[index],
            self.scale[index],
            self.attention[index],
            self.stale,
        )


@dataclass
class ChunkStart:
    """What replaying a chunk needs beside its steps: the slots before it, and when each was visible."""

    memory: MemoryState
    timeline: Timeline


class MemoryAgent(nn.Module):
    """Embedding network f, state encoder, memory read, actor and critic heads; and the codec."""

    def __init__(self, spec: ObservationSpec, actions: int, options: MemoryOptions, codec: Codec) -> None:
        super().__init__()
        self.spec, self.actions, self.options, self.codec = spec, actions, options, codec
        # f, parameters theta. Normalised: else embeddings grow, the attention saturates and no gradient crosses it.
        encoder = build_encoder(spec, options.embedding_width)
        if isinstance(encoder, TileEncoder | ImageEncoder):
            encoder.start_small(TILE_STD)
        self.embed = nn.Sequential(encoder, nn.LayerNorm(options.embedding_width))
        self.encode_state = StateEncoder(spec, actions, STATE_WIDTH)
        self.read = MemoryRead(STATE_WIDTH, options.embedding_width, options.heads, options.slots)
        self.heads = ActorCriticHeads(STATE_WIDTH + self.read.read_width, actions)

    def initial_state(self, num_envs: int) -> MemoryAgentState:
        o = self.options
        observation = self.spec.zero()
        memory = empty(
            num_envs,
            o.slots,
            o.embedding_width,
            self.codec.code_bytes,
            observation if o.keeps_observations else None,
        )
        seen = Inputs(
            observation.expand(num_envs, *observation.shape).clone(),
            torch.full((num_envs,), -1),
            torch.zeros(num_envs),
            torch.ones(num_envs, dtype=torch.bool),
        )
        zeros = torch.zeros
        return MemoryAgentState(
            memory,
            seen,
            zeros(num_envs, self.actions),
            zeros(num_envs),
            zeros(num_envs),
            zeros(num_envs, o.slots),
        )

    @torch.no_grad()
    def act(
        self,
        inputs: Inputs,
        state: MemoryAgentState,
        generator: torch.Generator | None,
        record: tuple[Timeline, int] | None = None,
    ) -> tuple[Decision, MemoryAgentState]:
        """One step: write, read, decide. The state passed in is used up.

        Args:
            generator: samples the action; None takes the greedy one.
            record: the chunk's timeline and the step within it, where the step is to be learnt from.
        """
        start_step(state.memory, inputs.is_first)
        if record is not None and bool(inputs.is_first.any()):
            record[0].record_reset(inputs.is_first.nonzero()[:, 0])
        novel = torch.zeros_like(inputs.is_first)
        new_frame, anew = self._changes(inputs, state)
        looking, changed = new_frame.nonzero()[:, 0], anew.nonzero()[:, 0]
        if len(looking) > 0:
            novel[self._write(inputs.observation, looking, state.memory, record)] = True
        if len(changed) > 0:
            self._read_and_decide(inputs, changed, state)
        if record is not None:
            record[0].end_step(record[1])
        state.memory.read_weight += state.attention
        state.seen, state.stale = inputs, False
        action, log_prob = choose(state.logits, generator)
        return Decision(action, log_prob, state.value.clone(), state.scale.clone(), novel, anew), state

    def _changes(self, inputs: Inputs, state: MemoryAgentState) -> tuple[Tensor, Tensor]:
        """Masks [B] of the environments that may have to write, and of those whose outcome may differ.

        What has been seen at the last step is in memory, and where nothing has changed since, its outcome stands.
        """
        if state.stale or self.options.write_rule != "novel":
            everywhere = torch.ones_like(inputs.is_first)
            return everywhere, everywhere
        seen = state.seen
        new_frame = (inputs.observation != seen.observation).flatten(1).any(dim=1) | inputs.is_first
        told = (inputs.prev_action != seen.prev_action) | (inputs.prev_reward != seen.prev_reward)
        return new_frame, new_frame | told

    def _write(
        self, observation: Tensor, index: Tensor, memory: MemoryState, record: tuple[Timeline, int] | None
    ) -> Tensor:
        """Writes where the rule says so; returns the environments [m] that wrote."""
        o, coder = self.options, self.codec.current
        frames = observation[index]
        codes = coder.encode(frames)
        hashes = hash_rows(codes)
        mask = should_write(
            o.write_rule,
            hashes,
            memory.code_hash[index],
            memory.written[index],
            memory.episode_step[index],
            o.write_every,
        )
        if not bool(mask.any()):
            return index[:0]
        index, frames, codes, hashes = index[mask], frames[mask], codes[mask], hashes[mask]
        slot = slot_to_write(memory, index, o.eviction)
        if record is not None:
            record[0].record_write(index, slot)
        write(
            memory,
            index,
            slot,
            self.embed(frames),
            codes,
            hashes,
            self.codec.version,
            coder.fidelity(frames, codes),
            frames,
        )
        return index

    def _read_and_decide(self, inputs: Inputs, index: Tensor, state: MemoryAgentState) -> None:
        rows = inputs.rows(index)
        features = self.encode_state(rows.observation, rows.prev_action, rows.prev_reward)  # [n, S]
        visible = state.memory.written[index]
        used = places_in_use(visible)
        slots = state.memory.embedding[:, :used][index]
        read, weights = self.read(features, slots, visible[:, :used])
        logits, value, log_scale = self.heads(torch.cat([features, read], dim=-1))
        state.logits[index], state.value[index], state.scale[index] = logits, value, log_scale.exp()
        state.attention[index, :used] = weights.mean(dim=1)
        state.attention[index, used:] = 0.0

    def begin_chunk(self, state: MemoryAgentState, steps: int) -> ChunkStart:
        """Called before a chunk's first step: parameters have changed. Remembers the slots as they stand."""
        state.stale = True
        memory = state.memory
        if self.options.recalculation == "refresh":
            with torch.no_grad():
                memory.embedding = reembedded(memory, self.codec, self.embed, self.options.min_fidelity)
        return ChunkStart(memory.clone(), Timeline.begin(memory.written, steps))

    def replay(self, chunk: Chunk, max_states: int, generator: torch.Generator) -> Replay:
        """Runs the distinct states of a chunk again, under today's parameters, on the graph."""
        start: ChunkStart = chunk.start
        older = self._older_slots(start.memory)  # [B, N, D]
        table = torch.cat([older.flatten(0, 1), self._slots_of_chunk(chunk)])  # [R, D]
        picked = pick_states(chunk.changed, max_states, generator)  # [n]
        rows = start.timeline.rows.flatten(0, 1)[picked]  # [n, N] rows of the table
        used = places_in_use(rows != EMPTY)
        rows = rows[:, :used]
        slots = table.index_select(0, rows.clamp(min=0).flatten()).view(*rows.shape, -1)  # [n, used, D]
        i = chunk.inputs
        features = self.encode_state(
            i.observation.flatten(0, 1)[picked], i.prev_action.flatten()[picked], i.prev_reward.flatten()[picked]
        )
        read, _ = self.read(features, slots, rows != EMPTY)
        outcome = self.heads(torch.cat([features, read], dim=-1))  # [n, A], [n], [n]
        return Replay(*spread(chunk.changed, picked, *outcome), older if older.is_leaf else None)

    def _older_slots(self, memory: MemoryState) -> Tensor:
        """Slots written before the chunk [B, N, D]: leaves, or recalculated on the graph (`refresh`)."""
        if self.options.recalculation == "refresh":
            return reembedded(memory, self.codec, self.embed, self.options.min_fidelity)
        return memory.embedding.detach().clone().requires_grad_()

    def _slots_of_chunk(self, chunk: Chunk) -> Tensor:
        """Slots written in the chunk [writes, D], in the order of writing: on the graph, except for `none`."""
        fresh = encode_distinct(self.embed, chunk.inputs.observation[chunk.novel])
        return fresh.detach() if self.options.recalculation == "none" else fresh
