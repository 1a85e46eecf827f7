#!/usr/bin/env bash
# Runs the benchmarks whose results bench/README.md shows and writes them there, with the facts of this
# machine. SLOTS=20000 is how many slots of each kind are measured.
set -euo pipefail
cd "$(dirname "$0")/.."

facts() {
	echo "commit $(git describe --always --dirty --exclude '*'), $(go version | cut -d' ' -f3,4), $(date -u +%F)"
	echo "kernel $(uname -sr), $(nproc) CPUs: $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n1), \
governor $(cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 2>/dev/null || echo unknown)"
	echo "load before the run $(cut -d' ' -f1-3 /proc/loadavg)"
}

# table turns the output of go test -bench into rows: one for each value, one column for each benchmark.
table() {
	awk '/^Benchmark/ {
		sub(/-[0-9]+$/, "", $1); names[++n] = $1
		for (i = 3; i < NF; i += 2) {
			if (!($(i + 1) in seen)) { seen[$(i + 1)] = 1; units[++m] = $(i + 1) }
			value[$(i + 1), n] = $i
		}
	}
	END {
		printf "| |"; for (j = 1; j <= n; j++) { sub(/^[^\/]*\//, "", names[j]); printf " %s |", names[j] }
		printf "\n| --- |"; for (j = 1; j <= n; j++) printf " --- |"
		print ""
		for (i = 1; i <= m; i++) if (units[i] != "ns/op") {
			printf "| %s |", units[i]; for (j = 1; j <= n; j++) printf " %s |", value[units[i], j]; print ""
		}
	}'
}

# record NAME puts its standard input between the marks of that name.
record() {
	local text
	text=$(mktemp)
	cat >"$text"
	awk -v begin="<!-- begin $1 -->" -v end="<!-- end $1 -->" -v text="$text" '
		$0 == end { skip = 0 }
		!skip { print }
		$0 == begin { skip = 1; print ""; while ((getline line < text) > 0) print line; print "" }
	' bench/README.md >"$text.new"
	cat "$text.new" >bench/README.md
	rm -f "$text" "$text.new"
}

machine=$(facts)
results=$(go test -run '^$' -bench '^BenchmarkIsolation$' -benchtime "${SLOTS:-20000}x" ./bench) || {
	echo "$results" >&2
	exit 1
}
echo "$results"
{
	table <<<"$results"
	echo
	echo '```'
	echo "$machine"
	echo '```'
} | record isolation
