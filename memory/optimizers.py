"""States of torch's optimisers as plain values: torch numbers the parameters, but keys in JSON are strings."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from torch.optim import Optimizer


def optimizer_state(optimizer: Optimizer) -> dict[str, Any]:
    """The optimiser's state with strings as keys."""
    state = optimizer.state_dict()
    return {**state, "state": {str(number): values for number, values in state["state"].items()}}


def load_optimizer_state(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Restores copies of what `optimizer_state` gave: otherwise torch would write into the tensors of `state`."""
    values = {int(number): deepcopy(each) for number, each in state["state"].items()}
    optimizer.load_state_dict({**state, "state": values})
