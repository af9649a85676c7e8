# Everything that is done here, by name. A machine needs Python 3.11 or newer and make: the rest is installed, from
# locked versions with hashes, into .venv by whatever target is called first.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# Targets of check run one after another, so that the closing line is the tests'.
.NOTPARALLEL:

PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3.14 python3))

# PostgreSQL refuses to run as root, so the embedded one runs as a user of its own, for whom the way to the environment
# is opened. Nobody wants that of root's home: a checkout there keeps its environments elsewhere.
ENVIRONMENTS := .
ifeq ($(shell id -u),0)
ifneq ($(filter $(HOME)/%,$(CURDIR)),)
ENVIRONMENTS := /var/tmp/esep-$(shell printf %s '$(CURDIR)' | cksum | cut -d ' ' -f 1)
endif
endif
VENV ?= $(ENVIRONMENTS)/.venv
# The generator of protos/ cannot share an environment with the newest runtime: see requirements-protos.in.
VENV_PROTOS ?= $(ENVIRONMENTS)/.venv-protos

# Patroni is run beside the ledger, not with it: see requirements-failover.in. PostgreSQL's user runs it, so the
# interpreter must not stand in root's home.
PYTHON_FAILOVER ?= $(firstword $(wildcard /usr/bin/python3.1[1-9]) $(PYTHON))
VENV_FAILOVER ?= $(ENVIRONMENTS)/.venv-failover

# make's own environment has a SECONDS of bash; only one that is given here counts.
ifeq ($(origin SECONDS),command line)
SECONDS_GIVEN := $(SECONDS)
endif

# How many processes run the tests.
JOBS ?= auto

BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
INSTALLED_PROTOS := $(VENV_PROTOS)/installed
INSTALLED_FAILOVER := $(VENV_FAILOVER)/installed
INSTALLED_FUZZ := $(VENV)/installed-fuzz

.PHONY: help demo audit-demo run test simulate check lint types imports protos protos-check reference reference-check format bench bench-growth bench-plots chaos failover overload conformance qr fuzz advisories sbom journeys lock install clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Only when it is given here: the variable of the same name in the environment is the system's own.
ifeq ($(origin LANGUAGE),command line)
DEMO_LANGUAGE := --language $(LANGUAGE)
endif

demo: $(INSTALLED) ## somebody joins, pays and is paid; then a power cut and an audit, on this machine; LANGUAGE=ky|ru|en
	$(BIN)/python -m scripts.demo $(DEMO_LANGUAGE)

audit-demo: $(INSTALLED) ## a history is exported, verified offline, tampered with in eight ways and caught
	$(BIN)/python -m scripts.audit_demo

run: $(INSTALLED) ## a development server on this machine alone, with the settings of the environment
	ESEP_DEVELOPMENT=$${ESEP_DEVELOPMENT-true} $(BIN)/python server.py

test: $(INSTALLED) ## the tests, on every core; ARGS are pytest's
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

simulate: $(INSTALLED) ## engines, log, projections and clients under a scheduler and faults: SEEDS=200, or one again: SEED=…
	$(BIN)/python -m tests.simulation $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FIRST),--first $(FIRST)) $(if $(SEED),--seed $(SEED))

check: lint imports types protos-check reference-check advisories test ## everything that must hold before a change is taken

lint: $(INSTALLED) ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(INSTALLED) ## mypy, strict
	$(BIN)/mypy

imports: $(INSTALLED) ## the direction of imports
	$(BIN)/lint-imports

protos-check: $(INSTALLED) $(INSTALLED_PROTOS) ## the contract: rules, format, compatibility, fresh generated code
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	@tag=$$(git describe --tags --abbrev=0 2>/dev/null || true); \
	if [ -n "$$tag" ]; then \
		echo "buf breaking against $$tag"; \
		$(BIN)/buf breaking --against ".git#tag=$$tag"; \
	else \
		echo "buf breaking: skipped, no release is tagged yet that the contract could break with"; \
	fi
	$(VENV_PROTOS)/bin/python scripts/generate_protos.py --check

protos: $(INSTALLED) $(INSTALLED_PROTOS) ## format the contract and generate its Python
	$(BIN)/buf format --write
	$(VENV_PROTOS)/bin/python scripts/generate_protos.py

reference-check: $(INSTALLED) ## the generated pages of docs/reference are fresh
	$(BIN)/python -m scripts.generate_reference --check

