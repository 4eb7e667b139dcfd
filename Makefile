# Two commands do everything on a Debian or Ubuntu machine with a Rust toolchain:
#
#   make run     installs what the build needs, builds, and starts three nodes behind one address
#   make test    installs what the tests need, and runs every check and test that a change must pass
#
# The first build compiles RocksDB: about ten minutes on two cores. It happens once, because one cargo profile
# serves everything, in one target directory outside the clone.

export CARGO_TARGET_DIR ?= $(HOME)/.cache/quartet/target
CARGO := cargo
QUARTET := $(CARGO_TARGET_DIR)/release/quartet

.PHONY: help run build setup setup-tests test test-long lint fix bench clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: build ## Build and start a local cluster: three nodes, clients connect to port 1883
	@$(QUARTET) dev $(ARGS)

build: setup ## Build the binary and the load program
	$(CARGO) build --release --locked -p quartet-node -p quartet-benches
	@echo "built $(QUARTET)"

setup:
	@scripts/setup.sh build

setup-tests:
	@scripts/setup.sh tests

test: setup-tests ## Everything a change must pass: format, lints, tests, documents (under 40 minutes with a cold cache)
	@scripts/test.sh

test-long: setup-tests ## The long runs: many seeds, larger model, more tries
	@scripts/test-long.sh

lint: setup ## Format check, lints and documents, without running tests
	@scripts/lint.sh

fix: ## Format the code
	$(CARGO) fmt --all

bench: build ## QoS 0, 1 and 2 through three nodes beside mosquitto, in one run
	@benches/beside-mosquitto.sh

clean: ## Remove what was built
	$(CARGO) clean
