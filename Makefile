# Every command that people and CI use. `make` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CODE := src tests tools $(wildcard benchmarks)
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command "make lock" $(LOCKFLAGS) pyproject.toml
# The lock names every distribution, so pip is to resolve nothing: for a dependency with extras, such as
# coverage[toml], older ones look at the newest release before the locked one and refuse it for its hash.
INSTALL := $(BIN)/python -m pip install --quiet --require-hashes --no-deps -r

# Distributions build Python by a profile, as that of the image is; one compiled by hand mostly is
# not, and whatever is written in Python takes a quarter more. A distribution's may come without pip.
BENCH_PYTHON ?= $(shell /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && echo /usr/bin/python3 || echo $(PYTHON))
BENCH_VENV := .venv-bench
BENCH_INSTALL := $(BIN)/python -m pip --python $(BENCH_VENV)/bin/python install --quiet --no-deps

# pip compiles what it copies; our own modules stay where they are, and a platform is many processes
# that would all compile them.
COMPILE := $(BIN)/python -m compileall -q src
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up test coverage check fmt bench docs lock wheel clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(VENV)/.local ## Start the whole platform on this machine (ARGS="--port 9000")
	@exec $(BIN)/gateline up $(ARGS)

# Three at a time, as some only wait, beginning with what takes longest and not with what has most
# tests; tests/conftest.py says what that is, and which files stay together.
test: $(VENV)/.dev ## Run every test (ARGS="tests/unit -k limits" for some)
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --durations=10
endif

coverage: $(VENV)/.dev ## Run the unit tests and tell which lines and branches they reach
	$(BIN)/python -m pytest tests/unit -q -n 3 --dist loadfile --cov --cov-report=term:skip-covered

check: $(VENV)/.dev ## Check formatting, lint, types and import rules; change nothing
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(VENV)/.dev ## Format the code and mend what lint can mend
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

bench: $(BENCH_VENV)/.made ## Measure the edge beside its peers, one pinned core each (needs wrk)
	$(BENCH_VENV)/bin/python benchmarks/run.py $(ARGS)

docs: $(VENV)/.dev ## Regenerate what is written from the code (.env.example, pages of docs/)
	$(BIN)/python tools/generated_pages.py

lock: $(VENV)/.dev ## Resolve and hash-lock the requirements anew (LOCKFLAGS=--upgrade)
	$(LOCK) --output-file requirements/runtime.txt
	$(LOCK) --extra embedded --extra http2 --group build --output-file requirements/local.txt
	$(LOCK) --all-extras --group dev --output-file requirements/dev.txt
	$(LOCK) --extra embedded --group dev --group bench --output-file requirements/bench.txt

wheel: $(VENV)/.dev ## Build the wheel into dist/
	$(BIN)/python -m build --quiet --wheel --no-isolation --outdir dist

clean: ## Remove caches, builds and the virtual environments; keep .gateline
	rm -rf $(VENV) $(BENCH_VENV) build dist htmlcov .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps hold the state of the lock that the environment was made from.
$(VENV)/.local: requirements/local.txt pyproject.toml | $(BIN)/python
	@[ -e $(VENV)/.dev ] && [ $(VENV)/.dev -nt requirements/dev.txt ] || \
		$(INSTALL) requirements/local.txt
	@$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps -e .
	@$(COMPILE)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@$(INSTALL) requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps -e .
	@$(COMPILE)
	@touch $@ $(VENV)/.local

$(BENCH_VENV)/.made: requirements/bench.txt pyproject.toml | $(BIN)/python
	@$(BENCH_PYTHON) -m venv --clear --without-pip $(BENCH_VENV)
	@$(BENCH_INSTALL) --require-hashes -r requirements/bench.txt
	@$(BENCH_INSTALL) --no-build-isolation -e .
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@echo "Making $(VENV) (once; this takes a minute or two)"
	@$(PYTHON) -m venv $(VENV)
