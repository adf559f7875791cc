# Everything starts here; `make` lists it.
#   make demo ARGS="--players 200 --seconds 30"
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Cargo and npm use all cores themselves, and hold locks against each other.
.NOTPARALLEL:

TARGET := $(or $(CARGO_TARGET_DIR),target)
HUNTCORE := $(TARGET)/release/huntcore
CONSOLE := web/dist/index.html
CONSOLE_SOURCES := $(shell find web/src web/public sdk/typescript/src -type f 2>/dev/null) \
	web/index.html web/vite.config.ts web/svelte.config.js web/tsconfig.json web/package-lock.json \
	sdk/typescript/package.json
ARGS ?=

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: setup-build $(CONSOLE) ## Build the release binary, target/release/huntcore, console inside
	cargo build --release --locked --package huntcore-cli
	@echo "built $(HUNTCORE)"

.PHONY: demo
demo: build ## Run a hunt with simulated players and print its URL (ARGS="…" for `huntcore demo`)
	$(HUNTCORE) demo $(ARGS)

.PHONY: test
test: setup lint test-sdk test-console test-rust ## Check everything: format, lints, licences, every test

.PHONY: test-rust
test-rust: setup $(CONSOLE) ## Run the Rust tests, those from outside (browser, SDK, API tester, kill -9) included
	cargo test --workspace --locked --no-fail-fast

.PHONY: test-sdk
test-sdk: setup ## Check the TypeScript client's types and lints, build it, run its unit tests
	cd sdk/typescript && npm run --silent check && npm run --silent lint && npm run --silent build && npm run --silent test

.PHONY: test-console
test-console: setup ## Check the console's types and lints, run its unit tests
	cd web && npm run --silent check && npm run --silent lint && npm run --silent test

.PHONY: test-browser
test-browser: setup $(CONSOLE) ## Drive the console of a real server in Chromium (part of test-rust)
	cargo test --locked --package huntcore-cli --test it -- browser --nocapture

.PHONY: test-api
test-api: setup $(CONSOLE) ## Run schemathesis against a real server (part of test-rust)
	cargo test --locked --package huntcore-cli --test it -- schemathesis --nocapture

.PHONY: bench
bench: setup-bench build ## Measure start-up, a demo of 1,000 players, then `huntcore bench` (ARGS="…", BOARDS_ARGS="…")
	scripts/bench $(HUNTCORE)
	$(HUNTCORE) bench --json $(ARGS)
	$(HUNTCORE) bench boards --json $(BOARDS_ARGS)

.PHONY: lint
lint: setup $(CONSOLE) ## Check format, clippy, licences and banned crates
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(TARGET)/tools/bin/cargo-deny --log-level error check bans licenses sources

.PHONY: fmt
fmt: ## Format the Rust code
	cargo fmt --all

.PHONY: audit
audit: setup ## Check dependencies against published advisories (needs the network)
	$(TARGET)/tools/bin/cargo-deny check advisories
	cd web && npm audit --omit=dev

.PHONY: setup
setup: ## Install what building and testing need (Debian), or say what is missing
	@scripts/setup test

.PHONY: setup-build
setup-build:
	@scripts/setup build

.PHONY: setup-bench
setup-bench:
	@scripts/setup bench

# The console is embedded in the binary, so it is built first. It comes after setup when both are
# asked for, and doesn't run again because setup did.
$(CONSOLE): $(CONSOLE_SOURCES) | setup-build
	cd web && npm run --silent build
	@touch $@
