#!/usr/bin/env bash
# Runs every fuzz target of the given packages (all) for the given time (10s):
# scripts/fuzz.sh [TIME [PACKAGE...]]
set -euo pipefail
cd "$(dirname "$0")/.."

fuzztime=${1:-10s}
shift || true

# go test -list prints the targets of a package, then the package: "ok <tab> PACKAGE <tab> TIME".
go test -list '^Fuzz' "${@:-./...}" |
	awk '/^Fuzz/ { names[++n] = $1 }
		$1 == "ok" { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }' |
	while read -r package name; do
		go test -run '^$' -fuzz "^$name\$" -fuzztime "$fuzztime" "$package"
	done
