"""States of torch's optimisers as plain values: their keys are numbers, those of files are strings."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from torch.optim import Optimizer


def optimizer_state(optimizer: Optimizer) -> dict[str, Any]:
    """The optimiser's state with strings as keys."""
    state = optimizer.state_dict()
    return {**state, "state": {str(number): values for number, values in state["state"].items()}}


def load_optimizer_state(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Takes over what `optimizer_state` gave, as copies: torch would go on to write into the tensors of `state`."""
    values = {int(number): deepcopy(each) for number, each in state["state"].items()}
    optimizer.load_state_dict({**state, "state": values})
