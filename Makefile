# make train and make test each do all the set-up that a fresh machine needs: Python 3.11 or newer, and make.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
LINKS := build/links/reinstate

# The main job is the crowded T-Maze, whose cue need not be looked for (benchmarks/recalculation/run.py).
CROWDED := --rollout-steps 32 --rollout-decisions 16 --ent-coef 0.1 --final-ent-coef 0.02 \
	--novelty-bonus 0 --imitation-coef 0 --replay-size 512

.PHONY: train test check slow bench

train: $(READY)
	$(BIN)/python train.py $(CROWDED) --total-timesteps 3000000 --stop-at-success 0.98

test: $(READY)
	$(BIN)/python -m pytest

# Types are checked in build/links, where the folders stand inside the package, as they are installed.
check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p $(LINKS)
	ln -sfn $(addprefix ../../../,agents envs experiment memory reinstate/__init__.py reinstate/__main__.py) $(LINKS)
	$(BIN)/mypy

slow: $(READY)
	$(BIN)/python -m pytest -m slow

bench: $(READY)
	$(BIN)/pip install --quiet "sb3-contrib>=2.6"
	$(BIN)/python benchmarks/train_speed.py

# torch first and alone: its pin decides which of its large dependencies are needed at all.
$(READY): requirements.txt setup.cfg
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet "$$(grep '^torch==' requirements.txt)"
	$(BIN)/pip install --quiet -r requirements.txt
	$(BIN)/pip install --quiet --no-deps -e .
	touch $(READY)
