# Every command works in a fresh clone with only Python (3.11 or newer) there; a second run takes seconds.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLAYGROUND := api/schema/graphiql
say = @printf '» %s\n' "$(1)"

.PHONY: test-gateway test-gateway-matrix test-fuzz docs serve test check bench demo playground lock migration format schema test-browser test-external test-clients clean

serve: $(VENV)/.runtime $(PLAYGROUND)/static/.built
	$(call say,starting the server)
	@$(BIN)/mission-control serve $(ARGS)

test: $(VENV)/.dev
	$(call say,running the tests)
	@$(BIN)/pytest -n $${TEST_WORKERS:-2} --dist loadfile $(ARGS)

check: $(VENV)/.dev
	$(call say,format)
	@$(BIN)/ruff format --check .
	$(call say,lint)
	@$(BIN)/ruff check .
	$(call say,types)
	@$(BIN)/mypy
	$(call say,import rules)
	@$(BIN)/lint-imports --no-cache
	$(call say,schema.graphql and openapi.json)
	@$(BIN)/mission-control schema | diff -u schema.graphql - && $(BIN)/mission-control openapi | diff -u openapi.json -

bench: $(VENV)/.dev
	$(call say,measuring)
	@$(BIN)/python -m bench $(ARGS)

demo: $(VENV)/.runtime
	@$(BIN)/mission-control demo $(ARGS)

test-browser: $(VENV)/.dev $(PLAYGROUND)/static/.built
	$(call say,installing the browser and its driver library)
	@command -v chromium >/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null)
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-browser.lock
	$(call say,playground and client stories in a browser)
	@$(BIN)/pytest tests/browser tests/web_client -p no:xdist $(ARGS)

test-external: $(VENV)/.dev
	$(call say,installing PostgreSQL)
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || (apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql >/dev/null)
	$(call say,a second database server)
	@$(BIN)/pytest tests/external -p no:xdist $(ARGS)

# Generators of clients, and the fuzzer, in an environment of their own: they bring what the server must not depend on.
$(VENV)-clients/.made: requirements-clients.lock
	$(call say,installing generators of clients)
	@$(PYTHON) -m venv $(VENV)-clients
	@$(VENV)-clients/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements-clients.lock
	@touch $@

test-clients: $(VENV)/.dev $(VENV)/.node $(VENV)-clients/.made
	$(call say,installing the npm clients)
	@$(BIN)/python tests/support/node.py tests/clients ci --silent
	$(call say,clients of other makers)
	@CLIENT_TOOLS=$(CURDIR)/$(VENV)-clients/bin $(BIN)/pytest tests/clients -p no:xdist $(ARGS)

test-fuzz: $(VENV)/.dev $(VENV)-clients/.made
	$(call say,fuzzing every operation)
	@CLIENT_TOOLS=$(CURDIR)/$(VENV)-clients/bin $(BIN)/python -m tests.fuzz $(ARGS)

# A real gateway, RELEASE newest or oldest; its packages stay in their folder.
RELEASE ?= newest
SUITE ?= tests/gateway
GATEWAY := tests/gateway/packages/$(RELEASE)
$(GATEWAY)/node_modules/.made: $(GATEWAY)/package-lock.json | $(VENV)/.node
	$(call say,installing the gateway)
	@$(BIN)/python tests/support/node.py $(GATEWAY) ci --silent
	@touch $@

test-gateway: $(VENV)/.dev $(GATEWAY)/node_modules/.made
	$(call say,a real gateway: $(RELEASE))
	@OPENCLAW_RELEASE=$(RELEASE) $(BIN)/pytest $(SUITE) -p no:xdist $(ARGS)

# Both releases, and the long rounds: 30 kills while 200 messages and 10 lifecycles are under way. The faults are those of
# the newest release; the oldest shows the connection and an agent's life.
test-gateway-matrix:
	@CRASH_ROUNDS=30 CRASH_MESSAGES=200 $(MAKE) --no-print-directory test-gateway RELEASE=newest
	@$(MAKE) --no-print-directory test-gateway RELEASE=oldest \
	  SUITE="tests/gateway/test_connection.py tests/gateway/test_life.py"

playground: $(PLAYGROUND)/static/.built

# The page is optional at run time: if it cannot be built, the server still starts and says so.
$(PLAYGROUND)/static/.built: $(VENV)/.node $(wildcard $(PLAYGROUND)/src/*) $(PLAYGROUND)/package-lock.json
	$(call say,building the playground page)
	@if $(BIN)/python -m api.schema.graphiql.build; then touch $@; else \
	  [ -z "$$CI" ] || exit 1; printf '» the playground page could not be built; going on without it\n'; fi

$(VENV)/bin/python:
	$(call say,making a private environment in $(VENV))
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(call say,installing what the server needs)
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	$(call say,installing what the tests need)
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.node: requirements-node.lock | $(VENV)/.runtime
	$(call say,installing Node for the playground page)
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-node.lock || [ -z "$$CI" ]
	@touch $@

# -- for those who change things ---------------------------------------------------------------------------------------

format: $(VENV)/.dev
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

schema: $(VENV)/.dev
	@$(BIN)/mission-control schema > schema.graphql && $(BIN)/mission-control openapi > openapi.json

lock: $(VENV)/bin/python
	@$(BIN)/pip install -q uv
	@for set in "" -dev -node -browser -clients; do \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    requirements/requirements$$set.in -o requirements$$set.lock; done

docs: $(VENV)/.dev
	@$(BIN)/python -m tests.support.generated_docs

migration: $(VENV)/.dev
	@$(BIN)/python -m tests.support.new_migration "$(MESSAGE)"

clean:
	rm -rf $(VENV) $(PLAYGROUND)/static $(PLAYGROUND)/node_modules tests/clients/node_modules tests/gateway/packages/*/node_modules
