#!/bin/sh
# Installs qwatch from this folder into one of its own, with no network: sh install.sh FOLDER [PYTHON]
set -eu
case ${1:-} in /*) ;; *) echo "usage: sh install.sh FOLDER [PYTHON], for example: sh install.sh /opt/qwatch-@VERSION@" >&2; exit 2 ;; esac
target=$1
python=${2:-python@PYTHON@}
cd "$(dirname "$0")"
sha256sum --check --quiet SHA256SUMS
[ "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = "@PYTHON@" ] || {
    echo "these wheels are for Python @PYTHON@, and $python is another; name it: sh install.sh $target PYTHON" >&2
    exit 1
}
"$python" -c 'import sqlite3, sys; sys.exit(sqlite3.sqlite_version_info < (3, 35))' ||
    echo "warning: this Python's SQLite is older than 3.35; a daemon with it needs its store on PostgreSQL" >&2
umask 022
"$python" -m venv --without-pip "$target"
set -- wheels/pip-*.whl # runs from its wheel: not every Python has ensurepip
"$target/bin/python" "$1/pip" install --quiet --no-index --find-links wheels --no-cache-dir \
    --upgrade "@REQUIREMENT@" pip
"$target/bin/qwatch" --version
