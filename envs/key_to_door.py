"""Key-to-Door: fetch a key, collect apples, open a door."""

from __future__ import annotations

import numpy as np

from reinstate.envs import three_phases as phases
from reinstate.envs.checks import check_bool, check_choice, is_finite_number
from reinstate.envs.engine.loops import loops_of, rule
from reinstate.envs.engine.single import SingleEnv

# By preset: rewards of an apple, of which one is drawn for every episode, steps and reward of the last phase.
PRESETS = {"tvt": ((1.0, 10.0), 15, 10.0), "ni2023": ((1.0,), 10, 5.0)}

# k: the key is on one of these, p: the player starts on one of these, d: the door.
_EXPLORE = """
  #######
  #kkkkk#
  #kkkkk#
  ##   ##
  #ppppp#
  #ppppp#
  #######
"""
_REWARD = """

   ##d##
   #   #
   # p #
   #   #
   #####

"""


@rule
def reset_one(state: phases.State, layout: phases.Layout, generator: np.ndarray, b: int) -> None:
    row, column = phases.draw_mark(layout, generator)
    phases.start_episode(state, layout, generator, b)
    state.boards[b, phases.EXPLORE, row, column] = phases.KEY
    phases.draw_apples(state, layout, generator, b)


class KeyToDoorVector(phases.ThreePhaseVector):
    """B environments `Reinstate/KeyToDoor-v0`."""

    loops = loops_of(reset_one, phases.step_one, phases.observe_one)

    def __init__(
        self,
        num_envs: int = 1,
        delay: int = 90,
        apple_reward: float | None = None,
        preset: str = "tvt",
        key_reward: float = 0.0,
        yoked: bool = False,
        render_mode: str | None = None,
    ):
        check_choice("preset", preset, tuple(PRESETS))
        if not is_finite_number(key_reward):
            raise ValueError(f"key_reward={key_reward!r} is not a reward: pass a finite number.")
        check_bool("yoked", yoked)
        layout = phases.make_layout(
            (_EXPLORE, _REWARD), "k", delay, apple_reward, *PRESETS[preset], float(key_reward), bool(yoked)
        )
        super().__init__(num_envs, layout, render_mode)


class KeyToDoor(SingleEnv):
    """Fetch a key, collect apples for a while, then open a door with it (Hung et al. 2019, TVT).

    ## Description

    Three phases on boards of 7 x 11 cells, seen through a window of 5 x 5 cells around the player.

    1. Explore, 15 steps: two joined rooms with a key in the upper one and the player in the lower one, both
       at random. Walking onto the key takes it. By default that pays nothing; a white cell in the top wall blinks for
       one frame.
    2. Distractor, `delay` steps: a hall with apples on 10 of 22 cells, drawn at random. An apple that was
       taken is back in the picture 21 steps later.
    3. Reward, 15 steps (10 with `preset="ni2023"`): a small room with a door in its north wall. Who has the
       key can walk through it.

    The last step of a phase returns the first picture of the next one. Nothing shows whether the player has
    the key. Boards, colours, timing and rewards are those of DeepMind's pycolab game; "ni2023" has the
    numbers of Ni et al. 2023 (github.com/twni2016/Memory-RL; there with delay 60 and others).

    ## Actions

    | Num | Name  | Effect      |
    |-----|-------|-------------|
    | 0   | north | row - 1     |
    | 1   | south | row + 1     |
    | 2   | west  | column - 1  |
    | 3   | east  | column + 1  |

    A move into a wall, over the edge of the board or into the door without the key changes nothing.

    ## Observation

    Box(0, 255, (5, 5, 3), uint8): the RGB colours of the cells around the player, who is in the middle.

    | Cell                       | Colour          |
    |----------------------------|-----------------|
    | floor and outside          | (204, 204, 204) |
    | wall                       | (25, 25, 25)    |
    | player                     | (228, 148, 109) |
    | key                        | (159, 81, 44)   |
    | blink of the top wall      | (255, 255, 255) |
    | door (hides the player)    | (134, 206, 235) |
    | apple                      | (140, 178, 0)   |

    ## Reward

    | `preset=` | An apple                             | Opening the door, once |
    |-----------|--------------------------------------|------------------------|
    | "tvt"     | 1 or 10, drawn once for each episode | 10                     |
    | "ni2023"  | 1                                    | 5                      |

    `apple_reward=` sets what an apple pays in every episode, `key_reward=` what taking the key pays at once (by
    default nothing).

    Taking the key costs nothing, so an agent may do it without knowing what it is for. Three options are controls:

    - `apple_reward=0`: nothing but the door teaches to walk onto what has a colour.
    - `key_reward=-1`, or another price: only who connects the key with the door should take it.
    - `yoked=True`: the player is let in if the key was taken in the episode *before* (the last one that was played to
      its end; after a seed, none), whatever is done with it in this one. All is seen and paid as without `yoked` by a
      policy that stays the same, but the key is worth nothing. With a price as well, nobody should take it.

    ## Termination and truncation

    Terminated after exactly 15 + delay + 15 steps (10 instead of the last 15 with "ni2023"), never before;
    never truncated. The last step's info has `is_success` (bool: the door was opened; with `yoked`: the key was
    taken) and `last_phase_reward` (float), which is the measure of success, as the apples' rewards are large and noisy.

    ## Optimal return, memory lag, credit lag, chance level

    Of the last phase, without the apples (the whole return with `apple_reward=0` and no `key_reward`):

    | Preset   | Optimal | Best without memory | Random policy       | Memory lag | Credit lag       |
    |----------|---------|---------------------|---------------------|------------|------------------|
    | "tvt"    | 10      | 10 (success 1)      | 0.28 (success 2.8%) | none       | about delay + 12 |
    | "ni2023" | 5       | 5 (success 1)       | 0.10 (success 2.0%) | none       | about delay + 12 |

    Every view shows where to go next, so nothing must be remembered: the task is to learn that taking the key
    matters. Memory helps to assign that credit, and to find the apples. Always walking to the nearest apple
    takes about 32 of them in 90 steps.

    ## Registered ids

    - `Reinstate/KeyToDoor-v0`
    """

    batch_class = KeyToDoorVector
