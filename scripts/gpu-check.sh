#!/usr/bin/env bash
# Everything about the GPU path that needs a real GPU, in one go: builds, checks, times.
#   scripts/gpu-check.sh [wgpu|vulkan|cuda] [folder for the results] [quick]
# wgpu and vulkan need a driver with Vulkan and differ in the shaders (WGSL, SPIR-V); cuda needs the
# CUDA driver, and at build time the network, from which cubecl fetches an LLVM. Ends with an error if a
# check fails; the timings are judged too. CIFAR-10 is taken from the folder LOPT_DATA, if there is one.
# `quick` is for machines without a real GPU: small models, few steps, no verdict.
set -euo pipefail
cd "$(dirname "$0")/.."
runtime=${1:-wgpu}
out=${2:-gpu-check}
case $runtime in
  wgpu | vulkan | cuda) ;;
  *) echo "usage: $0 [wgpu|vulkan|cuda] [folder] [quick]" >&2; exit 2 ;;
esac
quick=${3:-} profile=release sizes=() training=(--steps 2000)
case $quick in
  "") ;;
  quick) profile=adapters sizes=(--quick) training=(--blocks 1 --steps 3 --batch 4) ;;
  *) echo "expected quick, got $quick" >&2; exit 2 ;;
esac
device=$runtime bench=$runtime
if [ "$runtime" = wgpu ]; then bench=gpu; fi
if [ "$runtime" = vulkan ]; then device=wgpu; fi
mkdir -p "$out"
# always all three together, so that cubecl is compiled once
features=lopt-core/wgpu,lopt-core/$runtime,lopt-burn/wgpu,lopt-burn/$runtime,lopt-bench/$bench
build=(--profile "$profile" -p lopt-core -p lopt-burn -p lopt-bench --features "$features")
binaries=${CARGO_TARGET_DIR:-target}/$profile
step() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }

step "the machine"
{ nvidia-smi || true; vulkaninfo --summary || true; lscpu; } >"$out/machine.txt" 2>&1
head -n 20 "$out/machine.txt"

# The step equals the CPU reference to 1e-5 on random layouts, every switch, states go back and
# forth, runs repeat bit for bit; and CPU and GPU over 1000 steps of one training.
step "the step equals that of the CPU (property tests), and how far 1000 steps drift apart"
LOPT_GPU=$device cargo test "${build[@]}" --test gpu -- --nocapture --test-threads 1 2>&1 |
  tee "$out/tests.txt"

# The same model on CPU and GPU; state files; nothing of a step through the host.
step "lopt-burn on the device"
cargo test "${build[@]}" --test device -- --nocapture --test-threads 1 2>&1 |
  tee "$out/burn-tests.txt"

step "a ResNet through lopt-burn"
cargo build "${build[@]}" --bin lopt --example resnet_cifar
"$binaries/examples/resnet_cifar" --device gpu "${training[@]}" | tee "$out/resnet.txt"

# burn's default features have operator fusion, which hides the buffers of tensors. It builds
# burn a second time.
if [ -z "$quick" ]; then
  step "lopt-burn on the device, with operator fusion"
  cargo test "${build[@]}" --features lopt-burn/fusion --test device -- --test-threads 1 \
    --skip a_thousand_steps 2>&1 | tee "$out/burn-fusion-tests.txt"
fi

# 1e7 parameters at 60 % of the bandwidth of a copy or more, and at most 15 times Adam.
step "speed"
"$binaries/lopt" speed --device "$device" "${sizes[@]}" --json "$out/speed.json" |
  tee "$out/speed.txt"

step "verdict"
if [ -n "$quick" ]; then
  echo "quick: everything ran, timings are not judged"
  exit
fi
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
