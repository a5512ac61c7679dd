"""The command `reinstate inspect`: what a trained agent remembered of one episode, as a sheet to look at."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from reinstate.agents.memory_agent import MemoryAgent, MemoryAgentState
from reinstate.agents.networks import ObservationSpec
from reinstate.agents.rollout import EpisodeEnd
from reinstate.experiment import files
from reinstate.experiment.build import build_envs
from reinstate.experiment.errors import UserError
from reinstate.experiment.evaluation import play, start_evaluating, step_limit
from reinstate.experiment.option_values import check_ranges
from reinstate.experiment.options import RunOptions
from reinstate.experiment.pictures import picture, png
from reinstate.experiment.trained import load_agent
from reinstate.memory.episodes import EpisodeBuffer, Episodes
from reinstate.memory.recalculation import reinstate

BAR = 12  # pixels high, of the bars that show when a slot was read


@dataclass(frozen=True)
class InspectOptions:
    """Show what the agent of a run remembers: a sheet of one episode's slots."""

    run: tyro.conf.Positional[str]
    """Folder of the run."""
    seed: int = 0
    """Seed of the episode."""
    stochastic: bool = False
    """The sampled policy in place of the greedy one."""
    checkpoint: str = "latest"
    """latest, best, or a folder's name in checkpoints/."""
    env_kwargs: tuple[str, ...] = ()
    """Keyword arguments that replace the run's, such as length=1000."""
    env: str | None = None
    """Id of the run's environment, where it names a module: the module is then imported."""
    trust: bool = False
    """Import the module that the run's environment names."""
    output: str | None = None
    """The HTML file; by default inspect.html in the run's folder."""


@dataclass
class Slots:
    """The n slots that an episode holds at its end, in order of writing."""

    step: np.ndarray  # [n]
    action: np.ndarray  # [n] decided there
    observation: list[np.ndarray]  # [n], as seen: kept for this sheet alone
    reinstated: list[np.ndarray]  # [n], what the code decodes to
    fidelity: np.ndarray  # [n] share of it that decodes correctly
    read: np.ndarray  # [m, n] weight that the m decisions at faithful slots gave to each slot, mean over heads
    gradient: np.ndarray | None  # [n] norm; None where none crosses the memory


def play_episode(agent: MemoryAgent, options: RunOptions, seed: int, greedy: bool) -> Episodes:
    """One episode, or its beginning where it may never end, with true observations kept beside its slots."""
    envs = build_envs(options, 1)
    try:
        collector = start_evaluating(envs, agent, options, seed, greedy)
        collector.agent_state = agent.initial_state(1, keep_observations=True)
        buffer = EpisodeBuffer(1, collector.agent_state.memory)

        def keep(end: EpisodeEnd, state: MemoryAgentState, terminated: bool) -> None:
            total, length = torch.tensor([end.ret]), torch.tensor([end.length])
            buffer.add(state.memory.clone(), total, length, torch.tensor([terminated]))

        play(envs, agent, collector, np.array([1]), keep, step_limit(envs, options))
    finally:
        envs.close()
    return buffer.episodes


def slots_of(agent: MemoryAgent, episode: Episodes) -> Slots:
    """What is known of an episode's slots.

    The gradient is that of the sum of log-probability x rewards after the decision, over the episode's decisions, with
    respect to the embeddings that they read.
    """
    memory = episode.memory
    assert memory.observation is not None
    r = agent.replay_episodes(episode)
    events = r.events
    at = memory.written[0].nonzero()[:, 0]
    at = at[memory.step[0, at].argsort()]
    gradient = None
    if r.slots.requires_grad and len(events.slot) > 0:
        r.slots.retain_grad()
        paid_after = episode.total[events.episode] - memory.paid[0, events.slot]
        agent.zero_grad()
        (-r.log_prob * paid_after).sum().backward()  # type: ignore[no-untyped-call]
        assert r.slots.grad is not None
        gradient = r.slots.grad[0, at].norm(dim=1).numpy()
        agent.zero_grad()
    with torch.no_grad():
        observation, reinstated = memory.observation[0, at], reinstate(memory, agent.codec, at)
        fidelity = agent.codec.current.fidelity(observation, memory.code[0, at])
    return Slots(
        step=memory.step[0, at].numpy(),
        action=memory.action[0, at].numpy(),
        observation=list(observation.numpy()),
        reinstated=list(reinstated.numpy()),
        fidelity=fidelity.numpy(),
        read=r.weight[:, at].numpy(),
        gradient=gradient,
    )


