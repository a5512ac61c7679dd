"""Time semantics by boundary tables: two environments, several episodes, hand-written arrays."""

import numpy as np
import torch

from reinstate.agents.action_repeat import GROWTH, ActionRepeat
from reinstate.agents.build import KINDS
from reinstate.agents.collector import collect, stagger, start_collecting
from reinstate.agents.memoryless import NoRecord, NoState
from reinstate.agents.networks import ObservationSpec
from reinstate.agents.rollout import Decision, Inputs
from reinstate.envs.adapt import make_vector
from reinstate.memory.options import MemoryOptions
from tests.agents.counting_env import CountingEnvs


class Reporter:
    """An agent whose value is 100 * environment + 10 * episode + step, and whose action alternates."""

    decides_every_step = False

    def initial_state(self, num_envs):
        return NoState(torch.zeros(num_envs, 0))

    def begin_rollout(self, state):
        return NoRecord()

    def act(self, inputs, state, index, generator, record=None):
        value = inputs.observation @ torch.tensor([100.0, 10.0, 1.0])
        action = inputs.observation[:, 2].long() % 2
        nothing = torch.zeros_like(value)
        one = torch.ones_like(value)
        return Decision(action, torch.zeros_like(value), value, one, nothing.bool(), action, one), state


def begin(envs, agent, growth=2.0, generator=None):
    """A collector whose intervals between decisions grow by this factor."""
    c = start_collecting(envs, agent, list(range(envs.num_envs)), generator, True)
    c.repeat = ActionRepeat.begin(envs.num_envs, growth)
    return c


def table(rollout):
    """Its decisions: observation, is_first, previous action and reward, reward, V of the next, what follows."""
    i, x = rollout.inputs, rollout.outcome
    return [
        [o, int(f), a, r, gain, after, follow if closed else "open"]
        for o, f, a, r, gain, after, follow, closed in zip(
            i.observation.int().tolist(),
            i.is_first.tolist(),
            i.prev_action.tolist(),
            i.prev_reward.tolist(),
            x.reward.tolist(),
            x.next_value.tolist(),
            x.follow.tolist(),
            x.closed.tolist(),
            strict=True,
        )
    ]


def test_boundary_table():
    """Environment 0 terminates after 2 steps; 1 is cut after 3, and bootstraps from its final observation, step 3."""
    envs, agent = CountingEnvs([2, 3], [False, True]), Reporter()
    c = begin(envs, agent)
    rollout = collect(envs, agent, c, 4, 100)
    assert table(rollout) == [
        # observation, first, previous, reward, V of the next, what follows
        [[0, 0, 0], 1, -1, 0, 1, 1, 2],
        [[1, 0, 0], 1, -1, 0, 1, 101, 3],
        [[0, 0, 1], 0, 0, 1, 2, 0, -1],  # terminated
        [[1, 0, 1], 0, 0, 1, 2, 102, 5],
        [[0, 1, 0], 1, -1, 0, 1, 11, 6],
        [[1, 0, 2], 0, 1, 2, 3, 103, -1],  # cut: the value of [1, 0, 3]
        [[0, 1, 1], 0, 0, 1, 2, 0, -1],  # terminated
        [[1, 1, 0], 1, -1, 0, 1, 111, -1],  # the rollout ends: the value of what comes next
    ]
    assert rollout.decision.value.tolist() == [0, 100, 1, 101, 10, 102, 11, 110]
    assert rollout.outcome.terminal.nonzero()[:, 0].tolist() == [2, 6]
    assert rollout.inputs.paid.tolist() == [0, 0, 1, 1, 0, 3, 1, 0]  # the episode's rewards before each decision
    assert rollout.outcome.duration.tolist() == [1] * 8 and rollout.steps == 4
    assert [(e.env, e.ret, e.length, e.success, e.at) for e in rollout.episodes] == [
        (0, 3.0, 2, True, 4),
        (1, 6.0, 3, True, 6),
        (0, 3.0, 2, False, 8),
    ]
    following = collect(envs, agent, c, 1, 100)  # the next rollout goes on where this one ended
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
    c = begin(envs, agent)
    assert [(e.env, e.cue) for e in collect(envs, agent, c, 4, 100).episodes] == [(0, None), (1, 7), (0, None)]


def test_a_rollout_ends_where_there_are_enough_decisions():
    envs, agent = CountingEnvs([2, 3], [False, True]), Reporter()
    c = begin(envs, agent)
    assert len(collect(envs, agent, c, 100, 3).decision.action) == 6


class Stubborn(Reporter):
    """Action 1 wherever it decides; its value is the number of decisions so far."""

    def __init__(self):
        self.decisions = 0

    def act(self, inputs, state, index, generator, record=None):
        self.decisions += 1
        one = torch.ones(len(index))
        return Decision(one.long(), 0 * one, self.decisions * one, one, one > 1, one.long(), one), state


class StillEnv(CountingEnvs):
    """Shows the same frame and pays the same reward whatever happens, until its episode ends."""

    def _observe(self):
        return np.ones((self.num_envs, 3), dtype=np.float32)

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, np.where(terminated | truncated, 5.0, 1.0), terminated, truncated, info


