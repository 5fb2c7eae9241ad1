#!/bin/bash
# Merges the runs that slurm-array.sh made of the lines of a file, and verifies the one they become.
#
#   sbatch --dependency="afterok:$array" slurm-merge.sh inputs.txt /data/runs /data/runs/night
#SBATCH --job-name=bloodcell-merge
#SBATCH --output=%x-%j.log
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
#SBATCH --time=04:00:00
set -euo pipefail

mapfile -t inputs < "$1"
runs=()
for input in "${inputs[@]}"; do
    runs+=("$2/$(basename "$input")")
done

srun --cpus-per-task="$SLURM_CPUS_PER_TASK" bloodcell merge "${runs[@]}" --out "$3"
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" bloodcell verify "$3"
