#!/usr/bin/env bash
# Everything that must hold before a commit. Stops at the first step that fails.
# The repository's own rules (internal/repolint) are among the tests.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { echo "== $*" >&2; }

step gofmt
unformatted=$(gofmt -l .)
if [[ -n $unformatted ]]; then
	printf 'not formatted:\n%s\n' "$unformatted" >&2
	exit 1
fi

step go mod tidy -diff
go mod tidy -diff

step go vet
go vet ./...

step staticcheck
go tool staticcheck ./...

step tests
scripts/test.sh

step cross-compilation
scripts/cross.sh
