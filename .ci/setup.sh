# setup.sh: what the three `run` scripts share. Sourced by bash.
# shellcheck shell=bash
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# need WORD...: installs what is missing. A word is a package, or COMMAND=PACKAGE, where any
# package's command will do.
need() {
    local missing=() word sudo=()
    for word in "$@"; do
        if [[ $word == *=* ]]; then
            command -v "${word%%=*}" >/dev/null || missing+=("${word#*=}")
        elif ! dpkg-query -W -f '${db:Status-Status}\n' "$word" 2>/dev/null | grep -qx installed; then
            missing+=("$word")
        fi
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    if ! command -v apt-get >/dev/null; then
        echo "no apt-get here: please install what Debian calls ${missing[*]}" >&2
        return 1
    fi
    echo "installing ${missing[*]}"
    [[ $(id -u) == 0 ]] || sudo=(sudo)
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

need_to_build() {
    need gcc=gcc make=make cmake=cmake pkg-config=pkg-config \
        libc6-dev libsleef-dev libhwloc-dev libjansson-dev zlib1g-dev libfftw3-dev "$@"
}

# build FOLDER [CMake options]: FOLDER is named from the root of the tree.
build() {
    local folder=$root/$1 log=$root/$1/build.log
    shift
    mkdir -p "$folder"
    cmake -S "$root" -B "$folder" "$@" >"$log" 2>&1 &&
        cmake --build "$folder" -j "$(nproc)" >>"$log" 2>&1 && return
    grep -E -A8 'error:|warning:|undefined reference|CMake Error' "$log" | head -60 >&2 || true
    echo "the build in $folder failed; all of it is in $log" >&2
    return 1
}
