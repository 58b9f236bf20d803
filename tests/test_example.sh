#!/bin/bash
# test_example.sh BUILD: the page of experiments/example says what its rows say, by the claims
# of today. When they change: build/weft report --out experiments/example
set -euo pipefail
build=$(realpath "$1")
example=$(realpath "$(dirname "$0")/../experiments/example")
command -v gnuplot >/dev/null || { echo "no gnuplot here"; exit 77; }
to=$(mktemp -d)
trap 'rm -r "$to"' EXIT

# Without figures, which a gnuplot of another version draws otherwise, and without the machine.
text() { sed -e '/<svg/,/<\/svg>/d' -e '/id="machine"/,$d' "$1"; }

cp "$example"/*.tsv "$to"
"$build/weft" report --out "$to" >/dev/null
text "$example/index.html" >"$to/committed"
text "$to/index.html" >"$to/computed"
diff "$to/committed" "$to/computed"
[[ $(wc -l <"$to/computed") -gt 500 ]]
for figure in "$to"/*.svg; do [[ -s $example/${figure##*/} ]]; done
