"""Bundles of tensors against lists of rows; rows of tensors: hashed, grouped, taken."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reinstate.experiment.plain_state import join, split
from reinstate.memory.tensors import TensorStruct, hash_rows, take, unique_by, unique_rows


@dataclass
class Leaf(TensorStruct):
    number: Tensor  # [n, 2] float32
    flag: Tensor | None = None  # [n] bool


@dataclass
class Tree(TensorStruct):
    left: Leaf
    right: Leaf
    byte: Tensor  # [n, 2, 3] uint8


@st.composite
def trees(draw, least=0, flags=None):
    """Bundles of n rows with random numbers; each flag is there, or None, as `flags` says."""
    n, seed = draw(st.integers(least, 4)), draw(st.integers(0, 999))
    flags = draw(st.tuples(st.booleans(), st.booleans())) if flags is None else flags
    g = torch.Generator().manual_seed(seed)

    def leaf(has_flag):
        flag = torch.rand(n, generator=g) < 0.5 if has_flag else None
        return Leaf(torch.randn(n, 2, generator=g), flag)

    byte = torch.randint(0, 256, (n, 2, 3), generator=g).to(torch.uint8)
    return Tree(leaf(flags[0]), leaf(flags[1]), byte)


def columns(tree):
    """Its tensors by path; None where a field is None."""
    found = {}
    for f in fields(tree):
        value = getattr(tree, f.name)
        if isinstance(value, TensorStruct):
            found |= {f"{f.name}.{path}": column for path, column in columns(value).items()}
        else:
            found[f.name] = value
    return found


def rows_of(tree):
    """For every field its rows as lists, or None."""
    return {path: None if column is None else column.tolist() for path, column in columns(tree).items()}


def dtypes_of(tree):
    return {path: None if column is None else column.dtype for path, column in columns(tree).items()}


def picked(rows, which):
    return {path: None if column is None else [column[i] for i in which] for path, column in rows.items()}


@given(trees(), st.data())
def test_rows_are_taken_by_number_and_by_mask(tree, data):
    n = len(tree.byte)
    which = data.draw(st.lists(st.integers(0, n - 1), max_size=5) if n > 0 else st.just([]))
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    assert rows_of(tree.take(torch.tensor(which, dtype=torch.int64))) == picked(rows_of(tree), which)
    by_mask = tree.take(torch.tensor(mask, dtype=torch.bool))
    assert rows_of(by_mask) == picked(rows_of(tree), [i for i in range(n) if mask[i]])
    assert dtypes_of(by_mask) == dtypes_of(tree) and isinstance(by_mask, Tree)


@settings(max_examples=50)
@given(st.tuples(st.booleans(), st.booleans()), st.data())
def test_parts_are_joined_one_after_the_other(flags, data):
    parts = data.draw(st.lists(trees(flags=flags), min_size=1, max_size=3))
    joined, expected = Tree.cat(parts), rows_of(parts[0])
    for part in parts[1:]:
        more = rows_of(part)
        expected = {path: None if rows is None else rows + more[path] for path, rows in expected.items()}
    assert rows_of(joined) == expected and dtypes_of(joined) == dtypes_of(parts[0])


@given(trees())
def test_map_reaches_every_tensor_once(tree):
    seen = []
    shifted = tree.map(lambda t: seen.append(t) or t + t)
    there = [c for c in columns(tree).values() if c is not None]
    assert [id(t) for t in seen] == [id(c) for c in there]
    for path, column in columns(tree).items():
        twice = columns(shifted)[path]
        assert (twice is None) == (column is None) and (column is None or torch.equal(twice, column + column))


@given(trees(least=1))
def test_a_clone_shares_nothing_and_the_device_stays(tree):
    before, copy = rows_of(tree), tree.clone()
    for column in columns(tree).values():
        if column is not None:
            column.zero_()
    assert rows_of(copy) == before and rows_of(copy.to("cpu")) == before


@settings(max_examples=50)
@given(trees(), trees())
def test_its_state_survives_a_file(tree, other):
    """Loaded into a bundle of other rows and other missing fields, whose tensors it then shares with nobody."""
    before = rows_of(tree)
    tensors, rest = split(tree.state_dict())
    state = join(tensors, json.loads(json.dumps(rest)))
    other.load_state_dict(state)
    assert rows_of(other) == before and dtypes_of(other) == dtypes_of(tree)
    for tensor in tensors.values():
        tensor.zero_()
    assert rows_of(other) == before


def test_hashes_tell_rows_apart_and_equal_rows_together():
    g = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 3, (300, 5), generator=g).to(torch.uint8)
    hashes = hash_rows(torch.cat([rows, rows.flip(0)]))
    assert len(hashes.unique()) == len(torch.unique(rows, dim=0)) > 100
    assert torch.equal(hashes[:300], hashes[300:].flip(0))
    assert hash_rows(rows[:0]).shape == (0,)


def test_a_hash_mixes_words_of_eight_bytes_and_wraps():
    row = torch.tensor([[250, 3, 0, 255, 7, 7, 9, 200, 1, 128]], dtype=torch.uint8)  # a word, and two bytes of the next
    mix, total = 0x9E3779B97F4A7C15, 0

    def signed(n):
        return (n + 2**63) % 2**64 - 2**63

    for w, raw in enumerate((bytes(row[0, :8].tolist()), bytes(row[0, 8:].tolist())), start=1):
        key = signed((w * mix) | 1)
        mixed = signed((int.from_bytes(raw, "little", signed=len(raw) == 8) ^ key) * mix)
        mixed = signed((mixed ^ (mixed >> 29)) * key)
        total += mixed ^ (mixed >> 32)
    assert hash_rows(row).tolist() == [signed(total)]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20))
def test_unique_rows_and_where_they_are(values):
    rows = torch.tensor(values, dtype=torch.uint8)[:, None].repeat(1, 5)
    unique, which = unique_rows(rows)
    assert torch.equal(unique[which], rows) and len(unique) == len(set(values))
    keys = torch.tensor(values)
    one, which = unique_by(keys, keys)
    assert torch.equal(one[which], keys) and len(one) == len(set(values))


@pytest.mark.parametrize("which", [[3, 0, 3], [], [True, False, False, True]])
def test_rows_are_selected_as_brackets_do(which):
    rows = torch.randint(0, 255, (4, 2, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    index = torch.tensor(which, dtype=torch.bool if which and isinstance(which[0], bool) else torch.int64)
    assert torch.equal(take(rows, index), rows[index])
