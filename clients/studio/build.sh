#!/bin/sh
# Builds dist/: installs what the lock files name where that is missing or older, then bundles.
set -eu
cd "$(dirname "$0")"

for folder in ../typescript .; do
	if [ ! -e "$folder/node_modules/.package-lock.json" ] ||
		[ "$folder/package-lock.json" -nt "$folder/node_modules/.package-lock.json" ]; then
		../node.sh npm --prefix "$folder" ci --silent --no-fund --no-audit
		touch "$folder/node_modules/.package-lock.json"
	fi
done
../node.sh npm run --silent build
