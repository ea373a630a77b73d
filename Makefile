# Every verb of the project. The first call makes .venv from the locked requirements; later calls are instant.

PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
# One more test process than cores: the end-to-end tests wait more than they work (11 minutes instead of 16 on two).
TEST_PROCESSES ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); \
	n=$$((n + 1)); if [ "$$n" -lt 3 ]; then n=3; elif [ "$$n" -gt 9 ]; then n=9; fi; echo $$n)
LOCK := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

# A virtual environment holds absolute paths: one that was copied or moved here would run the other tree's code.
ifneq ($(shell cat $(VENV)/.place 2>/dev/null),$(CURDIR))
.PHONY: $(VENV)/.place
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint fmt bench reset lock clean venv

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: venv ## Run everything on this machine (PORT=8000; data in .data)
	@exec $(BIN)/python -m todoenbalance up $(ARGS)

test: lint ## Check style, types and layers, then run every test
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) $(ARGS)

lint: venv ## Check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: venv ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: venv ## Measure (see benchmarks/)
	$(BIN)/python -m benchmarks $(ARGS)

reset: venv ## Throw the data of `make run` away
	@$(BIN)/python -m todoenbalance.devstack.reset

lock: ## Renew the locked requirements from pyproject.toml
	@command -v $(UV) >/dev/null || { echo "make: uv is needed for this: pip install uv" >&2; exit 1; }
	$(LOCK) pyproject.toml -o requirements/base.txt
	$(LOCK) --all-extras pyproject.toml -o requirements/dev.txt

clean: ## Remove what was built: .venv and caches, never the data
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

venv: $(VENV)/.installed

$(VENV)/.place:
	@command -v $(PYTHON) >/dev/null || { echo "make: there is no $(PYTHON): install Python 3.11 or newer, or name it with PYTHON=" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: Python 3.11 or newer is needed, and $(PYTHON) is older: name another with PYTHON=" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: $(PYTHON) can't make a virtual environment: install python3-venv" >&2; exit 1; }
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $$(test -f $@ && echo --clear) $(VENV)
	@printf '%s' '$(CURDIR)' > $@

$(VENV)/.locked: requirements/dev.txt $(VENV)/.place
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.locked
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@
