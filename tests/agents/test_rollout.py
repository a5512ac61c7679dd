"""Time semantics by boundary tables: two environments, several episodes, hand-written arrays."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from counting_env import CountingEnvs

from agents.chunk import Decision
from agents.encoders import GRID_CATEGORIES, ObservationSpec
from agents.memory_agent import MemoryAgent, build_codec
from agents.rollout import collect, start_collecting
from memory.options import MemoryOptions


class Reporter:
    """An agent whose value is 100 * environment + 10 * episode + step, and whose action alternates."""

    def initial_state(self, num_envs):
        return torch.zeros(num_envs, 1)

    def begin_chunk(self, state, steps):
        return None

    def act(self, inputs, state, generator, record=None):
        value = inputs.observation @ torch.tensor([100.0, 10.0, 1.0])
        state = torch.where(inputs.is_first[:, None], 0.0, state + 1)
        action = inputs.observation[:, 2].long() % 2
        nothing = torch.zeros_like(inputs.is_first)
        return Decision(action, torch.zeros_like(value), value, torch.ones_like(value), nothing, ~nothing), state


def test_boundary_table():
    envs, agent = CountingEnvs([2, 3], [False, True]), Reporter()
    c = start_collecting(envs, agent, [0, 1], None)
    chunk = collect(envs, agent, c, 4)
    i = chunk.inputs
    assert i.observation.tolist() == [
        [[0, 0, 0], [1, 0, 0]],
        [[0, 0, 1], [1, 0, 1]],
        [[0, 1, 0], [1, 0, 2]],
        [[0, 1, 1], [1, 1, 0]],
    ]
    assert i.is_first.int().tolist() == [[1, 1], [0, 0], [1, 0], [0, 1]]
    assert i.prev_action.tolist() == [[-1, -1], [0, 0], [-1, 1], [0, -1]]
    assert i.prev_reward.tolist() == [[0, 0], [1, 1], [0, 2], [1, 0]]
    assert chunk.reward.tolist() == [[1, 1], [2, 2], [1, 3], [2, 1]]
    assert chunk.terminated.int().tolist() == [[0, 0], [1, 0], [0, 0], [1, 0]]
    assert chunk.truncated.int().tolist() == [[0, 0], [0, 0], [0, 1], [0, 0]]
    assert chunk.value.tolist() == [[0, 100], [1, 101], [10, 102], [11, 110]]
    assert chunk.final_value.tolist() == [[0, 0], [0, 0], [0, 103], [0, 0]]  # of the final observation: step 3
    assert chunk.last_value.tolist() == [20, 111]
    assert [(e.env, e.ret, e.length, e.success, e.at) for e in chunk.episodes] == [
        (0, 3.0, 2, True, 4),
        (1, 6.0, 3, True, 6),
        (0, 3.0, 2, False, 8),
    ]
    following = collect(envs, agent, c, 1)  # the next chunk goes on where this one ended
    assert following.inputs.observation.tolist() == [[[0, 2, 0], [1, 1, 1]]]
    assert following.inputs.is_first.int().tolist() == [[1, 0]]
    ends = collect(envs, agent, c, 1).episodes
    assert [(e.env, e.success) for e in ends] == [(0, None), (1, False)]  # environment 0's third does not tell


def memory_agent(**options):
    torch.manual_seed(0)
    spec = ObservationSpec("vector", (3,))
    o = MemoryOptions(slots=8, code_bits=64, **options)
    return MemoryAgent(spec, 2, o, build_codec(spec, GRID_CATEGORIES, o))


def test_memory_is_fresh_when_an_episode_begins_and_only_there():
    envs, agent = CountingEnvs([2, 5], [False, True]), memory_agent(write_rule="always")
    c = start_collecting(envs, agent, [0, 1], torch.Generator().manual_seed(0))
    held = []
    for _ in range(6):
        collect(envs, agent, c, 1)
        held.append(c.agent_state.memory.written.sum(dim=1).tolist())
    assert held == [[1, 1], [2, 2], [1, 3], [2, 4], [1, 5], [2, 1]]


def test_looking_at_values_writes_nothing():
    """Bootstrap values come from copies: neither the chunk's end nor a truncation touches the live memory."""
    envs, agent = CountingEnvs([3, 3], [True, True]), memory_agent(write_rule="always")
    c = start_collecting(envs, agent, [0, 1], torch.Generator().manual_seed(0))
    collect(envs, agent, c, 2)
    before = c.agent_state.memory.clone()
    assert before.written.sum(dim=1).tolist() == [2, 2] and before.episode_step.tolist() == [1, 1]
    chunk = collect(envs, agent, c, 1)
    assert chunk.truncated.all() and (chunk.final_value != 0).all()
    after = c.agent_state.memory
    assert after.written.sum(dim=1).tolist() == [3, 3]


def test_a_truncated_episode_is_valued_with_its_live_memory():
    """The bootstrap differs from what an agent with an empty memory says of the same observation."""
    envs, agent = CountingEnvs([3], [True]), memory_agent(write_rule="always")
    c = start_collecting(envs, agent, [0], torch.Generator().manual_seed(0))
    live = collect(envs, agent, c, 3).final_value[2, 0]
    empty = agent.initial_state(1)
    final = c.inputs.rows(torch.tensor([0]))
    final.observation = torch.tensor([[0.0, 0.0, 3.0]])
    final.is_first = torch.tensor([False])
    assert live != agent.act(final, empty, None)[0].value[0]
