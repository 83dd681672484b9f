#!/usr/bin/env bash
# Distributed training over MPI on this machine: equal bits, learning, and every fault; under two minutes.
# Needs Open MPI and libclang. LOPT names a binary built with --features mpi; otherwise one is built.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${LOPT:-}" ]; then
  cargo build -p lopt-bench --features mpi
  LOPT=${CARGO_TARGET_DIR:-target}/debug/lopt
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# mpirun keeps going when a process dies; docs/scaling.md has the reasons
ranks() {
  local n=$1
  shift
  timeout -k 5 60 mpirun --oversubscribe --mca orte_abort_on_non_zero_status 0 -n "$n" "$LOPT" train --unscored "$@"
}
fail() {
  echo "FAILED: $1"
  cat "$work/log"
  exit 1
}

# four slots of a small problem: 40 updates take a second
sed -e 's/^updates = .*/updates = 40/' -e 's/^checkpoint_every = .*/checkpoint_every = 20/' \
  -e 's/^unroll_base = .*/unroll_base = 5/' -e 's/^unroll_mean = .*/unroll_mean = 5.0/' \
  -e 's/^slots = .*/slots = 4/' -e 's/^life_start = .*/life_start = 40.0/' \
  -e 's/^life_end = .*/life_end = 40.0/' lopt-meta/recipes/quadratic20.toml > "$work/small.toml"
# long enough to learn something
sed -e 's/^updates = .*/updates = 400/' -e 's/^checkpoint_every = .*/checkpoint_every = 100/' \
  -e 's/^names = .*/names = ["bowl-5"]/' -e 's/^unroll_base = .*/unroll_base = 30/' \
  -e 's/^unroll_mean = .*/unroll_mean = 10.0/' -e 's/^warmup = .*/warmup = 10/' \
  lopt-meta/recipes/quadratic20.toml > "$work/learn.toml"

"$LOPT" train --unscored --threads 2 --config "$work/small.toml" --out "$work/threads" > "$work/log" 2>&1 || fail threads
for n in 1 2 4; do
  ranks "$n" --distributed sync --config "$work/small.toml" --out "$work/sync$n" > "$work/log" 2>&1 ||
    fail "sync, $n ranks"
  cmp "$work/threads/checkpoint.lopt" "$work/sync$n/checkpoint.lopt" || fail "sync, $n ranks: other bits"
  cmp "$work/threads/weights.lopt" "$work/sync$n/weights.lopt" || fail "sync, $n ranks: other weights"
  echo "sync, $n ranks: checkpoint and weights equal those of threads, byte for byte"
done

# the last meta-loss that a run has said
meta_loss() { grep -o 'meta-loss [-+0-9.]*' "$work/log" | awk '{print $2}' | tail -n 1; }
# where learning begins: a run may be over before it says more than its last meta-loss
sed 's/^updates = .*/updates = 1/' "$work/learn.toml" > "$work/one.toml"
ranks 2 --distributed async --config "$work/one.toml" --out "$work/one" > "$work/log" 2>&1 ||
  fail "async, one update"
first=$(meta_loss)
for n in 2 4 8; do
  ranks "$n" --distributed async --config "$work/learn.toml" --out "$work/async$n" > "$work/log" 2>&1 ||
    fail "async, $n ranks"
  last=$(meta_loss)
  awk "BEGIN { exit !($last < $first - 5) }" || fail "async, $n ranks: meta-loss $first to $last"
  echo "async, $n ranks: meta-loss (average) $first to $last; $(grep -o '[0-9.]* updates/s' "$work/log")"
done

for fault in kill hang nan garbage; do
  # mpirun reports the worker's end in its exit status; the run's own end is in its output and files
  ranks 4 --distributed async --config "$work/learn.toml" --out "$work/$fault" --patience 2 \
    --fault "2:$fault-after=5" > "$work/log" 2>&1 || true
  grep -q '^400 updates' "$work/log" || fail "$fault"
  "$LOPT" weights inspect "$work/$fault/weights.lopt" > /dev/null || fail "$fault: weights"
  case $fault in
    kill | hang) grep -q 'worker 2 lost' "$work/log" || fail "$fault: not noticed" ;;
    *) grep -q 'worker 2 dismissed' "$work/log" || fail "$fault: not noticed" ;;
  esac
  echo "$fault, 4 ranks: run completes; $(grep '^worker 2: ' "$work/log")"
done

# two ranks sum for the root, each for two workers, of which one dies, hangs or sends nonsense
for fault in none kill nan; do
  befalls=()
  [ $fault = none ] || befalls=(--fault "3:$fault-after=5")
  ranks 7 --distributed async --aggregators 2 --config "$work/learn.toml" --out "$work/tree-$fault" \
    --patience 2 "${befalls[@]}" > "$work/log" 2>&1 || [ $fault != none ] || fail "aggregators"
  grep -q '^400 updates' "$work/log" || fail "aggregators, $fault"
  last=$(meta_loss)
  awk "BEGIN { exit !($last < $first - 5) }" || fail "aggregators, $fault: meta-loss $first to $last"
  case $fault in
    kill) grep -q 'aggregator 1: worker 3 lost' "$work/log" || fail "aggregators, $fault: not noticed" ;;
    nan) grep -q 'aggregator 1: worker 3 dismissed' "$work/log" || fail "aggregators, $fault: not noticed" ;;
  esac
  echo "7 ranks, 2 aggregators, fault $fault: meta-loss $first to $last; $(grep -o '[0-9]* pushes, [0-9.]* updates/s' "$work/log")"
done

# the job is ended from outside: it saves, and a new one goes on
sed 's/^updates = .*/updates = 100000/' "$work/learn.toml" > "$work/long.toml"
ranks 3 --distributed async --config "$work/long.toml" --out "$work/server" > "$work/log" 2>&1 &
job=$!
for _ in $(seq 200); do
  [ -e "$work/server/light.lopt" ] && break
  sleep 0.1
done
kill -TERM "$(pgrep -P "$(pgrep -P "$job" -x timeout || echo "$job")" -x mpirun)"
wait "$job" || true
grep -q 'interrupted after update' "$work/log" || fail "SIGTERM: not saved"
reached() { grep -o 'interrupted after update [0-9]*' "$work/log" | grep -o '[0-9]*$'; }
before=$(reached)
ranks 3 --distributed async --config "$work/long.toml" --out "$work/server" --resume > "$work/log" 2>&1 &
job=$!
sleep 4
kill -TERM "$(pgrep -P "$(pgrep -P "$job" -x timeout || echo "$job")" -x mpirun)"
wait "$job" || true
[ "$(reached)" -gt "$before" ] || fail "--resume"
echo "SIGTERM and --resume: saved at update $before, went on to $(reached)"
