# The project's commands; `make help` lists them. Each installs what is missing first: after that it starts at once.

PYTHON ?= python3
# When nobody says which Python, a faster one of the same machine is taken where there is one (tools/stack/interpreter.py).
INSTALL = $(PYTHON) -m tools.stack.install $(if $(filter file,$(origin PYTHON)),--any-python)
BIN := .venv/bin
STACK := $(BIN)/python -m tools.stack
# Processes that run tests side by side, each with servers of its own: more than cores, since tests wait much; 1 GB each.
TEST_PROCESSES ?= 5
# Unit tests wait for nothing.
UNIT_PROCESSES ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? n + 1 : 4)))
# mypy takes as long as the others together: they run beside it. The last one compiles the tests, which otherwise each of the
# processes that run them does for itself.
STATIC_CHECKS := 'mypy .' 'ruff format --check .' 'ruff check .' lint-imports 'python -m tools.docs --check' \
	'pytest --collect-only -qq >.local/collected || ! cat .local/collected'
.DEFAULT_GOAL := help
# Python keeps what it has compiled, whatever the shell says: processes start in half the time.
unexport PYTHONDONTWRITEBYTECODE
# One recipe at a time: `make -j check` would mix the output of its steps.
.NOTPARALLEL:

##@ The system on this machine
run: install ## start everything in the foreground, with logs; Ctrl-C stops it
	@$(STACK) run

up: install ## start everything in the background, or bring back what is missing (GATEWAYS=3 MESSAGING=2 …)
	@$(STACK) up

down: ## stop everything; data stays (DATA=drop deletes it)
	@test ! -x $(BIN)/python || $(STACK) down $(if $(filter drop,$(DATA)),--drop-data)

status: ## say what runs, and whether it is ready
	@$(STACK) status

token: install ## print a development token: make token USER=alice
	@$(BIN)/python -m tools.devtoken "$(USER)"

##@ Checks
test: install-tests ## run every test against real PostgreSQL, RabbitMQ and Redis (ARGS="-k name", TEST_PROCESSES=1)
	$(BIN)/pytest -n $(TEST_PROCESSES) $(ARGS)

# Without what takes longer than all others together: the checkers of deploy/, Node.js, sqlfluff, a process for each image,
# and ffmpeg and the workers that look into uploads.
test-unit: install-tests ## run the unit tests of the Python code: no servers, no other programs
	$(BIN)/pytest -n $(UNIT_PROCESSES) tests/unit $(ARGS) $(addprefix --ignore=tests/unit/,deploy clients lint \
		tools/test_supply_chain.py services/media/test_hostile_files.py services/media/test_recordings.py)

check: install-tests ## format, lint, types, imports, generated documents, then every test: what CI runs
	@printf '%s\n' $(STATIC_CHECKS) | xargs -P 2 -I CHECK sh -xc '$(BIN)/CHECK'
	$(BIN)/pytest -n $(TEST_PROCESSES) $(ARGS)

# A test that makes its own input imports hypothesis, by itself or through schemathesis.
fuzz: install-tests ## let the tests that make their own input try 20 times as much as in each run (FUZZ=100 tries more)
	FUZZ=$(or $(FUZZ),20) $(BIN)/pytest -n $(TEST_PROCESSES) --timeout=3600 $$(grep -rl hypothesis tests --include='test_*.py') $(ARGS)

autobahn: install-tests ## run the Autobahn suite against the gateway's WebSocket protocol (needs Python 2.7: PYTHON2=…)
	$(BIN)/python -m tools.autobahn

coverage: install-tests ## say which lines unit and integration tests run
	$(BIN)/pytest -n $(TEST_PROCESSES) --cov --cov-report=term:skip-covered tests/unit tests/integration $(ARGS)

test-containers: install-tests ## run the tests whose backends run in Docker containers
	STACK_BACKENDS=docker $(BIN)/pytest tests/integration tests/e2e tests/containers $(ARGS)

faults: install-tests ## run the fault tests: processes and servers killed under load
	FAULTS=long $(BIN)/pytest tests/faults tests/e2e/test_crashes.py $(ARGS)

clusters: install-tests ## run the cluster tests: nodes of RabbitMQ and PostgreSQL lost under load, roles changed
	CLUSTERS=long $(BIN)/pytest tests/clusters $(ARGS)

rollout: install-tests ## run replicas of the last release, or of FROM=commit, beside today's, as in a rollout
	ROLLOUT_FROM=$(FROM) $(BIN)/pytest tests/rollout $(ARGS)

alerts: install-tests ## bring each alert about, follow its page and see it end, for docs/alerts.md (half an hour; ARGS="-k Redis")
	ALERTS=long STACK_BACKENDS=native $(BIN)/pytest tests/alerts $(ARGS)

chaos: install-tests ## run each client over a network that misbehaves, 1,000 messages each, for docs/reliability.md (ARGS="-k Python")
	CHAOS=long $(BIN)/pytest tests/chaos $(ARGS)

abuse: install ## measure what honest users notice of one hostile account: figures for docs/reliability.md (ARGS="--only name")
	$(BIN)/python -m tools.abuse $(ARGS)

bench: install ## run the load benchmark, with its table and plot (ARGS="--only connect --only baseline")
	$(BIN)/python -m tools.bench $(ARGS)

sbom: install ## list what the services' image holds, with licences; its SBOM (CycloneDX) goes to build/sbom.json
	@mkdir -p build
	@$(BIN)/python -m tools.supply_chain build/sbom.json

lock: install-tests ## give each version of requirements.lock its hashes, and write what each image installs
	@$(BIN)/python -m tools.supply_chain.locks

audit: install ## look every locked package up among known vulnerabilities (pip-audit; needs PyPI's own API)
	@test -x .local/audit/bin/pip-audit || ($(PYTHON) -m venv .local/audit && .local/audit/bin/pip install --quiet pip-audit==2.10.1)
	.local/audit/bin/pip-audit --requirement requirements.lock --no-deps --disable-pip --strict

##@ Work on the code
format: install ## format the code, and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install ## write the documents that are generated from the code, and build the site of all documents into .local/site
	$(BIN)/python -m tools.docs
	$(BIN)/python -m tools.dashboards
	$(BIN)/mkdocs build --quiet

install: ## install what is missing: Python packages into .venv, and servers where nothing else gives them
	@$(INSTALL)

install-tests:
	@$(INSTALL) --for-tests

clean-data: ## stop everything, and delete its data
	@$(MAKE) --no-print-directory down DATA=drop

help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

.PHONY: run up down status token test test-unit check fuzz autobahn coverage test-containers faults clusters rollout alerts chaos abuse bench sbom lock audit format docs install install-tests clean-data help
