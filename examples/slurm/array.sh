#!/bin/bash
# Accuracy against the number of samples: one task for each seed and size. A task that is preempted goes on where it was when
# Slurm starts it again. Submit from the directory that shall hold the results; then: bash collect.sh > table.csv
#SBATCH --job-name=rhm
#SBATCH --array=1-30
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=01:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@60
set -euo pipefail

sizes=(1000 4000 16000 64000 256000)
task=$((SLURM_ARRAY_TASK_ID - 1))
samples=${sizes[task % ${#sizes[@]}]}
seed=$((task / ${#sizes[@]} + 1))
name=seed$seed-samples$samples

mkdir -p results
[ ! -e "results/$name.json" ] || { echo "$name is done"; exit 0; }
# A minute before the end Slurm sends SIGTERM, upon which rhm writes a checkpoint. Placement is rhm's own: it keeps to the cores
# that Slurm has given.
exec rhm train --vocab 8 --levels 3 --width 512 --seed "$seed" --samples "$samples" --threads "${SLURM_CPUS_PER_TASK:-1}" --progress off \
    --checkpoint "results/$name.checkpoint" --resume --ceilings off --report "results/$name.json"
