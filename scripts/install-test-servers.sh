#!/usr/bin/env bash
# Installs the metric servers that some tests start (internal/serverstest), in fixed versions:
#
#   apt-get   clickhouse-server, prometheus, prometheus-pushgateway and python3-zmq, as root; nodejs
#             and npm, too, where there are none
#   npm       the engine of today's ClickHouse    internal/serverstest/testdata/chdb
#   go        VictoriaMetrics                     internal/serverstest/testdata/victoriametrics
#
# What comes by npm and go is put into the folder LM_TEST_SERVERS, by default latency-monitor/servers
# in the user's cache folder, and needs no root. None of the packages' servers is started, now or when
# the machine starts.
#
# Does nothing, without touching the network, when all of it is there. What it cannot install it
# names, together with the tests that are skipped for it, and still succeeds; with LM_CI=1 it fails.
set -euo pipefail
cd "$(dirname "$0")/../internal/serverstest/testdata"
PATH=$PATH:/usr/sbin:/sbin

folder=${LM_TEST_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/latency-monitor/servers}
policy=/usr/sbin/policy-rc.d
declare -A packages=(
	[clickhouse-server]="clickhouse-server=18.16.*"
	[prometheus]="prometheus=2.42.*"
	[prometheus-pushgateway]="prometheus-pushgateway=1.5.*"
	[python3-zmq]="python3-zmq=24.0.*"
	[node]=nodejs # which version runs the engine does not matter
	[npm]=npm
)

say() { echo "install-test-servers: $*" >&2; }

victoria_metrics_version() { awk '$1 == "github.com/VictoriaMetrics/VictoriaMetrics" { print $2 }' victoriametrics/go.mod; }

# have THING succeeds if it is there, in the same words as internal/serverstest.
have() {
	case $1 in
	clickhouse-server) [[ -x /usr/sbin/clickhouse-server ]] ;; # /usr/bin is where younger ones are
	python3-zmq) /usr/bin/python3 -c 'import zmq' || python3 -c 'import zmq' ;;
	chdb) cmp -s chdb/package-lock.json "$folder/chdb/package-lock.json" ;;
	victoria-metrics)
		go version -m "$folder/victoria-metrics" | grep -qF "VictoriaMetrics/VictoriaMetrics	$(victoria_metrics_version)"
		;;
	npm) have chdb || command -v npm ;; # there is no other use for it
	*) command -v "$1" ;;
	esac >/dev/null 2>&1
}

missing() {
	for thing in "$@"; do
		have "$thing" || echo "$thing"
	done
}

# forbid_services makes packages that are being installed start nothing (invoke-rc.d(8)), until this
# script ends.
forbid_services() {
	local answer=0
	if [[ -e $policy ]]; then
		"$policy" clickhouse-server start >/dev/null 2>&1 || answer=$?
		((answer == 101)) && return
		say "$policy lets packages start their servers, so no packages are installed"
		return 1
	fi
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\n# While %s runs.\nexit 101\n' "$0" >"$policy"
	chmod 755 "$policy"
}

# install_packages THING... installs one package after another: what a system has not leaves the
# others alone. What did not work shows in what is still missing afterwards.
install_packages() {
	if ((EUID != 0)); then
		say "not root, so no packages are installed"
		return
	elif ! command -v apt-get >/dev/null; then
		say "no apt-get here, so no packages are installed"
		return
	fi
	forbid_services || return 0
	apt-get update -q >&2 || true
	for thing in "$@"; do
		say "installing ${packages[$thing]}"
		DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${packages[$thing]}" >&2 || continue
		case $thing in
		clickhouse-server | prometheus | prometheus-pushgateway) update-rc.d "$thing" disable >&2 || true ;;
		esac
	done
}

# install_chdb and install_victoria_metrics put a whole thing in its place, or nothing.
install_chdb() {
	say "installing the engine of ClickHouse, 570 MB when unpacked, with npm"
	cp chdb/package.json chdb/package-lock.json "$new"
	(cd "$new" && npm ci --ignore-scripts --no-audit --no-fund >&2) || return 0
	rm -rf "$folder/chdb"
	mv "$new" "$folder/chdb"
}

install_victoria_metrics() {
	say "building VictoriaMetrics $(victoria_metrics_version)"
	CGO_ENABLED=0 GOWORK=off go build -C victoriametrics -trimpath -ldflags='-s -w' -o "$new/victoria-metrics" tool >&2 || return 0
	mv "$new/victoria-metrics" "$folder"
}

if [[ $(uname -s) != Linux ]]; then
	say "the tests that need servers run on Linux only"
	exit 0
fi

if [[ $folder != /* ]]; then
	say "LM_TEST_SERVERS=$folder is not an absolute path"
	exit 2
fi

things=(clickhouse-server prometheus prometheus-pushgateway python3-zmq node npm chdb victoria-metrics)
mapfile -t absent < <(missing "${things[@]}")
((${#absent[@]})) || exit 0

mapfile -t wanted < <(missing "${!packages[@]}")
((${#wanted[@]} == 0)) || install_packages "${wanted[@]}"
mkdir -p "$folder"
if ! have chdb && have node && have npm; then
	new=$(mktemp -d "$folder/new.XXXXXX")
	install_chdb
	rm -rf "$new"
fi
if ! have victoria-metrics; then
	new=$(mktemp -d "$folder/new.XXXXXX")
	install_victoria_metrics
	rm -rf "$new"
fi

mapfile -t absent < <(missing "${things[@]}")
for thing in "${absent[@]}"; do
	case $thing in
	clickhouse-server) echo "missing: clickhouse-server 18.16. The tests against an old ClickHouse are skipped." ;;
	prometheus) echo "missing: prometheus. The tests that have Prometheus scrape are skipped." ;;
	prometheus-pushgateway) echo "missing: prometheus-pushgateway. The tests that push to one are skipped." ;;
	python3-zmq) echo "missing: python3-zmq. The tests with subscribers of libzmq are skipped." ;;
	node) echo "missing: node (nodejs). The tests against today's ClickHouse are skipped." ;;
	npm) echo "missing: npm, to install the engine of ClickHouse." ;;
	chdb) echo "missing: @chdb/lib-linux-x64-gnu (npm). The tests against today's ClickHouse are skipped." ;;
	victoria-metrics) echo "missing: VictoriaMetrics. The tests that send to Datadog's API are skipped." ;;
	esac >&2
done
((${#absent[@]} == 0)) || [[ ${LM_CI:-} != 1 ]]
