#!/usr/bin/env bash
# Installs from the system's packages what the tests need beside Go:
#
#   ip         network namespaces: two hosts on one machine
#   iptables   packet loss between them
#   cc         the race detector
#
# Does nothing, without touching the network, when all of it is there. What it cannot install it
# names, together with the tests that are skipped for it, and still succeeds.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

have_cc() {
	"$(go env CC)" -x c - -o /dev/null <<<'#include <stdlib.h>
int main(void) { return 0; }' 2>/dev/null
}

# missing prints those of ip, iptables and cc that are not there, one per line.
missing() {
	if [[ $(uname -s) == Linux ]]; then
		command -v ip >/dev/null || echo ip
		command -v iptables >/dev/null && command -v ip6tables >/dev/null || echo iptables
	fi
	have_cc || echo cc
}

# install TOOL... installs the packages that hold these tools.
install() {
	local -A packages
	local update add
	if command -v apt-get >/dev/null; then
		packages=([ip]=iproute2 [iptables]=iptables [cc]="gcc libc6-dev")
		update="apt-get update -q"
		add="env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends"
	elif command -v dnf >/dev/null; then
		packages=([ip]=iproute [iptables]=iptables-nft [cc]="gcc glibc-devel")
		update=true
		add="dnf install -qy"
	elif command -v apk >/dev/null; then
		packages=([ip]=iproute2 [iptables]=iptables [cc]="gcc musl-dev")
		update=true
		add="apk add --no-cache"
	else
		echo "install-test-deps: no apt-get, dnf or apk here" >&2
		return
	fi
	local names=()
	for tool in "$@"; do
		read -ra words <<<"${packages[$tool]}"
		names+=("${words[@]}")
	done
	echo "install-test-deps: installing ${names[*]}" >&2
	# What did not work shows in what is still missing afterwards.
	$update >&2 || true
	$add "${names[@]}" >&2 || true
}

mapfile -t tools < <(missing)
((${#tools[@]})) || exit 0
if ((EUID == 0)); then
	install "${tools[@]}"
	mapfile -t tools < <(missing)
else
	echo "install-test-deps: not root, so nothing is installed" >&2
fi

for tool in "${tools[@]}"; do
	case $tool in
	ip) echo "missing: ip (iproute2). The tests in network namespaces are skipped." ;;
	iptables) echo "missing: iptables, ip6tables. The tests with injected packet loss are skipped." ;;
	cc) echo "missing: a C compiler. The tests run without the race detector." ;;
	esac >&2
done
