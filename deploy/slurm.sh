#!/usr/bin/env bash
# Asynchronous meta-training on a Slurm cluster: sbatch deploy/slurm.sh
# One server rank and one worker per remaining task. Resubmit to go on: it resumes by itself.
#SBATCH --job-name=lopt-train
#SBATCH --ntasks=65
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=2G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --no-kill
# a note to the batch shell ten minutes before the end; it passes it on and the server saves
#SBATCH --signal=B:TERM@600
set -euo pipefail

LOPT=${LOPT:-$HOME/lopt/target/release/lopt} # built with --features mpi
OUT=${OUT:-$SLURM_SUBMIT_DIR/run}            # on a file system that the first node sees
CONFIG=${CONFIG:-}                           # empty: the recipe of the built-in weights

arguments=(train --config hierarchical-rnn --distributed async --out "$OUT" --patience 300)
[ -n "$CONFIG" ] && arguments+=(--config "$CONFIG")
[ -e "$OUT/checkpoint.lopt" ] && arguments+=(--resume)

# --no-kill and the option of Open MPI let the run go on when a node or a worker dies
mpirun -n "$SLURM_NTASKS" --mca orte_abort_on_non_zero_status 0 "$LOPT" "${arguments[@]}" &
job=$!
trap 'kill -TERM "$job"' TERM
wait "$job" || wait "$job"
