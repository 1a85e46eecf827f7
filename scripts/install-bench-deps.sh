#!/usr/bin/env bash
# Installs from Debian's packages the programs that the benchmarks compare with, beside what the tests need:
#
#   cyclictest             the kernel's own wake-ups (rt-tests)
#   irtt, sockperf, fping  other tools that measure a round trip
#
# Does nothing, without touching the network, when all of it is there. What it cannot install it names,
# together with what is not measured for it, and still succeeds.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

missing() {
	for tool in cyclictest irtt sockperf fping; do
		command -v "$tool" >/dev/null || echo "$tool"
	done
}

install() {
	if ! command -v apt-get >/dev/null; then
		echo "install-bench-deps: no apt-get here" >&2
		return
	fi
	local names=("${@/cyclictest/rt-tests}")
	echo "install-bench-deps: installing ${names[*]}" >&2
	# What did not work shows in what is still missing afterwards.
	apt-get update -q >&2 || true
	DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${names[@]}" >&2 || true
	# The package starts a server that listens on all addresses. The benchmarks start their own.
	if [[ " $* " == *" irtt "* && -d /run/systemd/system ]]; then
		systemctl disable --now irtt.service >&2 || true
	fi
}

scripts/install-test-deps.sh

mapfile -t tools < <(missing)
((${#tools[@]})) || exit 0
if ((EUID == 0)); then
	install "${tools[@]}"
	mapfile -t tools < <(missing)
else
	echo "install-bench-deps: not root, so nothing is installed" >&2
fi

for tool in "${tools[@]}"; do
	case $tool in
	cyclictest) echo "missing: cyclictest (rt-tests). How late the kernel itself is stays unknown." ;;
	*) echo "missing: $tool. Our round trips are not compared with its." ;;
	esac >&2
done
