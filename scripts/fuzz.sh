#!/usr/bin/env bash
# Every fuzz target for some seconds, one after another: scripts/fuzz.sh [SECONDS]; needs cargo-fuzz.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
for file in fuzz_targets/*.rs; do
  target=$(basename "$file" .rs)
  mkdir -p "corpus/$target"
  cargo +nightly fuzz run "$target" "corpus/$target" "regressions/$target" -- \
    -max_total_time="${1:-600}" -max_len=8192 -print_final_stats=1
done
