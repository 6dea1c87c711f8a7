#!/bin/sh
# Usage: vectors.sh TOML-VECTORS FOLDER. Runs the published cases in UNI_VECTORS, or in FOLDER.
set -u
exec "$1" "${UNI_VECTORS:-$2}/toml-test"
