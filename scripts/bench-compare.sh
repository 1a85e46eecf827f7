#!/usr/bin/env bash
# Runs the benchmarks of bench/ beside what they compare with, keeps what they print in bench/results.txt,
# and makes the tables of bench/README.md from that:
#
#   COUNT=5 SPAN=3s SOAK=2m scripts/bench-compare.sh [BENCHMARK...]
#
# Each benchmark runs COUNT times, and measures each thing for SPAN at a time. Those that no target is set on, and take
# minutes, run once; the soak for SOAK.
# With names of benchmarks it runs these alone, and the tables say that the others were not measured. One
# that fails does not stop the others, but this program fails in the end. Wants root (network namespaces,
# realtime priorities) and an idle machine. REFERENCE_DIR is a checkout of the reference implementation.
set -euo pipefail
cd "$(dirname "$0")/.."
trap 'exit 130' INT

count=${COUNT:-5} span=${SPAN:-3s} soak=${SOAK:-2m}
results=dist/results.txt # those of the last run stay in bench/ until this one is over

# facts prints what is to know about this machine and this run, one "# key: value" per line.
facts() {
	echo "# commit: $(git describe --always --dirty --exclude '*')"
	echo "# go: $(go version | cut -d' ' -f3,4)"
	echo "# date: $(date -u +%F)"
	echo "# kernel: $(uname -sr)"
	echo "# cpu: $(nproc) x $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n1)"
	echo "# governor: $(cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 2>/dev/null || echo unknown)"
	echo "# load before: $(cut -d' ' -f1-3 /proc/loadavg)"
	echo "# root: $( ((EUID)) && echo no || echo yes)"
	echo "# beside: $(peers)"
	echo "# runs: $count"
	echo "# span: $span"
	echo "# soak: $soak"
}

# peers prints the versions of what the benchmarks compare with.
peers() {
	local all=()
	if command -v dpkg-query >/dev/null; then
		mapfile -t all < <(dpkg-query -W -f '${Package} ${Version}\n' rt-tests irtt sockperf fping 2>/dev/null)
	fi
	all+=("$(cc --version 2>/dev/null | sed -n 1p || echo no cc)")
	if [[ -n ${REFERENCE_DIR:-} ]]; then
		all+=("reference $(git -C "$REFERENCE_DIR" describe --always || echo of an unknown commit)")
	fi
	local IFS=';'
	echo "${all[*]}" | sed 's/;/; /g'
}

# measure BENCHMARK appends to the results what it prints. -v, since only then reasons of skips are printed.
measure() {
	local runs=$count flags=(-span "$span" -soak "$soak")
	if [[ $1 == BenchmarkSoak || $1 == BenchmarkScale ]]; then
		runs=1
	fi
	echo "== $1" >&2
	go test -run '^$' -bench "^$1\$" -v -count "$runs" -timeout 0 ./bench "${flags[@]}" | tee -a "$results"
}

scripts/install-bench-deps.sh
go build -buildvcs=false -o dist/benchtable ./scripts/benchtable
benchmarks=("$@")
if ((!$#)); then
	listed=$(go test -list '^Benchmark' ./bench)
	mapfile -t benchmarks < <(grep '^Benchmark' <<<"$listed")
fi

machine=$(facts)
echo "$machine" >"$results"
failed=()
for benchmark in "${benchmarks[@]}"; do
	measure "$benchmark" || failed+=("$benchmark")
done
dist/benchtable "$results" bench/README.md
cp "$results" bench/results.txt
if ((${#failed[@]})); then
	echo "bench-compare: failed: ${failed[*]}" >&2
	exit 1
fi
