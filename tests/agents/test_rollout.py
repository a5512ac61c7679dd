"""Time semantics by boundary tables: two environments, several episodes, hand-written arrays."""

import sys
from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from counting_env import CountingEnvs

from reinstate.agents.chunk import Decision, Inputs
from reinstate.agents.encoders import GRID_CATEGORIES, ObservationSpec
from reinstate.agents.holding import Holding
from reinstate.agents.memory_agent import MemoryAgent, build_codec
from reinstate.agents.rollout import collect, start_collecting
from reinstate.envs.adapt import make_vector
from reinstate.memory.options import MemoryOptions


class Reporter:
    """An agent whose value is 100 * environment + 10 * episode + step, and whose action alternates."""

    decides_at_every_step = False

    def initial_state(self, num_envs):
        return torch.zeros(num_envs, 1)

    def begin_chunk(self, state):
        return None

    def act(self, inputs, state, index, generator, timeline=None):
        value = inputs.observation @ torch.tensor([100.0, 10.0, 1.0])
        action = inputs.observation[:, 2].long() % 2
        nothing = torch.zeros_like(value)
        return Decision(action, torch.zeros_like(value), value, torch.ones_like(value), nothing.bool(), action), state


def table(chunk):
    """Its decisions: observation, is_first, previous action and reward, reward, V of the next, what follows."""
    i = chunk.inputs
    return [
        [o, int(f), a, r, gain, after, follow if done else "open"]
        for o, f, a, r, gain, after, follow, done in zip(
            i.observation.int().tolist(),
            i.is_first.tolist(),
            i.prev_action.tolist(),
            i.prev_reward.tolist(),
            chunk.reward.tolist(),
            chunk.next_value.tolist(),
            chunk.follow.tolist(),
            chunk.complete.tolist(),
            strict=True,
        )
    ]


def test_boundary_table():
    """Environment 0 terminates after 2 steps; 1 is cut after 3, and bootstraps from its final observation, step 3."""
    envs, agent = CountingEnvs([2, 3], [False, True]), Reporter()
    c = start_collecting(envs, agent, [0, 1], None, 2.0)
    chunk = collect(envs, agent, c, 4, 100)
    assert table(chunk) == [
        # observation, first, previous, reward, V of the next, what follows
        [[0, 0, 0], 1, -1, 0, 1, 1, 2],
        [[1, 0, 0], 1, -1, 0, 1, 101, 3],
        [[0, 0, 1], 0, 0, 1, 2, 0, -1],  # terminated
        [[1, 0, 1], 0, 0, 1, 2, 102, 5],
        [[0, 1, 0], 1, -1, 0, 1, 11, 6],
        [[1, 0, 2], 0, 1, 2, 3, 103, -1],  # cut: the value of [1, 0, 3]
        [[0, 1, 1], 0, 0, 1, 2, 0, -1],  # terminated
        [[1, 1, 0], 1, -1, 0, 1, 111, -1],  # the chunk ends: the value of what comes next
    ]
    assert chunk.value.tolist() == [0, 100, 1, 101, 10, 102, 11, 110]
    assert chunk.terminal.nonzero()[:, 0].tolist() == [2, 6]
    assert chunk.inputs.paid.tolist() == [0, 0, 1, 1, 0, 3, 1, 0]  # the episode's rewards before each decision
    assert chunk.duration.tolist() == [1] * 8 and chunk.steps == 4
    assert [(e.env, e.ret, e.length, e.success, e.at) for e in chunk.episodes] == [
        (0, 3.0, 2, True, 4),
        (1, 6.0, 3, True, 6),
        (0, 3.0, 2, False, 8),
    ]
    following = collect(envs, agent, c, 1, 100)  # the next chunk goes on where this one ended
    assert table(following)[0][:2] == [[0, 2, 0], 1] and table(following)[1][:2] == [[1, 1, 1], 0]
    ends = collect(envs, agent, c, 1, 100).episodes
    assert [(e.env, e.success) for e in ends] == [(0, None), (1, False)]  # environment 0's third does not tell


