#!/bin/bash
# Installs what the tests need and runs all of them: every stage below is one build and one run of ctest. A stage that
# fails does not keep the later ones from running. The last line is the sum: `N passed, M failed`.
# SPDX-License-Identifier: Apache-2.0
set -u -o pipefail

usage() {
    cat <<'END'
usage: tests/run.sh [--quick] [--no-install] [--filter REGEX] [--stages "NAME ..."]
  --quick          unit and conformance tests of the release build only (under three minutes)
  --no-install     use what is installed; do not call apt-get
  --filter REGEX   only tests whose name matches (names: ctest --test-dir build -N)
  --stages NAMES   only these of: release asan tsan fuzz
Environment: CI=true makes every skipped test a failure. JOBS=N processes at once instead of one per processor.
END
}

script=$(readlink -f "${BASH_SOURCE[0]}")
root=$(dirname "$(dirname "$script")")
arguments=("$@")
quick=no
install=yes
filter=
stages="release asan tsan fuzz"
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=yes ;;
    --no-install) install=no ;;
    --filter | --stages)
        [ $# -gt 1 ] || { echo "tests/run.sh: $1 needs a value." >&2; usage >&2; exit 2; }
        if [ "$1" = --filter ]; then filter=$2; else stages=$2; fi
        shift
        ;;
    --help | -h) usage; exit 0 ;;
    *) echo "tests/run.sh: unknown argument '$1'." >&2; usage >&2; exit 2 ;;
    esac
    shift
done
[ "$quick" = no ] || stages=release

cd "$root" || exit 2
# shellcheck source=../deploy/debian.sh
. deploy/debian.sh
# shellcheck source=../deploy/progress.sh
. deploy/progress.sh

jobs=${JOBS:-$(nproc)}
logs=$root/build/test-logs
trap 'progress_stop; exit 130' INT TERM HUP
passed=0
failed=0
skipped=0

stage_failed() {
    failed=$((failed + 1))
    echo "== $1: FAILED: $2"
}

# configure_and_build STAGE PRESET TARGET CMAKE-ARGUMENT...
# What does not compile is one failure here, and its tests fail once more when they are run.
configure_and_build() {
    local stage=$1 preset=$2 target=$3
    shift 3
    local generator=()
    if command -v ninja >/dev/null && [ ! -e "$(build_folder "$preset")/Makefile" ]; then
        generator=(-G Ninja)
    fi
    if ! progress_run "$stage: configuring" "$logs/$stage-configure.log" \
        cmake --preset "$preset" "${generator[@]}" -DLOGCTX_TESTS=ON "$@"; then
        stage_failed "$stage" "cmake could not configure the build; the lines above say why."
        return 1
    fi
    local keep_going=(-k) # what does not compile does not keep the rest from being built
    [ ! -e "$(build_folder "$preset")/build.ninja" ] || keep_going=(-k 0)
    if ! progress_run "$stage: building" "$logs/$stage-build.log" \
        cmake --build "$(build_folder "$preset")" -j "$jobs" --target "$target" -- "${keep_going[@]}"; then
        stage_failed "$stage" "not everything could be built; the lines above say why."
    fi
}

build_folder() {
    if [ "$1" = release ]; then echo build; else echo "build/$1"; fi
}

# What ctest says besides the results: starts, sums of its own, and where it has looked for a program.
ctest_noise='^(Internal ctest changing|$|[0-9]+% tests passed|Errors while running CTest|Total Test time|Label Time)'
ctest_noise+='|^(Test project| +Start +[0-9]+:)'
ctest_noise+='|^[a-z]+ += .*sec\*proc|^(Looked in the following|Unable to find executable)'
ctest_noise+='|/(Release|Debug|MinSizeRel|RelWithDebInfo|Deployment|Development)/[^ ]*$'

# run_ctest STAGE PRESET CTEST-ARGUMENT...
run_ctest() {
    local stage=$1 preset=$2 counts status
    shift 2
    local folder
    folder=$root/$(build_folder "$preset")
    local report=$logs/$stage.xml
    [ -z "$filter" ] || set -- "$@" -R "$filter"
    rm -f "$report"
    echo "== $stage: running the tests"
    ctest --test-dir "$folder" -j "$jobs" --output-on-failure --no-tests=ignore --output-junit "$report" "$@" |
        grep -vE "$ctest_noise"
    status=${PIPESTATUS[0]}
    if ! counts=$(python3 tests/junit_counts.py "$report" "$status"); then
        stage_failed "$stage" "ctest ended with status $status and left no report."
        return
    fi
    read -r stage_passed stage_failures stage_skipped <<<"$counts"
    passed=$((passed + stage_passed))
    failed=$((failed + stage_failures))
    skipped=$((skipped + stage_skipped))
    echo "== $stage: $stage_passed passed, $stage_failures failed, $stage_skipped skipped (at $SECONDS s)"
}

stage_release() {
    configure_and_build release release all -DLOGCTX_WERROR=ON || return
    if [ "$quick" = yes ]; then
        run_ctest release release -L '^(unit|conformance)$'
    else
        run_ctest release release -LE '^fuzz$'
    fi
}

# Here and in the next one warnings are only printed: gcc warns of what its own instrumentation makes possible.
stage_asan() {
    configure_and_build asan asan all -DLOGCTX_WERROR=OFF || return
    run_ctest asan asan -L '^(unit|conformance|smoke)$'
}

stage_tsan() {
    configure_and_build tsan tsan all -DLOGCTX_WERROR=OFF || return
    run_ctest tsan tsan -L '^(unit|conformance)$'
}

# The other compiler: everything is built, so that it warns, and the tests run with its sanitizers too.
stage_fuzz() {
    configure_and_build fuzz fuzz all -DLOGCTX_WERROR=ON "-DLOGCTX_FUZZ_SECONDS=${LOGCTX_FUZZ_SECONDS:-30}" \
        "-DLOGCTX_FUZZ_SEED=${LOGCTX_FUZZ_SEED:-1}" || return
    run_ctest fuzz fuzz -L '^(unit|conformance|fuzz)$'
}

main() {
    local packages=("${packages_build[@]}" "${packages_unit[@]}") stage
    [ "$quick" = yes ] || packages+=("${packages_load[@]}" "${packages_page[@]}" "${packages_checks[@]}")
    if [ "$install" = yes ]; then
        packages_install "${packages[@]}" || stage_failed install "the tests go on with what there is."
        packages_leave_root "$script" ${arguments[@]+"${arguments[@]}"}
    fi
    mkdir -p "$logs" || exit 2
    export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:${ASAN_OPTIONS:-}
    export UBSAN_OPTIONS=print_stacktrace=1:${UBSAN_OPTIONS:-}
    export TSAN_OPTIONS=second_deadlock_stack=1:${TSAN_OPTIONS:-}
    if [ -z "${HOME:-}" ]; then # Go and others keep their caches there
        export HOME=$root/build/home
        mkdir -p "$HOME"
    fi
    for stage in $stages; do
        case $stage in
        release) stage_release ;;
        asan) stage_asan ;;
        tsan) stage_tsan ;;
        fuzz) stage_fuzz ;;
        *) stage_failed "$stage" "there is no such stage; they are release, asan, tsan, fuzz." ;;
        esac
    done
    if [ "$((passed + failed + skipped))" -eq 0 ]; then
        stage_failed total "no test was run; does the filter match any?"
    fi
    if [ "$skipped" -gt 0 ]; then
        echo "== $skipped tests were SKIPPED; the lines above say which, and what was missing."
    fi
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}

main; exit # on one line: the script may change under a run that takes minutes
