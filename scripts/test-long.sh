#!/usr/bin/env bash
# The long runs: what `make test` does with small numbers, with large ones.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/quartet/target}"
export QUARTET_LONG=1

cargo build --release --locked --workspace --all-targets
cargo test --release --locked --workspace --no-fail-fast
