#!/usr/bin/env bash
# Runs the tests of those packages whose tests start metric servers: those that import
# internal/serverstest, directly or not. And the test of Datadog's requests against its own client, a
# module of its own, since that takes 2 minutes to compile.
set -euo pipefail
cd "$(dirname "$0")/.."

(cd internal/exporter/datadog/testdata/official && go test ./...)

# go list -test shows the tests of PACKAGE as a program PACKAGE.test.
mapfile -t packages < <(go list -test -f '{{.ImportPath}} {{join .Deps " "}}' ./... |
	awk '$1 ~ /\.test$/ && /\/internal\/serverstest( |$)/ { sub(/\.test$/, "", $1); print $1 }')
exec scripts/test.sh "${packages[@]}"
