#!/usr/bin/env bash
# Runs the tests of those packages whose tests start metric servers: those that import
# internal/serverstest, directly or not.
set -euo pipefail
cd "$(dirname "$0")/.."

# go list -test shows the tests of PACKAGE as a program PACKAGE.test.
mapfile -t packages < <(go list -test -f '{{.ImportPath}} {{join .Deps " "}}' ./... |
	awk '$1 ~ /\.test$/ && /\/internal\/serverstest( |$)/ { sub(/\.test$/, "", $1); print $1 }')
exec scripts/test.sh "${packages[@]}"
