#!/bin/sh
# Runs one fuzzer over its corpus and then over new inputs for some seconds: fuzz.sh PROGRAM NAME SECONDS SEED
# An input that fails is kept in build/fuzz/findings.
set -eu
program=$(realpath "$1")
name=$2
cd "$(dirname "$0")/.."
findings=build/fuzz/findings
grown=build/fuzz/corpus/$name
mkdir -p "$findings" "$grown"
corpus=test/corpus/$name
[ -d "$corpus" ] || {
    echo "fuzz: $corpus is missing: every fuzzer starts from a small corpus" >&2
    exit 1
}
exec env ASAN_OPTIONS="${ASAN_OPTIONS:-allocator_may_return_null=1:detect_leaks=1}" "$program" \
    -seed="$4" -max_total_time="$3" -timeout=20 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$findings/$name-" "$grown" "$corpus"
