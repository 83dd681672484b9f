#!/usr/bin/env bash
# Everything about the GPU path that needs a real GPU, in one go: builds, checks, times.
#   scripts/gpu-check.sh [wgpu|vulkan|cuda] [folder for the results]
# wgpu and vulkan need a driver with Vulkan and differ in the shaders (WGSL, SPIR-V); cuda needs the
# CUDA driver, and at build time the network, from which cubecl fetches an LLVM. Ends with an error if a check fails; the timings are judged too.
set -euo pipefail
cd "$(dirname "$0")/.."
runtime=${1:-wgpu}
out=${2:-gpu-check}
case $runtime in
  wgpu | vulkan | cuda) ;;
  *) echo "usage: $0 [wgpu|vulkan|cuda] [folder]" >&2; exit 2 ;;
esac
device=$runtime bench=$runtime
if [ "$runtime" = wgpu ]; then bench=gpu; fi
if [ "$runtime" = vulkan ]; then device=wgpu; fi
mkdir -p "$out"
step() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }

step "the machine"
{ nvidia-smi || true; vulkaninfo --summary || true; lscpu; } >"$out/machine.txt" 2>&1
head -n 20 "$out/machine.txt"

# The step equals the CPU reference to 1e-5 on random layouts, every switch, states go back and
# forth, runs repeat bit for bit; and CPU and GPU over 1000 steps of one training.
step "the step equals that of the CPU (property tests), and how far 1000 steps drift apart"
LOPT_GPU=$device cargo test --release -p lopt-core --features "wgpu,$runtime" --test gpu -- \
  --nocapture --test-threads 1 2>&1 | tee "$out/tests.txt"

# 1e7 parameters at 60 % of the bandwidth of a copy or more, and at most 15 times Adam.
step "speed"
cargo run --release -p lopt-bench --features "$bench" --bin lopt -- \
  speed --device "$device" --json "$out/speed.json" | tee "$out/speed.txt"

step "verdict"
awk -F '[:,]' '{ gsub(/[ "]/, "") }
/^name:/ { name = $2 }
/^n:/ { n = $2 }
/^of_copy:/ { part = 100 * $2 }
/^adams:/ && name == "step" && n == 10000000 {
  found = 1
  printf "1e7 parameters: %.0f %% of the copy (at least 60): %s\n", part, (part >= 60 ? "yes" : "NO")
  printf "1e7 parameters: %.1f x Adam (at most 15): %s\n", $2, ($2 <= 15 ? "yes" : "NO")
  bad = part < 60 || $2 > 15
} END { if (!found) print "no row with 1e7 parameters"; exit !found || bad }' "$out/speed.json"
