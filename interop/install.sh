#!/bin/bash
# Installs what the interop tests need: Apache ZooKeeper's Java server and tools, its C client, kazoo,
# node-zookeeper-client, and Apache Curator with a JDK that runs the test's Java source. It may be run again at any
# time, says what it could not install, and always exits 0: the tests skip what is missing (or fail, with
# QUOKKA_INTEROP=require).
set -u
cd "$(dirname "$0")" || exit 0

packages="zookeeper zookeeper-bin libzookeeper-mt-dev python3-kazoo gcc libc6-dev default-jre-headless
	libcurator-client-java libcurator-framework-java libcurator-recipes-java libcurator-discovery-java
	libjackson2-core-java libjackson2-databind-java libjackson2-annotations-java libguava-java libslf4j-java"

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | cut -c1-2)" = "ii" ]
}

missing=""
for p in $packages; do
	installed "$p" || missing="$missing $p"
done
# Any JDK will do.
java --list-modules 2>/dev/null | grep -q '^jdk\.compiler@' || missing="$missing default-jdk-headless"
for program in node npm; do
	command -v "$program" >/dev/null || missing="$missing ${program/#node/nodejs}"
done

if [ -z "$missing" ]; then
	echo "interop: all Debian packages are installed"
elif [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "interop: cannot install$missing: that takes root and apt-get"
else
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq || echo "interop: apt-get update failed; trying with the lists at hand"
	for p in $missing; do
		apt-get install -y -qq --no-install-recommends "$p" >/dev/null || echo "interop: could not install $p"
	done
fi

# The same directory that nodeModules in clients_test.go looks for.
if command -v npm >/dev/null && command -v sha256sum >/dev/null; then
	sum=$(sha256sum testdata/node/package-lock.json | cut -c1-16)
	dir="${XDG_CACHE_HOME:-$HOME/.cache}/quokka-interop/node-$sum"
	if [ -e "$dir/node_modules/node-zookeeper-client/package.json" ]; then
		echo "interop: node-zookeeper-client is installed in $dir"
	else
		mkdir -p "$dir" && cp testdata/node/package.json testdata/node/package-lock.json "$dir"
		if (cd "$dir" && npm ci --no-audit --no-fund --silent); then
			echo "interop: installed node-zookeeper-client in $dir"
		else
			echo "interop: could not install node-zookeeper-client (npm needs its registry)"
		fi
	fi
fi
exit 0
