#!/bin/sh
# Builds, where Go is, the two programs that no Debian package brings: the Collector, by its official builder from
# compose/collector/builder.yaml, and docker compose, which checks the compose file. Into build/engines; tests that
# need them are skipped otherwise.
set -eu

out=build/engines
builder=v0.160.0
compose=v2.40.3
mkdir -p "$out"
command -v go >/dev/null 2>&1 || { echo "no Go: the tests of the Collector and of the compose file may be skipped" >&2; exit 0; }
export GOFLAGS=-buildvcs=false GOBIN="$PWD/$out"

stamp="$out/otelcol.$(cksum <compose/collector/builder.yaml | cut -d' ' -f1)"
if [ ! -e "$stamp" ]; then
    echo "building the Collector …"
    go install "go.opentelemetry.io/collector/cmd/builder@$builder" 2>"$out/go.log" &&
        "$out/builder" --config compose/collector/builder.yaml >>"$out/go.log" 2>&1 &&
        mv build/otelcol/otelcol "$out/otelcol" || { tail -n 5 "$out/go.log" >&2; exit 1; }
    rm -rf build/otelcol "$out/builder" "$out"/otelcol.*
    touch "$stamp"
fi

stamp="$out/docker-compose.$compose"
if [ ! -e "$stamp" ] && ! docker compose version >/dev/null 2>&1; then
    echo "building docker compose …"
    source=$(mktemp -d)
    trap 'chmod -R u+w "$source"; rm -rf "$source"' EXIT
    # Not `go install`: its module has replacements, which only a main module may have.
    folder=$(go mod download -json "github.com/docker/compose/v2@$compose" 2>"$out/go.log" | sed -n 's/.*"Dir": "\(.*\)",*/\1/p')
    cp -R "$folder/." "$source" && chmod -R u+w "$source"
    target="$PWD/$out/docker-compose"
    (cd "$source" && go build -o "$target" ./cmd) 2>>"$out/go.log" || { tail -n 5 "$out/go.log" >&2; exit 1; }
    touch "$stamp"
fi
