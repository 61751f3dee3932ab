#!/bin/sh
# Slurm's EpilogSlurmctld: ends the sessions that a job left over, where its SPANK plugin could not release them (a
# node that failed, a step that was killed). docs/machine-room.md says what it needs. It never fails: an ended job is
# no reason to trouble Slurm, and a session that stays is ended by the daemon's watchdog.
set -u
# Slurm starts it without one.
PATH=${PATH:-/usr/bin:/bin}
export PATH
# Lines such as QWATCH_QPU=FRESNEL, where qrmi_config.json names several.
settings=${QWATCH_EPILOG_SETTINGS:-/etc/slurm/qwatch-epilog.conf}
if [ -r "$settings" ]; then
    set -a
    # shellcheck disable=SC1090
    . "$settings"
    set +a
fi
[ -n "${SLURM_JOB_ID:-}" ] || exit 0
timeout 20 "${QWATCH:-/opt/qwatch/bin/qwatch}" admin sessions revoke --slurm-job "$SLURM_JOB_ID" \
    --reason "its Slurm job has ended" >>"${QWATCH_EPILOG_LOG:-/var/log/slurm/qwatch-epilog.log}" 2>&1
exit 0
