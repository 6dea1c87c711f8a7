#!/bin/sh
# Usage: suite.sh DECODER FOLDER. Runs toml-test's own runner, with the cases that are built into it, over the decoder.
# The runner is fetched once, at a pinned version, through the Go proxy; FOLDER keeps it. Without go or the proxy the
# test is skipped (status 77).
set -u
module=github.com/toml-lang/toml-test/v2/cmd/toml-test
version=v2.2.0
runner=$2/toml-test-$version

if [ ! -x "$runner" ]; then
	if ! command -v go >/dev/null; then
		echo "SKIPPED: go is not installed (golang-go)"
		exit 77
	fi
	mkdir -p "$2" || exit 1
	if ! GOBIN=$2 go install "$module@$version" >"$2/log" 2>&1; then
		cat "$2/log"
		echo "SKIPPED: $module@$version cannot be had"
		exit 77
	fi
	mv "$2/toml-test" "$runner" || exit 1
fi
exec "$runner" test -toml=1.0 -color=never -timeout=30s -decoder="$1"
