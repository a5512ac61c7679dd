"""Options by name, from words and from JSON: valid ones, or one sentence."""

import copy
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reinstate.experiment.cli import parse
from reinstate.experiment.errors import UserError
from reinstate.experiment.option_checks import check
from reinstate.experiment.option_values import RANGES, whole_number
from reinstate.experiment.options import GROUPS, RunOptions
from reinstate.experiment.run_folder import read_options

CONFIG = RunOptions(env_kwargs=("length=5",)).to_json()
PLACES = [(None, name) for name in CONFIG] + [(group, name) for group in GROUPS for name in CONFIG[group]]
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from(["memory", "lstm", "1e6", ""])
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)


def config(group: str | None, name: str, value: object) -> dict:
    """A run's options with one value replaced."""
    found = json.loads(json.dumps(CONFIG))
    (found if group is None else found[group])[name] = value
    return found


@pytest.mark.parametrize(("word", "number"), [("1e6", 10**6), ("2.5e5", 250_000), ("1_000_000", 10**6), ("7.0", 7)])
def test_whole_numbers_in_words(word, number):
    options = parse(["train", "--total-timesteps", word, "--slots", word, "--eval-max-steps", word])
    assert options.total_timesteps == options.memory.slots == options.eval_max_steps == number
    assert parse(["evaluate", "run", "--episodes", word]).episodes == number
    assert RunOptions.of({"total_timesteps": float(number)}).total_timesteps == number
    assert type(RunOptions.of({"slots": float(number)}).memory.slots) is int


@pytest.mark.parametrize("word", ["1.5", "1e-3", "nan", "inf", "1e400", "", "ten", "0x10", "9" * 5000])
def test_other_words_are_no_whole_numbers(word, capsys):
    with pytest.raises(ValueError, match="is not a whole number"):
        whole_number(word)
    with pytest.raises(SystemExit) as stop:
        parse(["train", "--slots", word])
    assert stop.value.code == 2 and "is not a whole number" in " ".join(capsys.readouterr().err.split())


def test_every_range_is_that_of_an_option():
    flat = RunOptions().flat()
    names = [name for _, names in RANGES.values() for name in names.split()]
    assert len(names) == len(set(names))
    assert set(names) - {"episodes", "jobs"} <= flat.keys()
    numbers = {name for name, value in flat.items() if isinstance(value, (int, float)) and not isinstance(value, bool)}
    assert numbers <= set(names)


def test_json_and_back():
    assert RunOptions.from_json(json.loads(json.dumps(CONFIG))) == RunOptions(env_kwargs=("length=5",))


@pytest.mark.parametrize(
    ("group", "name", "value", "says"),
    [
        (None, "agent", "iemory", "--agent is 'iemory'; it must be memory or lstm or gru or none"),
        (None, "torch_threads", 100_000, "--torch-threads is 100000; it must be from 1 to 1024"),
        (None, "env", None, "--env is None; it must be a string"),
        (None, "run_dir", "a\0b", "it must have no zero byte"),
        (None, "env_kwargs", "length=5", "env_kwargs is 'length=5'; it must be a list"),
        (None, "env_kwargs", [5], "env_kwargs is [5]; it must be a dict, or a list of name=value"),
        (None, "env_kwargs", ["length"], "takes name=value"),
        (None, "memory", [], "memory is []; it must be options by name"),
        (None, "slots", 5, "the option 'slots' is unknown: was it written by another version?"),
        ("memory", "slots", [5], "--slots is [5]; it must be a whole number"),
        ("memory", "slots", "5", "--slots is '5'; it must be a whole number"),
        ("memory", "slots", 10**400, "--slots is a huge number"),
        ("learning", "horizon", math.nan, "--horizon is nan; it must be a finite number"),
        ("learning", "horizon", 10**400, "--horizon is inf; it must be a finite number"),
        ("learning", "gae_lambda", True, "--gae-lambda is True; it must be a number"),
    ],
)
def test_options_of_a_run_pass_the_checks_of_a_user(group, name, value, says):
    with pytest.raises(UserError) as error:
        RunOptions.from_json(config(group, name, value))
    assert says in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(("group", "name"), PLACES)
def test_a_missing_option(group, name):
    found = copy.deepcopy(CONFIG)
    del (found if group is None else found[group])[name]
    with pytest.raises(UserError, match=f"the option '{name}' is missing: was it written by another version"):
        RunOptions.from_json(found)


@given(st.sampled_from(PLACES), JSON)
@settings(max_examples=400)
def test_any_json_in_place_of_an_option(place, value):
    try:
        options = RunOptions.from_json(config(*place, value))
    except UserError as error:
        assert "\n" not in str(error)
        return
    json.dumps(options.to_json(), allow_nan=False)
    assert RunOptions.from_json(options.to_json() | {"env_kwargs": list(options.env_kwargs)}) == options
    try:
        check(options)  # options that do not fit each other
    except UserError as error:
        assert "\n" not in str(error)


@given(JSON)
def test_any_json_in_place_of_all(value):
    with pytest.raises(UserError):
        RunOptions.from_json(value)


def test_text_that_holds_no_options(tmp_path):
    for text in ("[" * 100_000, "nonsense", "[1, 2]", "\ud800"):
        (tmp_path / "config.json").write_text(text, errors="surrogatepass")
        with pytest.raises(UserError, match=r"config\.json") as error:
            read_options(tmp_path)
        assert "\n" not in str(error.value)
