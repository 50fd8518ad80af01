#!/bin/sh
# Builds the targets of fuzzing and runs each for so many seconds: run.sh SECONDS [TARGET...]
#
# Any stable toolchain will do: rustc has the instrumentation, and libfuzzer-sys brings libFuzzer (C++). What
# was found worth keeping stays in target/fuzz/corpus, so that a later run begins where this one ended.
set -eu
cd "$(dirname "$0")/../../.."

seconds=${1:-600}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- head framing chunked message

out=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
coverage=-Cpasses=sancov-module
for option in level=4 inline-8bit-counters pc-table trace-compares; do
  coverage="$coverage -Cllvm-args=-sanitizer-coverage-$option"
done

# With --target the flags are kept from build scripts.
RUSTFLAGS="$coverage --cfg fuzzing" cargo build --release --locked --target "$host" --target-dir "$out" \
  --manifest-path crates/server/fuzz/Cargo.toml
mkdir -p "$out/crashes"
rustc --edition 2024 -Adead_code -o "$out/write-seeds" crates/server/fuzz/src/seeds.rs
"$out/write-seeds" "$out/seeds"

for target; do
  case $target in
    message) seeds=messages ;;
    chunked) seeds=bodies ;;
    *) seeds=requests ;;
  esac
  mkdir -p "$out/corpus/$target"
  if ! "$out/$host/release/$target" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=1024 \
    -verbosity=0 -print_final_stats=1 -artifact_prefix="$out/crashes/$target-" \
    "$out/corpus/$target" "$out/seeds/$seeds" >"$out/$target.log" 2>&1; then
    cat "$out/$target.log"
    echo "fuzzing of $target has found a fault: run $out/$host/release/$target with the file named above" >&2
    exit 1
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target.log")
  echo "fuzzing of $target: $runs inputs in $seconds s, no fault"
done