reference: $(INSTALLED) ## generate the pages of docs/reference that follow from the code
	$(BIN)/python -m scripts.generate_reference

format: $(INSTALLED) ## let ruff repair what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(INSTALLED) ## measure; QUICK=1 in fewer and shorter windows, COMPARE=1 beside others
	$(if $(QUICK),QUICK=$(QUICK)) $(if $(COMPARE),COMPARE=$(COMPARE)) $(BIN)/python -m bench

bench-growth: $(INSTALLED) ## measure what a ledger costs as it grows, to ten million events; SCALE=100 to a hundredth
	mkdir -p build/bench
	$(if $(SCALE),SCALE=$(SCALE)) $(BIN)/python -m bench.growth | tee build/bench/growth.jsonl

bench-plots: $(INSTALLED) ## measure rates by batch size and times by load, and draw them and what bench-growth left
	mkdir -p build/bench
	$(if $(QUICK),QUICK=$(QUICK)) $(BIN)/python -m bench.curves | tee build/bench/curves.jsonl
	$(BIN)/python -m bench.plots build/bench/*.jsonl

chaos: $(INSTALLED) ## 200 real faults on each store, under load, and what was lost; ARGS are its own
	$(BIN)/python -m tests.chaos $(ARGS)

failover: $(INSTALLED) $(INSTALLED_FAILOVER) ## three nodes of PostgreSQL under Patroni; the primary is lost, and what with it
	$(BIN)/python -m tests.failover --programs $(VENV_FAILOVER)/bin $(ARGS)

overload: $(INSTALLED) ## three times what a server can take, for a minute, then clients that misbehave; ARGS are its own
	$(BIN)/python -m tests.overload $(ARGS)

conformance: $(INSTALLED) ## run a file of scenarios: FILE=…
	$(BIN)/python -m tests.conformance $(FILE)

qr: $(INSTALLED) ## read a file of QR codes: FILE=…
	$(BIN)/python -m tests.conformance.qr $(FILE)

LOCK = $(BIN)/uv pip compile --no-config --no-emit-index-url --quiet --universal \
	--python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

fuzz: $(INSTALLED_FUZZ) ## every method and every parser, called with what nobody has thought of; SECONDS=60
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS_GIVEN),60) $(if $(SEED),--seed $(SEED))

advisories: $(INSTALLED) ## whether a locked version has a published weakness; skipped where no advisories can be reached
	$(BIN)/python -m scripts.advisories

sbom: $(INSTALLED) ## what the product is made of, as CycloneDX, into sbom.json
	$(BIN)/cyclonedx-py requirements requirements-runtime.lock --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file sbom.json

journeys: $(INSTALLED) ## every capability, and the tests that prove it
	$(BIN)/python -m tests.journeys

lock: $(INSTALLED) ## remake the lock files; UPGRADE=1 takes the newest versions
	$(LOCK) --extra dev pyproject.toml --output-file requirements.lock
	$(LOCK) --extra parquet --constraint requirements.lock pyproject.toml --output-file requirements-runtime.lock
	$(LOCK) requirements-protos.in --output-file requirements-protos.lock
	$(LOCK) requirements-failover.in --output-file requirements-failover.lock
	$(LOCK) requirements-fuzz.in --output-file requirements-fuzz.lock

install: $(INSTALLED) ## the environment alone

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, as PYTHON=…")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	touch $@

$(INSTALLED_PROTOS): requirements-protos.lock
	test -x $(VENV_PROTOS)/bin/python || $(PYTHON) -m venv $(VENV_PROTOS)
	$(VENV_PROTOS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	touch $@

$(INSTALLED_FAILOVER): requirements-failover.lock | $(INSTALLED)
	test -x $(VENV_FAILOVER)/bin/python || $(PYTHON_FAILOVER) -m venv --without-pip $(VENV_FAILOVER)
	$(BIN)/python -m pip --python $(VENV_FAILOVER)/bin/python install --quiet --disable-pip-version-check --require-hashes --requirement $<
	touch $@

# Where there is no wheel of the fuzzer, the run says so, and fuzzes what needs none.
$(INSTALLED_FUZZ): requirements-fuzz.lock $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes --requirement $< \
		|| echo 'parsers will be skipped: there is no wheel of atheris for this Python'
	touch $@

clean: ## remove the environments and every cache
	rm -rf $(VENV) $(VENV_PROTOS) $(VENV_FAILOVER) .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
