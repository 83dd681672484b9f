#!/usr/bin/env bash
# Everything there is to check without a GPU, before a release; takes more than an hour on two cores.
#   scripts/full-check.sh [adapters|device]
# With a name only that group is checked. If a group passes, the commit goes into .ci/checked, which has to be
# committed: from then on .ci/run leaves out what nothing has changed for.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=steps.sh
source scripts/steps.sh

group=${1:-everything}
passed() { git rev-parse HEAD >".ci/checked/$1"; }
mkdir -p .ci/checked
git diff --quiet HEAD || { echo "what is checked is a commit: commit first" >&2; exit 2; }

check_adapters() {
  adapter_lints
  adapters
  passed adapters
}
check_device() {
  device_lints
  device_tests
  passed device
}

case $group in
  adapters) check_adapters ;;
  device) check_device ;;
  everything)
    formatting
    default_lints
    default_tests
    main_command
    check_adapters
    check_device
    step "distributed training over MPI"
    scripts/mpi-check.sh
    packages
    step "licences and sources of dependencies"
    # advisories need a database from the network, which is not everywhere
    cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked --debug
    cargo deny check bans licenses sources
    documentation
    step "fuzz build"
    # libFuzzer needs the nightly compiler; where there is none, the targets are at least type-checked
    if rustup toolchain list | grep -q nightly; then
      cargo +nightly build --manifest-path fuzz/Cargo.toml
    else
      cargo check --manifest-path fuzz/Cargo.toml
    fi
    step "the main command as users run it"
    out=$(mktemp -d)
    cargo run --release -- race digits-mlp --steps 200 --seeds 1 --out "$out"
    rm -r "$out"
    ;;
  *)
    echo "expected adapters, device or nothing, got $group" >&2
    exit 2
    ;;
esac
step "done"
