#!/bin/sh
# Installs the Debian packages that the tests use when root, else says which are missing.
# Services are not started: the tests start what they need on ports of their own.
set -eu

missing=""
need() { # program, package
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"
}
need munged munge
need prometheus prometheus
need promtool prometheus
need prometheus-alertmanager prometheus-alertmanager
need amtool prometheus-alertmanager
need node nodejs
need npm npm
need slurmctld slurmctld
need slurmd slurmd
need squeue slurm-client
need psql postgresql
need chromium chromium
need pdftotext poppler-utils
# What pages are drawn with here: widths of texts are looked at.
[ -e /usr/share/fonts/truetype/liberation ] || missing="$missing fonts-liberation"
need systemd-analyze systemd
missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')
[ -n "${missing% }" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing: $missing"
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    apt-get update -qq
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "some tests will be skipped; for all of them run: sudo apt-get install $missing" >&2
fi
