# The steps that .ci/run and scripts/full-check.sh are made of; to be sourced, in the root of the repository.
export CARGO_TERM_COLOR=never
# a whole check with debug information fills more than ten gigabytes
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_ADAPTERS_DEBUG=0 CARGO_PROFILE_RELEASE_DEBUG=0
built=${CARGO_TARGET_DIR:-target}/debug
step() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }
# Installs Debian packages of which the command or file is missing: `need COMMAND|FILE PACKAGE...`.
need() {
  local what=$1
  shift
  if ! command -v "$what" >/dev/null && ! compgen -G "$what" >/dev/null; then
    apt-get update -q && apt-get install -yq "$@"
  fi
}

formatting() {
  step "formatting"
  cargo fmt --all --check
}

default_lints() {
  step "lints"
  cargo clippy --all-targets -- -D warnings
}

default_tests() {
  step "tests"
  cargo test
  step "your own problem"
  "$built/examples/your_own_problem"
}

documentation() {
  step "documentation"
  RUSTDOCFLAGS="-D warnings" cargo doc --no-deps
}

# The program as the tests have built it: only users need the release build.
main_command() {
  local out
  out=$(mktemp -d)
  step "main command"
  "$built/lopt" race digits-mlp --steps 200 --seeds 1 --out "$out"
  test -s "$out/race.html" && test -s "$out/race.json"
  step "experiments"
  "$built/lopt" bench c1 --quick --out "$out/records"
  "$built/lopt" bench fig5 --quick --out "$out/records"
  "$built/lopt" report --records "$out/records" --out "$out/report"
  test -s "$out/report/report.html"
  step "speed"
  # the figures of a shared machine are for reading, not for passing
  "$built/lopt" speed --quick
  rm -r "$out"
}

packages() {
  step "packages"
  cargo package --workspace --no-verify --allow-dirty
}

adapter_lints() {
  step "adapters: lints"
  cargo clippy -p lopt-burn -p lopt-candle --features lopt-burn/train --all-targets -- -D warnings
}

# Fails if a built project with these dependencies builds any of them again once the adapter is there:
# `rebuilds_nothing DEPENDENCIES ADAPTER [FEATURES]`.
rebuilds_nothing() {
  local project
  project=$(mktemp -d)
  mkdir "$project/src" && touch "$project/src/lib.rs" && cp Cargo.lock "$project"
  printf '[package]\nname = "project"\n[workspace]\n[dependencies]\n%s\n' "$1" >"$project/Cargo.toml"
  crates_with_features() {
    cargo tree -q --manifest-path "$project/Cargo.toml" -e no-dev --prefix none -f '{p} [{f}]' |
      sed 's/ (\*)$//' | grep -v '^project ' | sort -u
  }
  crates_with_features >"$project/before"
  printf '%s = { path = "%s", features = [%s] }\n' "$2" "$PWD/$2" "${3:-}" >>"$project/Cargo.toml"
  crates_with_features >"$project/after"
  if ! test -s "$project/before" || comm -23 "$project/before" "$project/after" | grep .; then
    echo "adding $2 changes features of these crates, so that they are built again" >&2
    return 1
  fi
  rm -r "$project"
}

adapters() {
  step "adapters: what adding them builds again"
  rebuilds_nothing $'candle-core = "=0.11.1"\ncandle-nn = "=0.11.1"' lopt-candle
  rebuilds_nothing 'burn = { version = "=0.22.1", features = ["flex"] }' lopt-burn
  rebuilds_nothing 'burn = { version = "=0.22.1", features = ["flex", "train"] }' lopt-burn '"train"'
  step "adapters: tests"
  cargo test --profile adapters -p lopt-burn -p lopt-candle --features lopt-burn/train
  local example built=${CARGO_TARGET_DIR:-target}/adapters
  for example in burn_mnist burn_transformer candle_mnist candle_text candle_convnet candle_table candle_finetune; do
    step "adapters: $example"
    "$built/examples/$example" --steps 20
  done
  step "adapters: burn_learner"
  "$built/examples/burn_learner" --epochs 1
  step "adapters: documentation"
  RUSTDOCFLAGS="-D warnings" \
    cargo doc -p lopt-burn -p lopt-candle --features lopt-burn/train --no-deps
}

# Types and lints of what runs on devices or over MPI, without building it.
device_lints() {
  step "lints of all features"
  need mpirun libopenmpi-dev openmpi-bin libclang-dev
  # with DOCS_RS the build scripts of cubecl leave the network alone, which is enough to check types
  DOCS_RS=1 cargo clippy --workspace --all-targets --features \
    lopt-core/wgpu,lopt-core/cuda,lopt-burn/wgpu,lopt-burn/cuda,lopt-burn/train,lopt-bench/gpu,lopt-bench/mpi -- -D warnings
}

# Without a driver the CPU stands in as a Vulkan device; with a real GPU: scripts/gpu-check.sh.
device_tests() {
  step "GPU"
  need "/usr/share/vulkan/icd.d/*.json" mesa-vulkan-drivers libvulkan1
  local out
  out=$(mktemp -d)
  # builds with the profile `adapters`: optimizing 350 crates that only start shaders takes long
  scripts/gpu-check.sh wgpu "$out" quick
  rm -r "$out"
}
