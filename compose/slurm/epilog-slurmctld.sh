#!/bin/sh
# Slurm's EpilogSlurmctld: ends what sessions a job left over, where its SPANK plugin could not release them (a node
# that failed, a step that was killed). docs/machine-room.md says what it needs. It never fails: an ended job is no
# reason to trouble Slurm, and a session that stays is the daemon's watchdog's matter.
set -u
log=${QWATCH_EPILOG_LOG:-/var/log/slurm/qwatch-epilog.log}
[ -n "${SLURM_JOB_ID:-}" ] || exit 0
timeout 20 "${QWATCH:-/opt/qwatch/bin/qwatch}" admin sessions revoke --slurm-job "$SLURM_JOB_ID" \
    --reason "its Slurm job has ended" >>"$log" 2>&1
exit 0
