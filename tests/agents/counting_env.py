"""Environments whose every observation says where they are: [environment, episode, step]."""

import numpy as np
from gymnasium.spaces import Box, Discrete


class CountingEnvs:
    """Environment i ends its episodes after `lengths[i]` steps, by truncation where `cut[i]`, else by termination.

    The reward of step t (from 1) is t. The first episode succeeds, the second fails, later ones do not tell.
    """

    def __init__(self, lengths, cut):
        self.lengths, self.cut, self.num_envs = lengths, cut, len(lengths)
        self.single_observation_space = Box(0, 100, (3,), np.float32)
        self.single_action_space = Discrete(2)

    def reset(self, seed=None):
        self.episode, self.step_of = np.zeros(self.num_envs, int), np.zeros(self.num_envs, int)
        return self._observe(), {}

    def _observe(self):
        columns = (np.arange(self.num_envs), self.episode, self.step_of)
        return np.stack(columns, axis=1).astype(np.float32)

    def step(self, action):
        self.step_of += 1
        ended = self.step_of == self.lengths
        terminated, truncated = ended & ~np.array(self.cut), ended & np.array(self.cut)
        reward = self.step_of.astype(float)
        info = {}
        if ended.any():
            final = self._observe()
            objects = np.empty(self.num_envs, dtype=object)
            for b in np.flatnonzero(ended):
                objects[b] = final[b]
            info = {
                "final_obs": objects,
                "final_info": {"is_success": self.episode == 0, "_is_success": ended & (self.episode < 2)},
            }
            self.episode += ended
            self.step_of[ended] = 0
        return self._observe(), reward, terminated, truncated, info

    def close(self):
        pass
