#!/usr/bin/env bash
# What a change must pass: the same words here and in CI.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/quartet/target}"

step() { printf '\n== %s (%s)\n' "$1" "$(date +%H:%M:%S)"; }

step "build"
cargo build --release --locked --workspace --all-targets
step "format, lints, documents"
scripts/lint.sh
step "tests"
cargo test --release --locked --workspace --no-fail-fast
step "bugs planted inside the core are found"
cargo test --release --locked -p quartet-sim --features weakened --test sins --test model
step "all passed"
