# shellcheck shell=bash
# The Debian 12 packages that this project needs, in one place, and how they get onto a machine. Sourced by
# deploy/quickstart.sh and tests/run.sh; it only defines things.
# SPDX-License-Identifier: Apache-2.0

# "a|b": either will do; `a` is what gets installed. Read by whoever sources this.
# shellcheck disable=SC2034
{
    # To build the libraries, the demo, the dashboard and logctx-top.
    packages_build=(
        gcc libc6-dev cmake ninja-build 'pkgconf|pkg-config' protobuf-c-compiler libprotobuf-c-dev libdeflate-dev
        'libcurl4-openssl-dev|libcurl4-gnutls-dev|libcurl4-nss-dev' libuv1-dev libevent-dev libhttp-parser-dev libsqlite3-dev
        libglib2.0-dev libncurses-dev libmicrohttpd-dev libjansson-dev zlib1g-dev systemtap-sdt-dev)
    # To make the dashboard's page when the dashboard is built. Without it there is none.
    packages_assets=(npm)
    # To send the demo some load.
    packages_load=(curl)
    # To build and run the unit and conformance tests.
    packages_unit=(libcmocka-dev protobuf-compiler python3 python3-pyte locales git)
    # To test the dashboard's page: the browser, and fonts for it.
    packages_page=(nodejs npm chromium fonts-liberation)
    # The rest of tests/run.sh: sanitizers, fuzzing, the checks, the other compilers and libc; Prometheus for the queries.
    packages_checks=(
        g++ gdb strace clang clang-format clang-tidy libclang-rt-14-dev llvm valgrind musl-tools shellcheck binutils make curl
        ca-certificates openssl docker-compose mandoc gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user python3-yaml prometheus
        prometheus-alertmanager)
}

# Prints those of the packages that are not installed, as the names to install. npm often comes with a Node of another
# origin, which Debian's package of that name would replace.
packages_missing() {
    local entry name
    for entry in "$@"; do
        for name in ${entry//|/ }; do
            if dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -x installed >/dev/null; then
                continue 2
            fi
            if [ "$name" = npm ] && command -v npm >/dev/null; then
                continue 2
            fi
        done
        printf '%s\n' "${entry%%|*}"
    done
}

# Runs apt-get as root, with sudo if need be. Everything else runs as who called: no file of the build is root's.
packages_apt() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo)
        [ -t 0 ] || as_root+=(-n)
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# Installs what is missing of the packages, saying so. Fails with a sentence when that cannot be done.
packages_install() {
    local missing log
    if ! command -v dpkg-query >/dev/null; then
        echo "This is not Debian, so nothing is installed. What is needed, by Debian's names: $*"
        return 0
    fi
    mapfile -t missing < <(packages_missing "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        echo "Some packages are missing, and installing them needs root. Run this as root, then start again:" >&2
        echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
        return 1
    fi
    echo "installing ${#missing[@]} packages: ${missing[*]}"
    log=$(mktemp)
    if packages_apt -q update >"$log" 2>&1 &&
        packages_apt -q -y --no-install-recommends install "${missing[@]}" >>"$log" 2>&1; then
        rm -f "$log"
        return 0
    fi
    tail -n 30 "$log" >&2
    rm -f "$log"
    echo "apt-get could not install the packages; the lines above say why. By hand:" >&2
    echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
    return 1
}

# Called as `sudo script`, by the owner of the tree: goes on as that owner once the packages are there, so that what is
# built belongs to who will delete it. Needs the script's own command line.
packages_leave_root() {
    local script=$1
    shift
    if [ "$(id -u)" -ne 0 ] || [ -z "${SUDO_USER:-}" ] || [ "$SUDO_USER" = root ]; then
        return 0
    fi
    if [ "$(stat -c %U "$(dirname "$script")")" != "$SUDO_USER" ]; then
        return 0
    fi
    exec runuser -u "$SUDO_USER" -- "$script" --no-install "$@"
}
