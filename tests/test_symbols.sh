#!/bin/bash
# test_symbols.sh BUILD: no function of libm can decide a bit, whatever the processor that glibc
# picks it for: the library and the command call those alone that IEEE 754 has exact. Of SLEEF
# they call the families that have the same bits on every instruction set.
set -euo pipefail
export LC_ALL=C
build=$1
exact='(sqrt|fma|fabs|floor|ceil|trunc|rint)f?'
alike='Sleef_finz_\w+|Sleef_cinz_\w+purec'

libm=$("${CC:-cc}" -print-file-name=libm.so.6)
if [[ ! -e $libm ]]; then
    echo "skipped: no libm.so.6"
    exit 77
fi

names=$(nm -D --defined-only "$libm" | awk '{ sub(/@.*/, "", $NF); print $NF }' | sort -u)
grep -qx sinf <<<"$names" || { echo "$libm has no sinf"; exit 1; }
calls=$(find "$build"/CMakeFiles/{weft_objects,isa_*,experiments,weft_command}.dir -name '*.o' \
    -exec nm -u {} + | awk '/:$/ { file = $1 } $1 == "U" { print $2, file }' | sort)
grep -q '^Sleef_' <<<"$calls" || { echo "no call of SLEEF was found"; exit 1; }

bad=$({ join <(echo "$names") <(echo "$calls"); grep '^Sleef_' <<<"$calls"; } |
    grep -vP "^($exact|$alike) " || true)
[[ -z $bad ]] || { printf 'these could decide a bit:\n%s\n' "$bad"; exit 1; }
