#!/usr/bin/env bash
# What distributed training costs here: updates/s, staleness, bytes and server seconds per push, and
# scores at equal work. Ranks share the cores, so the rates say what the server does, not what a
# cluster would. LOPT names a binary built with --features mpi; SCORE=1 also validates (minutes).
set -euo pipefail
cd "$(dirname "$0")/.."
LOPT=${LOPT:-${CARGO_TARGET_DIR:-target}/release/lopt}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
updates=${UPDATES:-1000}
sed -e 's/^names = .*/names = ["bowl-5"]/' -e "s/^updates = .*/updates = $updates/" \
  lopt-meta/recipes/quadratic20.toml > "$work/recipe.toml"
score=--unscored
[ -n "${SCORE:-}" ] && score=

show() { # the label, then what a run printed
  echo "== $1"
  grep -E 'instance-steps;|pushes,' "$work/out" | sed 's/; weights in .*//'
  grep '^update ' "$work/err" | tail -1 | grep -o 'meta-loss [-+0-9.]*' | sed 's/^/moving average: /'
}
seconds() { date +%s.%N; }

began=$(seconds)
# shellcheck disable=SC2086 # no score is no argument
"$LOPT" train $score --threads 1 --config "$work/recipe.toml" --out "$work/one" > "$work/out" 2> "$work/err"
show "one process, one thread: $(awk "BEGIN { printf \"%.1f\", $(seconds) - $began }") s"
for how in sync async; do
  for n in 2 4 8; do
    began=$(seconds)
    # shellcheck disable=SC2086
    mpirun --oversubscribe --mca orte_abort_on_non_zero_status 0 -n "$n" "$LOPT" train $score \
      --distributed "$how" --config "$work/recipe.toml" --out "$work/$how$n" > "$work/out" 2> "$work/err"
    show "$how, $n ranks: $(awk "BEGIN { printf \"%.1f\", $(seconds) - $began }") s"
  done
done
