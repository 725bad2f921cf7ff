# Everything a person or CI does with this repository. Each target does its own set-up.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
JOBS ?= 2
ARGS ?=
RUNTIME_PACKAGES := config/debian-packages.txt
TEST_PACKAGES := $(RUNTIME_PACKAGES) tests/debian-packages.txt
# Clients for the long campaigns beside those that every test run has; see tests/clients/fetch.sh.
OLD_CLIENTS := hf1 hf0
ML_CLIENTS := ml
# What is typed: as far as it is there.
TYPED := $(wildcard hubd tests benchmarks docs/generate.py)
# Where they cannot be installed, the tests that need them are skipped and say so.
S3_SERVERS := config/bootstrap.sh servers tests/s3servers.lock
COMPILE := $(BIN)/uv pip compile --quiet --python-version 3.11 --universal \
	--generate-hashes --no-emit-index-url --no-header --no-annotate

export LC_ALL := C.UTF-8

.PHONY: help
help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: venv
venv: ## Build .venv with hubd and what it needs, nothing more
	@config/bootstrap.sh packages $(RUNTIME_PACKAGES)
	@config/bootstrap.sh venv runtime

.PHONY: run
run: venv ## Start the hub on 127.0.0.1:8080 (HTTP) and 127.0.0.1:2222 (SSH), everything in ./data
	@HUBD_MAKE_RUN=1 exec $(BIN)/hubd serve $(ARGS)

.PHONY: dev-venv
dev-venv: ## Build .venv with the tools for tests and checks too
	@config/bootstrap.sh packages $(RUNTIME_PACKAGES)
	@config/bootstrap.sh venv dev

.PHONY: test
test: ## Install what tests need, check, and run the tests (ARGS='-k name' to choose)
	@config/bootstrap.sh packages $(TEST_PACKAGES)
	@config/bootstrap.sh venv dev
	-@$(S3_SERVERS)
	@$(MAKE) --no-print-directory check
	@tests/clients/fetch.sh
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not soak" $(ARGS)

.PHONY: check
check: dev-venv ## Lint, format, types and import contracts, without running tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(TYPED)
	$(BIN)/lint-imports --no-cache

.PHONY: bench
bench: ## Print the benchmarks as ratios to other servers, run beside ours
	@config/bootstrap.sh packages $(TEST_PACKAGES)
	@config/bootstrap.sh venv dev
	@tests/clients/fetch.sh
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: screenshots
screenshots: dev-venv ## Put pictures of the pages, wide light and narrow dark, into ./screenshots
	@mkdir -p screenshots
	HUBD_SHOTS=screenshots $(BIN)/python -m pytest -q tests/web/test_browser.py

.PHONY: soak
soak: ## Run the long campaigns: kills, gigabytes, every client (hours)
	@config/bootstrap.sh packages $(TEST_PACKAGES)
	@config/bootstrap.sh venv dev
	-@$(S3_SERVERS)
	@tests/clients/fetch.sh $(OLD_CLIENTS) $(ML_CLIENTS)
	$(BIN)/python -m pytest -m soak --timeout 7200 $(ARGS)

.PHONY: test-ml
test-ml: ## Run the tests with transformers and PyTorch; make soak has them too
	@config/bootstrap.sh packages $(TEST_PACKAGES)
	@config/bootstrap.sh venv dev
	@tests/clients/fetch.sh $(ML_CLIENTS)
	$(BIN)/python -m pytest -m ml --timeout 1800 $(ARGS)

.PHONY: docs
docs: dev-venv ## Write docs/settings.md and config/hubd.toml anew from the declarations
	$(BIN)/python -m docs.generate

.PHONY: lock
lock: dev-venv ## Resolve what is asked for into the lock files (ARGS=--upgrade for newer versions)
	$(COMPILE) pyproject.toml --extra build $(ARGS) --output-file requirements.lock
	$(COMPILE) pyproject.toml --extra build --extra dev --constraint requirements.lock $(ARGS) \
		--output-file requirements-dev.lock
	for name in python hf2 data csghub $(OLD_CLIENTS) $(ML_CLIENTS); do \
		$(COMPILE) tests/clients/$$name.in $(ARGS) --output-file tests/clients/$$name.txt; \
	done
	$(COMPILE) tests/s3servers.in $(ARGS) --output-file tests/s3servers.lock

# Installation as a service brings its own targets.
-include systemd/install.mk
