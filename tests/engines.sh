#!/bin/sh
# Builds, where Go is, the two programs that no Debian package brings: the Collector, by its official builder from
# compose/collector/builder.yaml, and docker compose, which checks the compose file. Into build/engines; tests that
# need them are skipped otherwise.
set -eu

out=build/engines
builder=v0.160.0
compose=v2.40.3
mkdir -p "$out"
if ! command -v go >/dev/null 2>&1; then
    echo "no Go: the tests of the Collector and of the compose file are skipped where neither is installed" >&2
    for program in otelcol docker-compose; do
        [ -e "$out/$program" ] || echo "Go is not installed" >"$out/$program.failed"
    done
    exit 0
fi
export GOFLAGS=-buildvcs=false GOBIN="$PWD/$out"

stamped=""

failed() { # program: the tests that need it are skipped with the reason
    tail -n 5 "$out/go.log" | tee "$out/$1.failed" >&2
    echo "$1 could not be built; its tests are skipped" >&2
}

stamp="$out/otelcol.$(cksum <compose/collector/builder.yaml | cut -d' ' -f1)"
if [ ! -e "$stamp" ]; then
    echo "building the Collector …"
    go install "go.opentelemetry.io/collector/cmd/builder@$builder" 2>"$out/go.log" &&
        "$out/builder" --config compose/collector/builder.yaml >>"$out/go.log" 2>&1 &&
        mv build/otelcol/otelcol "$out/otelcol" && stamped=yes || failed otelcol
    rm -rf build/otelcol "$out/builder" "$out"/otelcol.[0-9]*
    [ -z "$stamped" ] || { rm -f "$out/otelcol.failed"; touch "$stamp"; }
fi

stamp="$out/docker-compose.$compose"
if [ ! -e "$stamp" ] && ! docker compose version >/dev/null 2>&1; then
    echo "building docker compose …"
    source=$(mktemp -d)
    trap 'chmod -R u+w "$source"; rm -rf "$source"' EXIT
    # Not `go install`: its module has replacements, which only a main module may have.
    folder=$(go mod download -json "github.com/docker/compose/v2@$compose" 2>"$out/go.log" | sed -n 's/.*"Dir": "\(.*\)",*/\1/p')
    [ -z "$folder" ] || { cp -R "$folder/." "$source" && chmod -R u+w "$source"; }
    target="$PWD/$out/docker-compose"
    (cd "$source" && go build -o "$target" ./cmd) 2>>"$out/go.log" &&
        { rm -f "$out/docker-compose.failed"; touch "$stamp"; } || failed docker-compose
fi
