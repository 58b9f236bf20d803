#!/bin/bash
# test_portable.sh BUILD: no AVX instruction stands in what every x86-64 runs, and none of
# AVX-512 in what runs where AVX2 is. In 64-bit code c4 and c5 begin an instruction of AVX,
# FMA or BMI, 62 one of AVX-512, and none of them begins any other.
set -euo pipefail
build=$1
if ! command -v objdump >/dev/null || [[ ! -d $build/CMakeFiles/isa_avx2.dir ]]; then
    echo "skipped: no objdump, or not an x86-64"
    exit 77
fi

# begin BYTES TARGET: the instructions of a target that begin so, behind what a prefix may be.
begin() {
    find "$build/CMakeFiles/$2.dir" -name '*.o' -exec objdump -dw {} + |
        awk -F'\t' -v first="^(2e |3e |64 |65 |67 )*($1) " '
            /file format/ { file = $1; sub(/:.*/, "", file) }
            />:$/         { name = $1 }
            $2 ~ first    { print file, name, $3 }'
}
none() {
    local found
    found=$(begin "$@")
    [[ -z $found ]] || { printf 'what begins with %s in %s:\n%s\n' "$1" "$2" "$(head <<<"$found")"; exit 1; }
}
some() {
    [[ $(begin "$@" | wc -l) -gt 100 ]] || { echo "nothing begins with $1 in $2"; exit 1; }
}

for target in weft_objects isa_scalar experiments; do
    some '0f|f2|f3|48' $target # it was read
    none 'c4|c5|62' $target
done
some 'c4|c5' isa_avx2
none '62' isa_avx2
some '62' isa_avx512
