"""A chain of grid T-Mazes: the rules of `grid_tmaze.py` with several corridors in an episode."""

from __future__ import annotations

import numpy as np

from reinstate.envs.grid_tmaze import Mazes, SingleMaze, make_layout


class GridTMazeEndlessVector(Mazes):
    """B environments `Reinstate/GridTMazeEndless-v0`; see the page of `GridTMazeEndless`."""

    def __init__(
        self,
        num_envs: int = 1,
        length: int = 20,
        corridors: int = 10,
        distractors: int = 0,
        penalty: float | None = None,
        observation: str = "symbolic",
        noise: float = 0.0,
        render_mode: str | None = None,
    ):
        layout = make_layout(False, length, distractors, penalty, observation, noise, corridors, wrong_arm=-1.0)
        super().__init__(num_envs, layout, observation, render_mode)

    def final_info(self) -> dict[str, np.ndarray]:
        right_turns = self.state.right_turns
        return {"is_success": right_turns == self.layout.corridors, "right_turns": right_turns}


class GridTMazeEndless(SingleMaze):
    """T-Mazes in a chain, each with a new cue that replaces the last: memory must be rewritten.

    ## Description

    The passive grid T-Maze, `corridors` times in one episode. In the start room lies a green key or a green
    ball: the key means the north arm, the ball the south arm. The agent starts `length` cells from the junction,
    facing the room, and must turn round, walk to the junction and take the arm that it remembers. Entering
    either arm brings it at once to the start of the next corridor, which looks like the last, again facing the
    room, so that the new cue is in view on that very step. The new cue is drawn afresh: what the last one was
    says nothing about it, and a memory that keeps the old one misleads. (Rewriting memory: arXiv 2601.15086.)

    All corridors and all corridor cells look alike: neither position nor time nor the number of the corridor
    is observed. With `distractors=k` every room holds k other objects as well, as in the passive grid T-Maze.

    ## Actions

    | Num | Name    | Effect                                              |
    |-----|---------|-----------------------------------------------------|
    | 0   | left    | turn left                                           |
    | 1   | right   | turn right                                          |
    | 2   | forward | move one cell                                       |
    | 3   | pickup  | the same as toggle (see the passive environment)    |
    | 4   | drop    | nothing: the agent never carries anything           |
    | 5   | toggle  | opens a box, which vanishes as it is empty          |
    | 6   | done    | nothing                                             |

    ## Observation

    | `observation=` | Space                           | Content                                           |
    |----------------|---------------------------------|---------------------------------------------------|
    | "symbolic"     | Box(0, 10, (7, 7, 3), uint8)    | MiniGrid's (object, colour, state) of 7x7 cells   |
    | "pixels"       | Box(0, 255, (56, 56, 3), uint8) | the same view as MiniGrid draws it, 8 pixels each |

    With `observation="pixels"`, `noise=p` gives each pixel a uniformly random colour with probability p (0 to 1,
    by default 0), drawn anew every step: distractors that an agent should not remember.

    ## Reward

    +1 for entering the right arm, -1 for the wrong one. The pace is that of the passive grid T-Maze in every
    corridor anew: steps are counted from the corridor's start, and until its junction has been reached, every
    step after the first 12 that does not bring the agent to a new farthest column of this corridor costs
    `penalty` (default 1 / length; 0 turns it off).

    ## Termination and truncation

    Terminated on entering an arm for the `corridors`-th time, right or wrong. Truncated at step
    3 * length + 60 of any corridor (never together with termination); an arm entered on that step counts, and
    the next corridor starts its own count. An episode has therefore at most corridors * (3 * length + 60)
    steps. The last step's info has `is_success` (bool: all turns were taken and right) and `right_turns` (int).

    ## Optimal return, memory lag, credit lag, chance level

    | Optimal return | Best without memory            | Random, by default     | Memory lag | Credit lag |
    |----------------|--------------------------------|------------------------|------------|------------|
    | corridors      | 0 (success 1 / 2 ** corridors) | about -5.37, success 0 | length + 2 | 1          |

    Lags are those of one corridor. The optimal episode takes corridors * (length + 4) steps.

    ## Registered ids

    - `Reinstate/GridTMazeEndless-v0` (length=20, corridors=10)
    """

    batch_class = GridTMazeEndlessVector
