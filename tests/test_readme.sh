#!/bin/bash
# test_readme.sh BUILD: the programs in README.md compile as they stand there; the first learns
# and saves what it learnt, the second has learnt to write backwards.
set -euo pipefail
build=$(realpath "$1")
readme=$(dirname "$0")/../README.md
to=$(mktemp -d)
trap 'rm -r "$to"' EXIT

# Program number $2 into file $1.
program() {
    # shellcheck disable=SC2016 # no command, Markdown
    awk -v number="$2" '/^```c$/ { at++; next } /^```$/ { if (at == number) exit }
                        at == number' "$readme" >"$1"
}
program "$to/program.c" 1
program "$to/backwards.c" 2
sanitizers=()
if grep -q 'WEFT_SANITIZE:BOOL=ON' "$build/CMakeCache.txt"; then sanitizers=("-fsanitize=address,undefined"); fi
for name in program backwards; do
    "${CC:-cc}" -std=c11 -Wall "${sanitizers[@]}" -I"$(dirname "$0")/../core" "$to/$name.c" -o "$to/$name" \
        -L"$build" -lweft -Wl,-rpath,"$build"
done
cd "$to"
says=$(./program)
echo "$says"
grep -qE '^digest: [0-9a-f]{16}$' <<<"$says"
awk '/^update/ { if (!first) first = $4; last = $4 } END { exit !(first > 0 && last < first / 4) }' <<<"$says"
[[ -s leaky.weft ]]
[[ $(./backwards) == "5 4 3 2 " ]]