class NamedCues(CountingEnvs):
    """Environment 0 calls its cue by a name, as environments of others may."""

    def step(self, action):
        *seen, info = super().step(action)
        if info:
            info["final_info"]["cue"] = np.array(["left", 7], dtype=object)
        return *seen, info


def test_a_cue_is_a_number():
    envs, agent = NamedCues([2, 3], [False, True]), Reporter()
    c = start_collecting(envs, agent, [0, 1], None, 2.0)
    assert [(e.env, e.cue) for e in collect(envs, agent, c, 4, 100).episodes] == [(0, None), (1, 7), (0, None)]


def test_a_chunk_ends_where_there_are_enough_decisions():
    envs, agent = CountingEnvs([2, 3], [False, True]), Reporter()
    c = start_collecting(envs, agent, [0, 1], None, 2.0)
    assert len(collect(envs, agent, c, 100, 3).action) == 6


class Stubborn(Reporter):
    """Action 1 wherever it decides; its value is the number of decisions so far."""

    def __init__(self):
        self.decisions = 0

    def act(self, inputs, state, index, generator, timeline=None):
        self.decisions += 1
        one = torch.ones(len(index))
        return Decision(one.long(), 0 * one, self.decisions * one, one, one > 1, one.long()), state


class StillEnv(CountingEnvs):
    """Shows the same frame and pays the same reward whatever happens, until its episode ends."""

    def _observe(self):
        return np.ones((self.num_envs, 3), dtype=np.float32)

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, np.where(terminated | truncated, 5.0, 1.0), terminated, truncated, info


def test_an_action_is_held_while_nothing_changes_and_the_next_chunk_takes_it_up():
    """One environment, 20 steps: decisions at step 0, at 1 (a previous action), then 2, 6 and 14 steps after that. The
    chunk ends after 12 steps: what is still held then opens the second chunk, with the reward it has earned so far."""
    envs, agent = StillEnv([20], [False]), Stubborn()
    c = start_collecting(envs, agent, [0], None, 2.0)
    first, second = collect(envs, agent, c, 12, 100), collect(envs, agent, c, 8, 100)
    assert first.value.tolist() == [1, 2, 3, 4] and first.complete.tolist() == [True, True, True, False]
    assert first.reward.tolist() == [1, 2, 4, 5] and first.duration.tolist() == [1, 2, 4, 5]
    assert first.next_value[:3].tolist() == [2, 3, 4] and first.follow.tolist() == [1, 2, 3, -1]
    assert second.value.tolist() == [4, 5] and second.complete.tolist() == [True, True]
    assert second.reward.tolist() == [8, 9] and second.duration.tolist() == [8, 5]  # 5 at the last of 20 steps
    assert second.next_value.tolist() == [5, 0] and second.follow.tolist() == [1, -1]
    assert second.inputs.prev_action.tolist() == [1, 1] and second.inputs.time.tolist() == [7, 15]


class Alternating(Stubborn):
    """Another action than the last wherever it decides."""

    def act(self, inputs, state, index, generator, timeline=None):
        decision, state = super().act(inputs, state, index, generator, timeline)
        decision.action[:] = inputs.prev_action != 1
        return decision, state


def test_what_is_taken_up_is_learnt_from_as_it_was_decided():
    """Growth 4, decisions at steps 0 to 5 (the first reward is a change, too), then nothing is answered until step 9
    and 25. The third chunk begins at 10: what was decided at 9, after action 0, is still learnt from as that."""
    envs, agent = StillEnv([200], [False]), Alternating()
    c = start_collecting(envs, agent, [0], None, 4.0)
    chunks = [collect(envs, agent, c, 5, 100) for _ in range(3)]
    assert [x.inputs.time.tolist() for x in chunks] == [[0, 1, 2, 3, 4], [5, 9], [9]]
    assert chunks[1].inputs.prev_action.tolist() == [1, 0] == [1, chunks[2].inputs.prev_action.item()]
    assert chunks[2].inputs.observation.tolist() == [[1, 1, 1]]  # kept nowhere, and still seen


