#!/bin/bash
# One training on several machines: a rank for each, with 16 cores as threads, that goes on where it was when Slurm starts it again
# after a preemption, or when it is submitted again after the end of its time. `MPI=pmi2 sbatch ranks.sh` for MPICH; options of rhm train behind the name of this script.
#SBATCH --job-name=rhm-ranks
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=32G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@60
set -euo pipefail

# A minute before the end srun's tasks get SIGTERM, upon which rank 0 writes a checkpoint. srun of Slurm 22.05 and later does not
# inherit --cpus-per-task. The directory must be one that all machines see. A single task is no rank, which no other can wait for.
alive=()
[ "${SLURM_NTASKS:-1}" -lt 2 ] || alive=(--rank-timeout 600)
exec srun --mpi="${MPI:-pmix}" --kill-on-bad-exit=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" --cpu-bind=cores rhm train --progress off --checkpoint ranks.checkpoint --resume \
    "${alive[@]}" --report ranks.json -o ranks.h5 "$@"