def most_read(spec: ObservationSpec, slots: Slots, count: int) -> np.ndarray:
    """A picture [H, W, 3] of the `count` most read slots, in order of writing: above what was seen, below what its code
    reinstates."""
    chosen = np.sort(np.argsort(-slots.read.sum(axis=0), kind="stable")[:count])
    columns = [
        np.concatenate([picture(spec, seen[i]) for seen in (slots.observation, slots.reinstated)]) for i in chosen
    ]
    return np.concatenate(columns, axis=1)


def inspect(options: InspectOptions) -> int:
    """Writes the sheet; returns the exit code."""
    check_ranges({"seed": options.seed})
    folder = Path(options.run)
    agent, trained, _ = load_agent(
        folder, options.checkpoint, options.env_kwargs, options.trust or options.env or False
    )
    if not isinstance(agent, MemoryAgent):
        raise UserError(f"{folder} was trained with --agent {trained.agent}, which remembers no slots to look at")
    target = Path(options.output) if options.output else folder / "inspect.html"
    if not os.path.isdir(target.parent) or os.path.isdir(target):
        raise UserError(f"{target} cannot be written, for it names or needs a folder: choose another --output")
    torch.set_num_threads(trained.torch_threads)
    episode = play_episode(agent, trained, options.seed, not options.stochastic)
    slots = slots_of(agent, episode)
    try:
        files.replace(target, sheet(agent.spec, slots, title(trained, episode, options)).encode())
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{target} cannot be written ({reason}): choose another --output") from error
    left = f"{len(slots.step)} slots of an episode of {int(episode.length[0]):,} steps"
    print(f"{left}, with a return of {float(episode.total[0]):.2f}\nlook at it: {target}")
    return 0


def title(trained: RunOptions, episode: Episodes, options: InspectOptions) -> str:
    """The heading of the sheet: which episode it shows."""
    kwargs = " ".join(trained.env_kwargs)
    policy = "sampled" if options.stochastic else "greedy"
    return (
        f"{trained.env} {kwargs}, seed {options.seed}, {policy}: "
        f"{int(episode.length[0]):,} steps, return {float(episode.total[0]):.2f}"
    )


HEADS = ("step", "seen", "reinstated", "fidelity", "action", "read", "read when", "gradient")
STYLE = """body { font: 14px system-ui, sans-serif; margin: 2em } table { border-collapse: collapse }
td, th { padding: 4px 10px; text-align: right; border-bottom: 1px solid #ddd } img { image-rendering: pixelated }
.bar { display: inline-block; width: 5px; margin-right: 1px; background: #36c; vertical-align: bottom }"""


def sheet(spec: ObservationSpec, slots: Slots, heading: str) -> str:
    """The HTML page, complete in itself."""
    total = slots.read.sum(axis=0)
    rows = []
    for i in range(len(slots.step)):
        gradient = "-" if slots.gradient is None else f"{slots.gradient[i]:.2e}"
        cells = [
            f"{int(slots.step[i]):,}",
            f'<img src="{png(picture(spec, slots.observation[i]))}">',
            f'<img src="{png(picture(spec, slots.reinstated[i]))}">',
            f"{slots.fidelity[i]:.2f}",
            str(int(slots.action[i])),
            f"{total[i]:.2f}",
            bars(slots.read[:, i]),
            gradient,
        ]
        rows.append("<tr>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr>")
    head = "".join(f"<th>{h}</th>" for h in HEADS)
    return f"""<!doctype html><meta charset="utf-8"><title>{html.escape(heading)}</title><style>{STYLE}</style>
<h1>{html.escape(heading)}</h1>
<p>Each row is a slot at the end of the episode, in order of writing. Read: the attention that the slot got, summed over
the decisions at which a faithful slot was written, mean over heads. Read when: one bar for each of these decisions, in
order. Gradient: norm of the policy gradient that these decisions send to the slot.</p>
<table><tr>{head}</tr>
{chr(10).join(rows)}
</table>
"""


def bars(weight: np.ndarray) -> str:
    """One bar for each weight in [0, 1]."""
    heights = np.ceil(np.clip(weight, 0.0, 1.0) * BAR).astype(int)
    return "".join(f'<span class="bar" style="height:{h}px"></span>' for h in heights)
