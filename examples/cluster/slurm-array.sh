#!/bin/bash
# Scores one shard, or one patient's folder, in each task of an array: each its own run.
#
#   ls -d /data/night/*.tar > inputs.txt      # or /data/night/*/, or a manifest a line
#   array=$(sbatch --parsable --array="0-$(($(wc -l < inputs.txt) - 1))" \
#       slurm-array.sh inputs.txt /data/runs)
#   sbatch --dependency="afterok:$array" --kill-on-invalid-dep=yes \
#       slurm-merge.sh inputs.txt /data/runs /data/runs/night
#
# What stands behind the two is given to `bloodcell score`. A task that failed is submitted again
# by its number, --array=7: it goes on where it stopped.
#SBATCH --job-name=bloodcell-score
#SBATCH --output=%x-%A-%a.log
#SBATCH --cpus-per-task=8
#SBATCH --mem=8G
#SBATCH --time=04:00:00
# Before time is up score is asked to stop: what it has finished stays.
#SBATCH --signal=TERM@60
# For a GPU a task: #SBATCH --gpus-per-task=1
set -euo pipefail

mapfile -t inputs < "$1"
input=${inputs[SLURM_ARRAY_TASK_ID]%/}

# A rejected cell is a result, too: with status 3 the others would never be merged.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    bloodcell score "$input" --out "$2/$(basename "$input")" --max-reject-rate 1 "${@:3}"
