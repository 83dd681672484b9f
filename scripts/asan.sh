#!/usr/bin/env bash
# The tests of the crates under AddressSanitizer: scripts/asan.sh [CARGO TEST ARGUMENTS]; needs a
# nightly compiler. The default are the crates with `unsafe` code and those that they stand on.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- -p lopt-simd -p lopt-grad -p lopt-core -p lopt-baselines -p lopt-problems -p lopt-meta
export RUSTFLAGS="-Zsanitizer=address" CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
# a target of its own, so that build scripts and macros stay as they are; doctests have no sanitizer
cargo +nightly test --target x86_64-unknown-linux-gnu --lib --bins --tests "$@"