def test_an_action_is_repeated_while_nothing_changes_and_the_next_rollout_continues_it():
    """One environment, 20 steps: decisions at step 0, at 1 (a previous action), then 2, 6 and 14 steps after that. The
    rollout ends after 12 steps: the open decision is the first of the second rollout, with what it has earned so far.
    """
    envs, agent = StillEnv([20], [False]), Stubborn()
    c = begin(envs, agent)
    first, second = collect(envs, agent, c, 12, 100), collect(envs, agent, c, 8, 100)
    assert first.decision.value.tolist() == [1, 2, 3, 4] and first.outcome.closed.tolist() == [True, True, True, False]
    assert first.outcome.reward.tolist() == [1, 2, 4, 5] and first.outcome.duration.tolist() == [1, 2, 4, 5]
    assert first.outcome.next_value[:3].tolist() == [2, 3, 4] and first.outcome.follow.tolist() == [1, 2, 3, -1]
    assert second.decision.value.tolist() == [4, 5] and second.outcome.closed.tolist() == [True, True]
    assert second.outcome.reward.tolist() == [8, 9] and second.outcome.duration.tolist() == [8, 5]  # the last pays 5
    assert second.outcome.next_value.tolist() == [5, 0] and second.outcome.follow.tolist() == [1, -1]
    assert second.inputs.prev_action.tolist() == [1, 1] and second.inputs.time.tolist() == [7, 15]


class Alternating(Stubborn):
    """Another action than the last wherever it decides."""

    def act(self, inputs, state, index, generator, record=None):
        decision, state = super().act(inputs, state, index, generator, record)
        decision.action[:] = inputs.prev_action != 1
        return decision, state


def test_what_is_continued_is_learnt_from_as_it_was_decided():
    """Growth 4, decisions at steps 0 to 5 (the first reward is a change, too), then not before steps 9 and 25. The
    third rollout begins at 10: what was decided at 9, after action 0, is still learnt from as that."""
    envs, agent = StillEnv([200], [False]), Alternating()
    c = begin(envs, agent, 4.0)
    rollouts = [collect(envs, agent, c, 5, 100) for _ in range(3)]
    assert [x.inputs.time.tolist() for x in rollouts] == [[0, 1, 2, 3, 4], [5, 9], [9]]
    assert rollouts[1].inputs.prev_action.tolist() == [1, 0] == [1, rollouts[2].inputs.prev_action.item()]
    assert rollouts[2].inputs.observation.tolist() == [[1, 1, 1]]  # kept nowhere, and still seen


class TurningEnv(StillEnv):
    """Its frame changes once, at step 3."""

    def _observe(self):
        return super()._observe() + (self.step_of >= 3)[:, None].astype(np.float32)


def test_a_slot_written_by_an_open_decision_is_older_than_the_next_rollout():
    """The decision at step 3 writes and is still open after 4 steps: in the second rollout it counts as one that did
    not write, and replays as it was made."""
    envs, agent = TurningEnv([40], [False]), memory_agent()
    agent.heads.policy[-1].bias.data[1] = 100.0  # always the same action
    c = begin(envs, agent)
    first, second = collect(envs, agent, c, 4, 100), collect(envs, agent, c, 12, 100)
    assert (first.inputs.time[-1], first.decision.wrote[-1]) == (3, True) and not first.outcome.closed[-1]
    assert second.inputs.time[0] == 3 and not second.decision.wrote.any()
    again = agent.replay(second, torch.arange(len(second.decision.value)))
    torch.testing.assert_close(again.value, second.decision.value)


def test_a_rollout_takes_at_least_a_step_though_all_decisions_are_open():
    envs, agent = StillEnv([200], [False]), Stubborn()
    c = begin(envs, agent)
    assert [collect(envs, agent, c, 100, 2).steps for _ in range(4)] == [2, 2, 4, 8]


def test_without_action_repeat_every_step_is_a_decision():
    """So it is for an agent whose state changes though nothing that it sees does."""
    agent = Stubborn()
    for action_repeat, every_step, growth in ((True, False, GROWTH), (False, False, 1.0), (True, True, 1.0)):
        envs = StillEnv([20], [False])
        agent.decides_every_step = every_step
        c = start_collecting(envs, agent, [0], None, action_repeat)
        assert c.repeat.growth == growth
        durations = collect(envs, agent, c, 12, 100).outcome.duration.tolist()
        assert (durations == [1] * 12) == (growth == 1.0)


def memory_agent(**options):
    torch.manual_seed(0)
    spec, o = ObservationSpec("vector", (3,)), MemoryOptions(slots=8, code_bits=64, **options)
    agent = KINDS["memory"].make(spec, 2, o)
    torch.nn.init.normal_(agent.heads.value[-1].weight)  # it starts at zero
    return agent


def test_memory_is_fresh_when_an_episode_begins_and_only_there():
    envs, agent = CountingEnvs([2, 5], [False, True]), memory_agent(write_rule="always")
    c = begin(envs, agent, generator=torch.Generator().manual_seed(0))
    used = []
    for _ in range(6):
        collect(envs, agent, c, 1, 100)
        used.append(c.agent_state.memory.written.sum(dim=1).tolist())
    assert used == [[1, 1], [2, 2], [1, 3], [2, 4], [1, 5], [2, 1]]


