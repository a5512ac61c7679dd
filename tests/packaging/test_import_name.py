"""One import name, `reinstate`: a user's own folders do no harm, and an installed wheel is complete."""

import configparser
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import reinstate
from reinstate.__main__ import main

ROOT = Path(__file__).parents[2]
FOLDERS = ("agents", "envs", "experiment", "memory")
CODE = (ROOT / "reinstate", *(ROOT / folder for folder in FOLDERS))


@pytest.fixture
def elsewhere(tmp_path):
    """A user's folder with packages that are called as the folders of this project."""
    folder = tmp_path / "elsewhere"
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("OWNER = 'the user'\n")
    return folder


def run(words, cwd, **options):
    """Runs a command outside the checkout; returns what it printed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


IMPORT = """
import sys
import reinstate
slow = {"torch", "numba", "minigrid", "tensorboard"} & set(sys.modules)
assert not slow, f"import reinstate imports {slow}"
import gymnasium
env = gymnasium.make("reinstate:Reinstate/KeyToDoor-v0")
env.reset(seed=0)
env.step(0)
import agents, envs, experiment, memory
assert {m.OWNER for m in (agents, envs, experiment, memory)} == {"the user"}
"""


def test_a_users_own_packages_do_no_harm_and_the_import_is_cheap(elsewhere):
    run([sys.executable, "-c", IMPORT], elsewhere)


def test_python_m_reinstate_beside_a_users_own_packages(elsewhere):
    words = [sys.executable, "-m", "reinstate", "play", "Reinstate/TMazePassive-v0", "--env-kwargs", "length=2"]
    printed = run([*words, "--seed", "0"], elsewhere, input="right\nright\nup\nq\n")
    assert "step 3: up, reward 1, return 1" in printed and "\x1b" not in printed


def test_the_console_script_is_the_command():
    (script,) = entry_points(group="console_scripts", name="reinstate")
    assert script.load() is main


def test_public_names():
    for name in reinstate.__all__:
        assert getattr(reinstate, name) is not None
    assert reinstate.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        _ = reinstate.trian


def packages_of_setup():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    names = config["options"]["packages"].split()
    places = dict(line.split(" = ") for line in config["options"]["package_dir"].strip().splitlines())
    return {name: places.get(name) for name in names}


def test_setup_names_every_folder_with_code():
    folders = {path.parent.relative_to(ROOT).as_posix() for top in CODE for path in top.rglob("*.py")}
    names = {f if f.split("/")[0] == "reinstate" else "reinstate/" + f: f for f in folders}
    assert packages_of_setup() == {name.replace("/", "."): place for name, place in names.items()}
    assert all((ROOT / place / "__init__.py").is_file() for place in folders)


def test_packages_hold_python_alone():
    """Other files would need `package_data` to be in the wheel."""
    files = [p for top in CODE for p in top.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert [p for p in files if p.suffix != ".py"] == []


@pytest.fixture
def installed(tmp_path):
    """The folder bin/ of an environment that has the wheel, and this environment's other packages."""
    source, wheels, fresh = tmp_path / "source", tmp_path / "wheels", tmp_path / "fresh"
    for top in CODE:
        shutil.copytree(top, source / top.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip"]
    run([*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(source)], tmp_path)
    (wheel,) = wheels.glob("reinstate-*.whl")
    run([sys.executable, "-m", "venv", "--without-pip", str(fresh)], tmp_path)
    python = fresh / ("Scripts" if os.name == "nt" else "bin") / "python"
    words = [*pip, "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed"]
    run([*words, str(wheel)], tmp_path)
    # Folders that a .pth names are only looked into: the editable install there does not take effect.
    site = run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], tmp_path).strip()
    others = [path for path in sys.path if path.endswith("site-packages")] or [sysconfig.get_path("purelib")]
    (Path(site) / "others.pth").write_text("\n".join(others) + "\n")
    return python.parent


IDS = "import json, gymnasium, reinstate; print(json.dumps([reinstate.__file__, *sorted(gymnasium.registry)]))"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_installed_wheel_registers_trains_and_evaluates_from_any_folder(installed, elsewhere):
    file, *ids = json.loads(run([str(installed / "python"), "-c", IDS], elsewhere))
    assert Path(file).is_relative_to(installed.parent)
    import gymnasium

    ours = [i for i in sorted(gymnasium.registry) if i.startswith("Reinstate/")]
    assert len(ours) >= 12 and [i for i in ids if i.startswith("Reinstate/")] == ours
    flags = "--env Reinstate/TMazePassive-v0 --env-kwargs length=4 --total-timesteps 64 --num-envs 4 --eval-episodes 2"
    printed = run([str(installed / "reinstate"), "train", *flags.split(), "--run-dir", "run"], elsewhere)
    assert "evaluate it: reinstate evaluate run" in printed
    printed = run([str(installed / "reinstate"), "evaluate", "run", "--episodes", "3", "--json"], elsewhere)
    assert json.loads(printed.splitlines()[-1])["greedy"]["episodes"] == 3
    assert (elsewhere / "run" / "constants.json").is_file()
