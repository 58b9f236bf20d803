#!/bin/bash
# test_readme.sh BUILD: the program in README.md compiles as it stands there, learns and
# saves what it learnt.
set -euo pipefail
build=$(realpath "$1")
readme=$(dirname "$0")/../README.md
to=$(mktemp -d)
trap 'rm -r "$to"' EXIT

# shellcheck disable=SC2016 # no command, Markdown
sed -n '/^```c$/,/^```$/{/^```/!p}' "$readme" >"$to/program.c"
sanitizers=()
if grep -q 'WEFT_SANITIZE:BOOL=ON' "$build/CMakeCache.txt"; then sanitizers=("-fsanitize=address,undefined"); fi
"${CC:-cc}" -std=c11 -Wall "${sanitizers[@]}" -I"$(dirname "$0")/../core" "$to/program.c" -o "$to/program" \
    -L"$build" -lweft -Wl,-rpath,"$build"
cd "$to"
says=$(./program)
echo "$says"
grep -qE '^digest: [0-9a-f]{16}$' <<<"$says"
awk '/^update/ { if (!first) first = $4; last = $4 } END { exit !(first > 0 && last < first / 4) }' <<<"$says"
[[ -s leaky.weft ]]
