# make train and make test each do all the set-up that a fresh machine needs: Python 3.11 or newer, and make.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
LINKS := build/links/reinstate

.PHONY: train test check slow bench

# The main job; its options are in benchmarks/main_job.toml.
train: $(READY)
	$(BIN)/python -m benchmarks recalculation --only "crowded, direct, seed 1" --live

test: $(READY)
	$(BIN)/python -m pytest

# Types are checked in build/links, where the folders stand inside the package, as they are installed.
check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p $(LINKS)
	ln -sfn $(addprefix ../../../,agents envs experiment memory reinstate/__init__.py reinstate/__main__.py reinstate/compiled.py) $(LINKS)
	ln -sfn ../../benchmarks build/links
	$(BIN)/mypy

slow: $(READY)
	$(BIN)/python -m pytest -m slow

bench: $(READY)
	$(BIN)/pip install --quiet "sb3-contrib>=2.6"
	$(BIN)/python -m benchmarks train-speed --again

# torch first and alone: its pin decides which of its large dependencies are needed at all.
$(READY): requirements.txt setup.cfg
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet "$$(grep '^torch==' requirements.txt)"
	$(BIN)/pip install --quiet -r requirements.txt
	$(BIN)/pip install --quiet --no-deps -e .
	touch $(READY)