def test_looking_at_values_writes_nothing():
    """Bootstrap values come from copies: neither the rollout's end nor a truncation touches the live memory."""
    envs, agent = CountingEnvs([3, 3], [True, True]), memory_agent(write_rule="always")
    c = begin(envs, agent, generator=torch.Generator().manual_seed(0))
    collect(envs, agent, c, 2, 100)
    before = c.agent_state.memory.clone()
    assert before.written.sum(dim=1).tolist() == [2, 2]
    rollout = collect(envs, agent, c, 1, 100)
    assert (rollout.outcome.next_value != 0).all()  # V(final observation), looked up on copies
    after = c.agent_state.memory
    assert after.written.sum(dim=1).tolist() == [3, 3]


def test_a_truncated_episode_is_valued_with_its_live_memory():
    """The bootstrap is what an agent with that memory says of the final observation, and no agent without it."""
    envs, agent = CountingEnvs([3], [True]), memory_agent(write_rule="always")
    c = begin(envs, agent, generator=torch.Generator().manual_seed(0))
    rollout = collect(envs, agent, c, 3, 100)
    first, reward = torch.tensor([0]), rollout.outcome.reward
    final = Inputs(
        torch.tensor([[0.0, 0.0, 3.0]]), rollout.decision.action[2:], reward[2:], first.bool(), first + 3, reward[2:]
    )
    live = agent.act(final, c.agent_state.take(first), first, None)[0].value
    empty = agent.act(final, agent.initial_state(1), first, None)[0].value
    assert rollout.outcome.next_value[2] == live and live != empty


def first_ends(steps, seed=0):
    """When the first 64 episodes of Key-to-Door end, 40 steps each, after staggered resets; the observation then."""
    envs = make_vector("Reinstate/KeyToDoor-v0", 64, {"delay": 10})
    c = start_collecting(envs, Reporter(), list(range(64)), None, False)
    if steps > 0:
        stagger(envs, c, steps, seed)
    observation, ends = c.observation.copy(), np.zeros(64, dtype=int)
    assert c.steps_done == 64 * steps
    for step in range(1, 41):
        _, _, terminated, truncated, _ = envs.step(np.zeros(64, dtype=int))
        ends[(ends == 0) & (terminated | truncated)] = step
    assert (c.lengths + ends == 40).all()  # the collector knows how far each has come
    return ends, observation


def test_staggered_resets_bring_environments_out_of_phase():
    """Otherwise all end together; so they end at most of the 40 moments, whatever the seed."""
    assert set(first_ends(0)[0]) == {40}
    ends, observation = first_ends(40, 7)
    assert ends.min() >= 1 and ends.max() <= 40 and len(set(ends)) > 25
    again, same = first_ends(40, 7)
    other, _ = first_ends(40, 8)
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


def test_after_staggered_resets_the_collector_stands_where_the_environments_stand():
    """Rewards are 1, 2, 3, ..., so t steps have brought t (t + 1) / 2."""
    envs = Resettable([5, 9, 40, 40], [True, False, False, True])
    c = begin(envs, Reporter())
    stagger(envs, c, 12, 3)
    assert envs.resets.tolist() == [1, 1, 1, 1]
    assert (c.observation == envs._observe()).all() and c.lengths.tolist() == envs.step_of.tolist()
    assert c.returns.tolist() == [t * (t + 1) / 2 for t in envs.step_of]
    begun = envs.step_of == 0
    assert c.prev_reward.tolist() == envs.step_of.tolist()
    assert c.prev_action.tolist() == np.where(begun, -1, envs.actions[-1]).tolist()
    assert c.steps_done == 48 and len(c.repeat.deciding()) == 4
    assert len({tuple(a) for a in envs.actions}) > 1 and {int(x) for a in envs.actions for x in a} == {0, 1}
    rollout = collect(envs, Reporter(), c, 40, 1000)
    first_of = {e.env: e for e in reversed(rollout.episodes)}
    assert [first_of[b].length for b in range(4)] == [5, 9, 40, 40]


class StillAndResettable(StillEnv, Resettable):
    pass


def test_after_staggered_resets_intervals_between_decisions_start_anew():
    """Nothing changes for 9 random steps: the first decision does not count as one that comes late."""
    envs = StillAndResettable([200], [False])
    c = begin(envs, Stubborn(), growth=3.0)
    stagger(envs, c, 9, 1)
    assert c.repeat.age.tolist() == [0] and c.repeat.own_changes.tolist() == [0] and c.repeat.growth == 3.0


def test_gymnasiums_own_vectors_can_be_staggered():
    envs = make_vector("CartPole-v1", 3, {})
    c = start_collecting(envs, Reporter(), [1, 2, 3], None, False)
    stagger(envs, c, 5, 1)
    assert np.array_equal(c.observation, np.array([env.unwrapped.state for env in envs.envs], dtype=np.float32))
