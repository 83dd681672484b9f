#!/usr/bin/env bash
# Line coverage of lopt-core and lopt-grad by their tests and those of lopt-meta, which run the
# step with a record: scripts/coverage.sh; needs cargo-llvm-cov and the component llvm-tools. Fails below 85 % of either.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_INCREMENTAL=0
# a million counted steps take half an hour and run no line that ten do not
cargo llvm-cov --no-report -p lopt-core -p lopt-grad -p lopt-meta -- --skip a_million_steps
for crate in lopt-core lopt-grad; do
  others=$(ls -d lopt-*/ | tr -d / | grep -vx "$crate" | paste -sd'|')
  cargo llvm-cov report --ignore-filename-regex "/($others)/" --summary-only --fail-under-lines 85
done
