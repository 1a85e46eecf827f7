#!/usr/bin/env bash
# Runs the tests of the given packages (all, without arguments), under the race detector where
# there is one. With LM_CI=1 a missing race detector and a skipped test are failures.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

flags=()
if CGO_ENABLED=1 go build -race -o /dev/null runtime/cgo 2>/dev/null; then
	export CGO_ENABLED=1
	flags+=(-race)
elif [[ ${LM_CI:-} == 1 ]]; then
	echo "test.sh: the race detector does not work here" >&2
	exit 1
else
	echo "test.sh: no race detector here (it needs a C compiler); running without it" >&2
fi
[[ ${LM_CI:-} == 1 ]] && flags+=(-strict)

go build -buildvcs=false -o dist/runtests ./scripts/runtests
exec dist/runtests "${flags[@]}" "${@:-./...}"
