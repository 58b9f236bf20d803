#!/bin/bash
# test_install.sh BUILD: what `cmake --install` puts somewhere can be used from there, and
# the library shows the names of weft.h and no others.
set -euo pipefail
export LC_ALL=C
build=$(realpath "$1")
to=$(mktemp -d)
trap 'rm -r "$to"' EXIT
fail() {
    echo "test_install: $*" >&2
    exit 1
}

cmake --install "$build" --prefix "$to" >/dev/null
header=$(find "$to" -name weft.h) library=$(find "$to" -name libweft.so)
pc=$(find "$to" -name weft.pc) page=$(find "$to" -name weft.1)
[[ $header && $library && $pc && $page ]] || fail "something is missing: $(find "$to" -type f)"

# Names: those of the header, all of them, and nothing else.
nm -D --defined-only "$library" | awk '{print $NF}' | sort >"$to/defined"
sed -n '/^WEFT_API/,/;/p' "$header" | grep -oE '\bweft_[a-z0-9_]+ ?\(' | tr -d ' (' | sort -u >"$to/declared"
[[ -s $to/declared ]] || fail "no function found in weft.h"
diff "$to/declared" "$to/defined" >"$to/difference" ||
    fail "declared in weft.h (<) and visible in the library (>) differ: $(cat "$to/difference")"

# A program, in C and (where there is a compiler) in C++.
cat >"$to/program.c" <<'END'
#include <weft.h>
int main(void)
{
    WeftTeam *team;
    WeftError err;
    if (!weft_team_open(1, &team, &err)) return puts(err.text), 1;
    printf("%s %d %s\n", weft_version(), weft_team_threads(team), weft_isa());
    weft_team_close(team);
    return 0;
}
END
export PKG_CONFIG_PATH=${pc%/*}
version=$(pkg-config --modversion weft)
sanitizers=()
if grep -q 'WEFT_SANITIZE:BOOL=ON' "$build/CMakeCache.txt"; then sanitizers=("-fsanitize=address,undefined"); fi
for compiler in "${CC:-cc}" c++; do
    command -v "$compiler" >/dev/null || continue
    language=c
    if [[ $compiler == c++ ]]; then language=c++; fi
    # shellcheck disable=SC2046 # flags are apart
    "$compiler" -x $language -Wall -Wextra -Werror "${sanitizers[@]}" "$to/program.c" -o "$to/program" \
        $(pkg-config --cflags --libs weft) -Wl,-rpath,"${library%/*}"
    says=$("$to/program")
    [[ $says == "$version 1 "* ]] || fail "the $language program says '$says'"
done

# The command finds its library, and the page is correct roff.
if [[ -e $to/bin/weft ]]; then
    [[ $("$to/bin/weft" --version) == "weft $version" ]] || fail "weft --version"
fi
if command -v groff >/dev/null; then
    warnings=$(groff -man -ww -z -Tutf8 "$page" 2>&1)
    [[ -z $warnings ]] || fail "$warnings"
fi
echo "installed: $version"
