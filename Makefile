# On a fresh machine: Python 3.11 or later, git and make; `make repro` does the rest.
PYTHON ?= python3
PORT ?= 5000
RUNGS ?= all
JOBS ?= 1
AGAINST ?= main
MODEL ?= workspace
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
export PATH := $(CURDIR)/$(BIN):$(PATH)
# What needs a browser, servers or minutes has a target of its own.
PLAIN = not browser and not faults and not services and not growth
# A thread that has nothing to do sleeps: by default it keeps a core busy for a while, which another test needs.
SLEEP = OMP_WAIT_POLICY=PASSIVE OPENBLAS_THREAD_TIMEOUT=4
# Four workers: a test of real commands often waits. One that has nothing left to do takes half of what another has.
PYTEST = $(SLEEP) $(BIN)/python -m pytest -n 4 --dist worksteal
# The tests of a file share servers.
BY_FILE = $(SLEEP) $(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: help setup repro verify report queue ladder test test-slow test-all test-ui test-services test-growth test-faults lint ui serve draw bench lock
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/ready ## the environment alone, in .venv, from the two lock files

repro: .venv/ready ## run what changed: fetch -> split -> augment -> train -> evaluate -> track
	$(BIN)/python -m dvc repro

# --force: a cache that the clone shares with other repositories would answer in the place of the stages.
verify: .venv/ready ## run the last commit anew in a clean clone: does every result come out as committed?
	@clone=$$(mktemp -d) && trap 'rm -rf "$$clone"' EXIT && trap 'exit 130' INT TERM && git clone --quiet . "$$clone" && cd "$$clone" && \
		env -u MLFLOW_TRACKING_URI "$(CURDIR)/$(BIN)/python" -m dvc repro --force && git --no-pager diff HEAD --exit-code && \
		echo "Verified: dvc.lock, metrics and plots came out as committed, byte for byte."

report: .venv/ready ## report.html, one page that needs no network, and report.md: the workspace against AGAINST=main
	$(BIN)/python -m digits report "$(AGAINST)"

queue: .venv/ready ## run the experiments that `dvc exp run --queue` has queued, JOBS=2 at a time, which share the cores
	$(BIN)/python -m digits queue --jobs "$(JOBS)"

ladder: .venv/ready ## published numbers against measured ones: docs/ladder.md (RUNGS=quick or RUNGS='knn forest', JOBS=2)
	$(BIN)/python -m digits ladder "$(RUNGS)" --jobs "$(JOBS)"

test: .venv/ready ## the unit tests, and the main workflows with real DVC, git and MLflow (5 minutes)
	$(PYTEST) -m 'not slow and $(PLAIN)'

test-slow: .venv/ready ## the other tests by real DVC, git and MLflow
	$(PYTEST) -m 'slow and $(PLAIN)'

test-all: .venv/ready ## both of these (12 to 15 minutes)
	$(PYTEST) -m '$(PLAIN)'

test-ui: .venv/ready ## the MLflow UI in a real browser, in about 2 minutes (needs Chromium or Chrome)
	$(BIN)/python -m pytest tests/ui -m browser

test-services: .venv/services ## what machines share, on 127.0.0.1: PostgreSQL and an S3 API (needs Debian's postgresql), a Dask cluster (5 minutes)
	$(BY_FILE) tests/common tests/docs tests/pipeline -m services

test-growth: .venv/ready ## memory and time of the stages with 80,000 to 520,000 images (3 minutes, 1 GB of disk)
	$(BIN)/python -m pytest tests/growth -m growth

test-faults: .venv/ready ## kills, full disks, mangled files, bad mirrors: 8,000 faults, and what came of each (12 minutes)
	$(PYTEST) tests/faults -m faults

lint: .venv/ready ## ruff and mypy
	$(BIN)/python -m ruff check . && $(BIN)/python -m ruff format --check . && $(BIN)/python -m mypy

ui: .venv/ready ## the MLflow UI over this repository's runs, on 127.0.0.1 (PORT=5000)
	$(BIN)/python -m digits ui --port "$(PORT)"

serve: .venv/ready ## MLflow's scoring server on 127.0.0.1 for MODEL=workspace, champion or a run (PORT=5001)
	$(BIN)/python -m digits serve "$(MODEL)" --port "$(PORT)"
serve: PORT = 5001

draw: .venv/ready ## a page on 127.0.0.1 to draw digits on: read as one draws, kept with their labels (MODEL=workspace, PORT=5002)
	$(BIN)/python -m digits draw --model "$(MODEL)" --port "$(PORT)"
draw: PORT = 5002

bench: .venv/services ## errors against seconds, beside networks and scikit-learn: docs/benchmarks.md; and five smaller benches (a quiet machine, an hour and a half)
	$(BIN)/python -m bench.verdicts
	$(BIN)/python -m bench.against_notebook
	$(BIN)/python -m bench.batch_size
	$(BIN)/python -m bench.growth
	$(BIN)/python -m bench.workers
	$(BIN)/python -m bench.frontier

# requirements.lock: what computes results, a dependency of the stages that do; tools.lock: the rest.
lock: .venv/ready ## pin the newest allowed packages in requirements.lock and tools.lock (needs uv)
	uv pip compile $(UV) --no-annotate --no-header --group dev --upgrade pyproject.toml -o tools.lock
	uv pip compile $(UV) --no-annotate --no-header --group results --constraint tools.lock --upgrade -o requirements.lock
	uv pip compile $(UV) --no-annotate --no-header --group dev pyproject.toml -o tools.lock \
		$$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' requirements.lock)
lock: UV = --universal --generate-hashes --no-emit-index-url --fork-strategy fewest --python-version 3.11 --quiet

PINNED = --require-hashes -r requirements.lock -r tools.lock
# uv, where it is, takes seconds, pip a minute; but pip may be set to an index that uv does not know.
install = (command -v uv >/dev/null && uv pip install --python $(BIN)/python --quiet $(1)) || $(BIN)/python -m pip install --quiet $(1)

# An environment knows its own place: where the folder was moved or copied to, it is made again.
MOVED := $(shell [ ! -e .venv/ready ] || (cd .venv && grep -qsF "$$(pwd -P)" */activate) || echo --clear)
moved:
.venv/ready: requirements.lock tools.lock $(if $(MOVED),moved)
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 15) else "This is Python %d.%d, allowed are 3.11 to 3.14: make PYTHON=python3.11 ..." % sys.version_info[:2])'
	$(PYTHON) -m venv $(MOVED) .venv
	$(call install,$(PINNED))
	@touch $@

# The extras, and what answers as S3 does.
EXTRAS = '.[cluster,postgres,s3]' 'moto[s3]>=5.2,<6'
.venv/services: .venv/ready pyproject.toml
	$(call install,$(EXTRAS))
	@touch $@
