"""Damaged files of a run: they load what was saved, or are refused in one sentence. Never other parameters."""

import copy
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reinstate.experiment import checkpoint
from reinstate.experiment.build import untrained
from reinstate.experiment.errors import UserError
from reinstate.experiment.resume import options_of
from reinstate.experiment.signals import Signals
from reinstate.experiment.trained import load_agent
from reinstate.experiment.trainer import Trainer
from reinstate.experiment.training import Run, check_run
from tests.states import assert_same_state

DEEP = b"[" * 100_000
NOTHING, FOLDER = "nothing", "folder"

damages = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1)),
    st.tuples(st.just("flip"), st.floats(0, 1), st.integers(1, 255)),
    st.tuples(st.just("insert"), st.floats(0, 1), st.binary(min_size=1, max_size=9)),
    st.tuples(st.just("replace"), st.binary(max_size=40)),
    st.tuples(st.just("replace"), st.sampled_from([b"{}", b"[]", b"null", b"1e999", b'"x"', b"\xff\xfe", DEEP])),
    st.tuples(st.just("append"), st.binary(min_size=1, max_size=9)),
    st.tuples(st.just(NOTHING)),
    st.tuples(st.just(FOLDER)),
)


def damage(path: Path, kind: str, *arguments) -> None:
    """Does the damage to one file."""
    data = bytearray(path.read_bytes())
    at = min(int(arguments[0] * len(data)), max(len(data) - 1, 0)) if kind in ("cut", "flip", "insert") else 0
    if kind == "cut":
        del data[at:]
    elif kind == "flip" and data:
        data[at] ^= arguments[1]
    elif kind == "insert":
        data[at:at] = arguments[1]
    elif kind == "replace":
        data = bytearray(arguments[0])
    elif kind == "append":
        data += arguments[0]
    path.unlink()
    if kind == FOLDER:
        path.mkdir()
    elif kind != NOTHING:
        path.write_bytes(data)


@pytest.fixture(scope="module")
def saved(memory_run):
    """The files of a run, and what its checkpoint holds."""
    place = checkpoint.find(memory_run)
    manifest = checkpoint.read_manifest(place)
    parts = {name.partition(".")[0] for name in manifest["files"]}
    paths = sorted(path.relative_to(memory_run).as_posix() for path in memory_run.rglob("*") if path.is_file())
    return memory_run, paths, checkpoint.read_parts(place, manifest, parts)


def check(run: Path, state: dict) -> None:
    """Evaluating and going on both load what was saved, or refuse it in one sentence."""
    try:
        agent, _, step = load_agent(run)
        assert step == 320
        assert_same_state(agent.state_dict(), state["agent"])
    except UserError as error:
        assert str(run) in str(error) and "\n" not in str(error)
    try:
        options = options_of(run, trust=False)
        check_run(run, options)
        trainer = Trainer(options, untrained(options), begins=False)
        Run(options, run, trainer, Signals()).load()
        assert_same_state(trainer.state_dict(), {name: state[name] for name in trainer.state_dict()})
    except UserError as error:
        assert str(run) in str(error) and "\n" not in str(error)


def damaged_once(saved, tmp_path_factory, which: int, how: tuple) -> None:
    whole, paths, state = saved
    run = tmp_path_factory.mktemp("damaged") / "run"
    shutil.copytree(whole, run)
    damage(run / paths[which % len(paths)], *how)
    check(run, state)
    shutil.rmtree(run)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(which=st.integers(0, 10_000), how=damages)
def test_a_damaged_file(saved, tmp_path_factory, which, how):
    damaged_once(saved, tmp_path_factory, which, how)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=1000, suppress_health_check=list(HealthCheck))
@given(which=st.integers(0, 10_000), how=damages)
def test_a_thousand_damaged_files(saved, tmp_path_factory, which, how):
    damaged_once(saved, tmp_path_factory, which, how)


def forge(run: Path, change) -> None:
    """Changes the manifest and lets its checksum be right."""
    path = run / "checkpoints" / "step_000000320" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["sha256"]
    manifest = change(copy.deepcopy(manifest))
    path.write_text(json.dumps({**manifest, "sha256": checkpoint.digest_of_json(manifest)}))


values = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2) | st.just({})


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(key=st.sampled_from(["step", "files", "options", "versions", "format"]), value=values)
def test_a_forged_manifest(saved, tmp_path_factory, key, value):
    """Its checksum is right and its values are not: one sentence, or what was saved."""
    whole, _, _ = saved
    run = tmp_path_factory.mktemp("forged") / "run"
    shutil.copytree(whole, run)
    forge(run, lambda manifest: manifest | {key: value})
    try:
        load_agent(run)
    except UserError as error:
        assert str(run) in str(error) and "\n" not in str(error)
    shutil.rmtree(run)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_forged_state(saved, tmp_path_factory, data):
    """Checksums that are right, and a value of the state that is of another kind: it loads, or one sentence says why
    not."""
    whole, _, _ = saved
    run = tmp_path_factory.mktemp("forged") / "run"
    shutil.copytree(whole, run)
    place = run / "checkpoints" / "step_000000320"
    part = data.draw(st.sampled_from(sorted(path.stem for path in place.glob("*.json") if path.stem != "manifest")))
    state = json.loads((place / f"{part}.json").read_text())
    at = state
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(at[key], (dict, list)) or data.draw(st.booleans()):
            at[key] = data.draw(values)
            break
        at = at[key]
    written = json.dumps(state).encode()
    (place / f"{part}.json").write_bytes(written)
    forge(run, lambda m: m | {"files": m["files"] | {f"{part}.json": checkpoint.digest(written)}})
    options = options_of(run, trust=False)
    trainer = Trainer(options, untrained(options), begins=False)
    try:
        Run(options, run, trainer, Signals()).load()
    except UserError as error:
        assert str(run) in str(error) and "\n" not in str(error)
    shutil.rmtree(run)


def test_names_that_lead_out_of_the_run(saved, tmp_path):
    whole, _, _ = saved
    run = shutil.copytree(whole, tmp_path / "run")
    for name in ("../../other", "/etc", "step_000000320/..", ".", ""):
        (run / "checkpoints" / "latest").write_text(name)
        with pytest.raises(UserError, match="has no checkpoint 'latest'"):
            load_agent(run)
    os.remove(run / "checkpoints" / "latest")
    (run / "checkpoints" / "latest").mkdir()
    with pytest.raises(UserError, match="latest is not a file"):
        load_agent(run)