def test_a_chunk_takes_at_least_a_step_though_everything_is_held():
    envs, agent = StillEnv([200], [False]), Stubborn()
    c = start_collecting(envs, agent, [0], None, 2.0)
    assert [collect(envs, agent, c, 100, 2).steps for _ in range(4)] == [2, 2, 4, 8]


def test_growth_1_decides_at_every_step():
    envs, agent = StillEnv([20], [False]), Stubborn()
    c = start_collecting(envs, agent, [0], None, 1.0)
    assert collect(envs, agent, c, 12, 100).duration.tolist() == [1] * 12


@given(
    growth=st.floats(1.0, 5.0),
    changes=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=60),
)
def test_what_changed_is_decided_at_once_and_gaps_grow(growth, changes):
    holding = Holding.begin(3, growth)
    for changed in changes:
        deciding = holding.deciding()
        holding.decided(deciding)
        gap = holding.due - holding.age
        assert (gap >= 1).all() and (gap <= np.ceil(growth * (holding.age + 1)) - holding.age).all()
        holding.advance(np.array(changed), np.zeros(3, dtype=bool))
        assert set(np.flatnonzero(changed)) <= set(holding.deciding())


def test_who_changes_nothing_but_the_own_action_is_answered_a_few_times():
    """Growth 2: decisions of one that alternates, of one that repeats itself, and of one for whom something else
    changes at step 7, by hand. Four answers, then 2, 6, 14 steps after the last of them; what changes starts anew."""
    holding = Holding.begin(3, 2.0)
    decided = [[], [], []]
    for step in range(22):
        deciding = holding.deciding()
        for b in deciding:
            decided[b].append(step)
        holding.decided(deciding)
        alternates = np.isin(np.arange(3), deciding)  # each decision is for another action than the last
        acted = alternates & np.array([True, False, True])
        holding.advance(np.array([False, False, step == 6]), acted)
    assert decided[0] == [0, 1, 2, 3, 4, 6, 10, 18]
    assert decided[1] == [0, 2, 6, 14]
    assert decided[2] == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 13, 17]


def memory_agent(**options):
    torch.manual_seed(0)
    spec = ObservationSpec("vector", (3,))
    o = MemoryOptions(slots=8, code_bits=64, **options)
    agent = MemoryAgent(spec, 2, o, build_codec(spec, GRID_CATEGORIES, o))
    torch.nn.init.normal_(agent.heads.value[-1].weight)  # it starts at zero
    return agent


def test_memory_is_fresh_when_an_episode_begins_and_only_there():
    envs, agent = CountingEnvs([2, 5], [False, True]), memory_agent(write_rule="always")
    c = start_collecting(envs, agent, [0, 1], torch.Generator().manual_seed(0), 2.0)
    held = []
    for _ in range(6):
        collect(envs, agent, c, 1, 100)
        held.append(c.agent_state.memory.written.sum(dim=1).tolist())
    assert held == [[1, 1], [2, 2], [1, 3], [2, 4], [1, 5], [2, 1]]


def test_looking_at_values_writes_nothing():
    """Bootstrap values come from copies: neither the chunk's end nor a truncation touches the live memory."""
    envs, agent = CountingEnvs([3, 3], [True, True]), memory_agent(write_rule="always")
    c = start_collecting(envs, agent, [0, 1], torch.Generator().manual_seed(0), 2.0)
    collect(envs, agent, c, 2, 100)
    before = c.agent_state.memory.clone()
    assert before.written.sum(dim=1).tolist() == [2, 2]
    chunk = collect(envs, agent, c, 1, 100)
    assert (chunk.next_value != 0).all()  # V(final observation), looked up on copies
    after = c.agent_state.memory
    assert after.written.sum(dim=1).tolist() == [3, 3]


def test_a_truncated_episode_is_valued_with_its_live_memory():
    """The bootstrap is what an agent with that memory says of the final observation, and no agent without it."""
    envs, agent = CountingEnvs([3], [True]), memory_agent(write_rule="always")
    c = start_collecting(envs, agent, [0], torch.Generator().manual_seed(0), 2.0)
    chunk = collect(envs, agent, c, 3, 100)
    first = torch.tensor([0])
    final = Inputs(
        torch.tensor([[0.0, 0.0, 3.0]]), chunk.action[2:], chunk.reward[2:], first.bool(), first + 3, chunk.reward[2:]
    )
    live = agent.act(final, c.agent_state.rows(first), first, None)[0].value
    empty = agent.act(final, agent.initial_state(1), first, None)[0].value
    assert chunk.next_value[2] == live and live != empty


