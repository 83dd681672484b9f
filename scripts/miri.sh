#!/usr/bin/env bash
# The unsafe code of the optimizer, and what casts its memory, under Miri: scripts/miri.sh; needs a
# nightly compiler with the components miri and rust-src.
set -euo pipefail
cd "$(dirname "$0")/.."
# rayon's queues are sound under tree borrows only, turn integers into pointers, and outlive main
export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-tree-borrows -Zmiri-permissive-provenance -Zmiri-ignore-leaks"
export RAYON_NUM_THREADS=2
cargo +nightly miri test -p lopt-core --test unsafe_paths
cargo +nightly miri test -p lopt-core --lib -- layout:: learned:: optimizer:: sealed::
