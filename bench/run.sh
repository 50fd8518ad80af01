#!/bin/sh
# The keep-alive benchmark of the first Monoceros: 100 and 1,000 connections with 250 requests each, on
# 15 workers, in one run and on one machine: both doors, and Starlet if it is installed. Needs `make stage`.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}/release
dist=dist/Plack-Handler-Monoceros/blib
app=tests/apps/seed.psgi
common='-E production --max-workers=15 --max-reqs-per-child=50000'
server=

stop() { [ -z "$server" ] || { kill -TERM "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; server=; }; }
trap stop EXIT INT TERM

# measure NAME PORT: waits until somebody listens, then runs the client.
measure() {
    tries=0
    until perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new("127.0.0.1:$ARGV[0]")' "$2"; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { echo "$1 does not listen" >&2; exit 1; }
        sleep 0.1
    done
    for connections in 100 1000; do
        printf '%-22s %5d connections: ' "$1" "$connections"
        "$target/monoceros-bench" keepalive --connections "$connections" "127.0.0.1:$2"
    done
    stop
}

# shellcheck disable=SC2086 # the options are several words
"$target/monoceros" $common --listen 127.0.0.1:5901 "$app" 2>/dev/null &
server=$!
measure 'monoceros' 5901

# shellcheck disable=SC2086
PERL5LIB="$dist/lib:$dist/arch" plackup -s Monoceros $common --listen 127.0.0.1:5902 -a "$app" 2>/dev/null &
server=$!
measure 'plackup -s Monoceros' 5902

if perl -MPlack::Handler::Starlet -e1 2>/dev/null; then
    # shellcheck disable=SC2086
    plackup -s Starlet $common --host 127.0.0.1 --port 5903 --max-keepalive-reqs=50000 -a "$app" 2>/dev/null &
    server=$!
    measure 'plackup -s Starlet' 5903
else
    echo 'Starlet is not installed: left out'
fi