def first_ends(spread):
    """When the first 64 episodes of Key-to-Door end, 40 steps each, after `spread` steps; the observation then."""
    envs = make_vector("Reinstate/KeyToDoor-v0", 64, {"delay": 10})
    c = start_collecting(envs, Reporter(), list(range(64)), None, 1.0, spread)
    observation, ends = c.observation.copy(), np.zeros(64, dtype=int)
    assert c.steps_done == 64 * spread[0]
    for step in range(1, 41):
        _, _, terminated, truncated, _ = envs.step(np.zeros(64, dtype=int))
        ends[(ends == 0) & (terminated | truncated)] = step
    assert (c.lengths + ends == 40).all()  # the collector knows how far each has come
    return ends, observation


def test_environments_are_spread_over_their_episodes():
    """Without a spread all end together; with one they end at most of the 40 moments, whatever the seed."""
    assert set(first_ends((0, 7))[0]) == {40}
    ends, observation = first_ends((40, 7))
    assert ends.min() >= 1 and ends.max() <= 40 and len(set(ends)) > 25
    again, same = first_ends((40, 7))
    other, _ = first_ends((40, 8))
    assert (ends == again).all() and (observation == same).all() and (ends != other).any()


class Resettable(CountingEnvs):
    """Its episodes can be begun anew one by one; it remembers the actions and how often each was reset."""

    def reset(self, seed=None, options=None):
        if options is None:
            self.resets, self.actions = np.zeros(self.num_envs, dtype=int), []
            return super().reset(seed)
        self.resets += options["reset_mask"]
        self.episode[options["reset_mask"]] += 1
        self.step_of[options["reset_mask"]] = 0
        return self._observe(), {}

    def step(self, action):
        self.actions.append(action.copy())
        return super().step(action)


def test_after_the_spread_the_collector_stands_where_the_environments_stand():
    """Rewards are 1, 2, 3, ..., so t steps have brought t (t + 1) / 2."""
    envs = Resettable([5, 9, 40, 40], [True, False, False, True])
    c = start_collecting(envs, Reporter(), [0, 1, 2, 3], None, 2.0, (12, 3))
    assert envs.resets.tolist() == [1, 1, 1, 1]
    assert (c.observation == envs._observe()).all() and c.lengths.tolist() == envs.step_of.tolist()
    assert c.returns.tolist() == [t * (t + 1) / 2 for t in envs.step_of]
    begun = envs.step_of == 0
    assert c.prev_reward.tolist() == envs.step_of.tolist()
    assert c.prev_action.tolist() == np.where(begun, -1, envs.actions[-1]).tolist()
    assert c.steps_done == 48 and len(c.holding.deciding()) == 4
    assert len({tuple(a) for a in envs.actions}) > 1 and {int(x) for a in envs.actions for x in a} == {0, 1}
    chunk = collect(envs, Reporter(), c, 40, 1000)
    first_of = {e.env: e for e in reversed(chunk.episodes)}
    assert [first_of[b].length for b in range(4)] == [5, 9, 40, 40]


class StillAndResettable(StillEnv, Resettable):
    pass


def test_after_the_spread_holding_starts_anew():
    """Nothing changes for 9 random steps: the first decision is not taken for one that comes late."""
    c = start_collecting(StillAndResettable([200], [False]), Stubborn(), [0], None, 2.0, (9, 1))
    assert c.holding.age.tolist() == [0] and c.holding.answered.tolist() == [0]


def test_gymnasiums_own_vectors_can_be_spread_out():
    envs = make_vector("CartPole-v1", 3, {})
    c = start_collecting(envs, Reporter(), [1, 2, 3], None, 1.0, (5, 1))
    assert np.array_equal(c.observation, np.array([env.unwrapped.state for env in envs.envs], dtype=np.float32))
