# All that a fresh machine needs is Python 3.11+ and make.

PYTHON  ?= python3
BIN     := .venv/bin
PYTEST  := $(BIN)/pytest
DEVICES ?= 3000
# Most of a test's time is waiting for a server: on two cores three jobs are quicker than two.
# The slow files come first, so that no job is left with one at the end.
JOBS    ?= 3
SEEDS   ?= 2000
FIRST   ?= 0
INPUTS  ?= 1000000
SEED    ?= 0
MINUTES ?= 10
MESSAGES ?= 20000
FAULTS  ?= 45
ROWS    ?= 1000000
BENCH   ?=
SECRECY_TESTS := $(wildcard tests/unit/test_secre*.py tests/integration/test_secrecy_*.py)

.DEFAULT_GOAL := help

.PHONY: help
help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-16s %s\n", $$1, $$2}'

.PHONY: install
install: .venv/installed ## set up .venv with everything pinned

.venv/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; name one with make PYTHON=...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: run
run: .venv/installed ## see it work: real servers, a made-up fleet, a summary; about a minute
	$(BIN)/snapshot-ingest up --ephemeral --simulate $(DEVICES) --until-idle

.PHONY: check
check: .venv/installed ## lint, types, the direction of dependencies, and where content may go
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src tests examples
	$(BIN)/lint-imports
	PYTHONPATH=tests $(BIN)/python -m secrecy_check

.PHONY: test
test: .venv/installed ## all tests that need only wheels, on the real servers
	$(PYTEST) -n $(JOBS) --dist loadfile --no-loadscope-reorder tests/integration tests/unit

.PHONY: test-unit
test-unit: .venv/installed ## the tests without a server: seconds
	$(PYTEST) tests/unit

.PHONY: secrecy
secrecy: .venv/installed ## plant a secret, look for it everywhere, and show what was searched
	$(PYTEST) -q -s $(SECRECY_TESTS)

.PHONY: simulate
simulate: .venv/installed ## SEEDS stories under faults on a virtual clock, from seed FIRST on
	PYTHONPATH=tests $(BIN)/python -m simulation --seeds $(SEEDS) --first $(FIRST)

.PHONY: fuzz
fuzz: .venv/installed ## INPUTS bad messages of seed SEED through decoder and worker; minutes
	PYTHONPATH=tests $(BIN)/python -m fuzz --inputs $(INPUTS) --seed $(SEED)

.PHONY: memory
memory: .venv/installed ## the memory of a worker under a backlog of large messages; minutes, 10 GB of disk
	PYTHONPATH=tests $(BIN)/python -m footprint

.PHONY: soak
soak: .venv/installed ## MINUTES of load and faults on the real servers: nothing of a worker may grow
	PYTHONPATH=tests $(BIN)/python -m soak --minutes $(MINUTES)

.PHONY: rotate
rotate: .venv/installed ## ROWS stored texts of 2 KB rewrapped, in each format, for one tenant and for 5,000; long
	PYTHONPATH=tests $(BIN)/python -m rotating --rows $(ROWS)

.PHONY: backfill
backfill: .venv/installed ## ROWS existing rows brought into the timelines beside writers; minutes
	PYTHONPATH=tests $(BIN)/python -m backfilling --rows $(ROWS)

.PHONY: takeover
takeover: .venv/installed ## from the former subscriber to a worker while snapshots are published; minutes
	PYTHONPATH=tests $(BIN)/python -m taking_over
	PYTHONPATH=tests $(BIN)/python -m taking_over --orderly

.PHONY: chaos
chaos: .venv/installed ## MESSAGES real ones while FAULTS strike real servers, as SEED plans it; minutes
	PYTHONPATH=tests $(BIN)/python -m chaos --seed $(SEED) --messages $(MESSAGES) --faults $(FAULTS)

.PHONY: bench
bench: .venv/installed ## measure the pipeline against every mark, with baseline and bare stages; an hour
	$(BIN)/snapshot-ingest bench --bare --marks $(BENCH)

.PHONY: test-system
test-system: .venv/installed ## what needs Debian packages, the package index, or minutes; see system-packages
	$(PYTEST) tests/system

.PHONY: test-postgres
test-postgres: .venv/installed ## another version of PostgreSQL, whose initdb and postgres are in POSTGRES (root)
	@test -x '$(POSTGRES)/initdb' -a -x '$(POSTGRES)/postgres' || \
		{ echo "no initdb and postgres in '$(POSTGRES)'; expected POSTGRES=/a/folder/bin"; exit 2; }
	POSTGRES_PROGRAMS='$(POSTGRES)' $(PYTEST) tests/system/test_debian_postgres.py tests/system/test_debian_backend.py

.PHONY: system-packages
system-packages: ## install what test-system needs (root, Debian)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$(cat tests/system/packages.txt)

.PHONY: lock
lock: ## pin the newest versions in requirements.txt (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --upgrade --no-emit-package snapshot-ingest \
		--all-extras --group dev pyproject.toml -o requirements.txt
