# Two commands are all a user needs: `make up` and `make test`. Both do their own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests side by side; JOBS=0 runs them one after the other.
JOBS ?= auto
HOST ?= 127.0.0.1
PORT ?= 8470
export UV_PYTHON_DOWNLOADS = never
export UV_LINK_MODE ?= hardlink
# Behind a proxy that opens TLS only the machine's own store knows who signs; without a store uv brings its own.
export UV_SYSTEM_CERTS ?= $(if $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem),true,false)
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

.PHONY: up test test-long check lint bench lock wheelhouse clean help

help:
	@echo "make up     run the node (the exercise, where there is none yet)"
	@echo "make test   lint, types, contracts and the whole suite"
	@echo "make check  the quick part of it; make bench prints the figures"

up: $(VENV)/.run
	@exec $(BIN)/tocsin up --host $(HOST) --port $(PORT)

test: lint
	$(BIN)/python -m pytest -m "not long" -n $(JOBS) --dist worksteal

test-long: $(VENV)/.dev
	$(BIN)/python -m pytest -m long -n $(JOBS) --dist worksteal

check: lint
	$(BIN)/python -m pytest tests/unit tests/contracts -x -q

lint: $(VENV)/.dev
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	@for f in benchmarks/*_*.py; do $(BIN)/python -m benchmarks.$$(basename $$f .py) || exit 1; done

# Every version with its hashes and without any download address: any index or wheelhouse serves.
lock: $(VENV)/.uv
	$(VENV)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --python-version 3.11 pyproject.toml -o requirements/run.txt
	$(VENV)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --python-version 3.11 pyproject.toml --group dev --group interop -o requirements/dev.txt
	$(VENV)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --python-version 3.11 --group build -o requirements/build.txt

wheelhouse: $(VENV)/.run
	$(PYTHON) -m pip download -q --require-hashes -r requirements/run.txt -d wheelhouse

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# --- set-up -------------------------------------------------------------------------------------

# Says in one line what is missing, instead of failing somewhere inside.
$(VENV)/.python:
	@command -v $(PYTHON) >/dev/null || { echo "tocsin: no $(PYTHON) found; install Python 3.11 or newer, or: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tocsin: $$($(PYTHON) -V) is too old; make PYTHON=python3.11 (or newer)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "tocsin: this Python cannot make virtual environments; on Debian: apt install python3-venv" >&2; exit 1; }
	@test -w . || { echo "tocsin: cannot write to $$(pwd); clone it where you may write" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# uv is taken if there is one, else fetched as a package into this environment only.
$(VENV)/.uv: | $(VENV)/.python
	@if command -v uv >/dev/null; then ln -sf "$$(command -v uv)" $(VENV)/uv; \
	 else $(BIN)/python -m pip install -q "uv>=0.13,<0.14" && ln -sf bin/uv $(VENV)/uv; fi
	@touch $@

$(VENV)/.run: requirements/run.txt requirements/build.txt pyproject.toml | $(VENV)/.uv
	@echo "tocsin: installing (once)"
	@$(VENV)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/run.txt
	@$(VENV)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/build.txt
	@$(VENV)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@$(VENV)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@
