"""States as files: nested dicts and lists of plain values, taken apart into tensors and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

TENSOR = "tensor:"  # marks, in JSON, the place of a tensor: "tensor:" and its key


def split(state: Any) -> tuple[dict[str, Tensor], Any]:
    """The tensors of a state by path, and the rest as JSON values.

    >>> import torch
    >>> tensors, rest = split({"a": {"b": torch.ones(2), "c": [1, torch.zeros(1)]}, "d": "x"})
    >>> sorted(tensors), rest
    (['a/b', 'a/c/1'], {'a': {'b': 'tensor:a/b', 'c': [1, 'tensor:a/c/1']}, 'd': 'x'})

    Raises:
        TypeError: something in it is not a plain value.
    """
    tensors: dict[str, Tensor] = {}

    def walk(value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            tensors[path] = value.detach().cpu().contiguous().clone()
            return TENSOR + path
        if isinstance(value, Mapping):
            return {str(key): walk(v, f"{path}/{key}" if path else str(key)) for key, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [walk(v, f"{path}/{i}") for i, v in enumerate(value)]
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise TypeError(f"{path} is a {type(value).__name__}, which is not a plain value")

    return tensors, walk(state, "")


def join(tensors: Mapping[str, Tensor], rest: Any) -> Any:
    """The inverse of `split`; keys of dicts are strings.

    >>> import torch
    >>> join({"a": torch.ones(1)}, {"a": "tensor:a", "b": [2]})
    {'a': tensor([1.]), 'b': [2]}
    """
    if isinstance(rest, str) and rest.startswith(TENSOR):
        return tensors[rest.removeprefix(TENSOR)]
    if isinstance(rest, dict):
        return {key: join(tensors, value) for key, value in rest.items()}
    if isinstance(rest, list):
        return [join(tensors, value) for value in rest]
    return rest
