# The kinds of build, each in build/KIND. Sourced by ./dev.
#
#   release  what users run: gcc -O2 -g, linked as a whole; no tests
#   debug    gcc -Og, for unit tests and gdb
#   asan     clang, address and undefined behaviour sanitizers; the fuzzers of ./dev test as well
#   tsan     thread sanitizer, for the tests that use threads
#   fuzz     clang, libFuzzer with the sanitizers of asan, for ./dev fuzz
#   cover    gcc, counts which lines ran

kind_options() {
    case $1 in
    release) echo '-Ddebug=true -Doptimization=2 -Db_lto=true -Dtests=false' ;;
    debug) echo '-Ddebug=true -Doptimization=g' ;;
    asan) echo '-Ddebug=true -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=true' ;;
    tsan) echo '-Ddebug=true -Doptimization=2 -Db_sanitize=thread -Db_lundef=false' ;;
    fuzz) echo '-Ddebug=true -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=true -Dtests=false' ;;
    cover) echo '-Ddebug=true -Doptimization=g -Db_coverage=true' ;;
    *) die "there is no kind $1: release, debug, asan, tsan, fuzz, cover" ;;
    esac
}

kind_compiler() {
    case $1 in
    asan | tsan | fuzz) echo clang ;;
    *) echo gcc ;;
    esac
}

kind_packages() {
    if [ "$1" = release ]; then echo build; else echo test; fi
}

# Configures build/KIND if it is not, or anew if the options above have changed since; and again if a meson.build has.
kind_configure() {
    options=$(kind_options "$1")
    stamp=build/$1/dev-options.txt
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$options" ] && [ -f "build/$1/build.ninja" ]; then
        ninja_run "$1" build.ninja || die "build/$1 cannot be configured"
        return 0
    fi
    say "configuring build/$1"
    rm -rf "build/$1"
    mkdir -p "build/$1"
    # shellcheck disable=SC2086
    CC=$(kind_compiler "$1") meson setup "build/$1" $options >"build/$1.log" 2>&1 || {
        cat "build/$1.log" >&2
        exit 1
    }
    echo "$options" >"$stamp"
}

# Warnings are errors, so the output of a build that works says nothing.
ninja_run() {
    ninja_kind=$1
    shift
    ninja -C "build/$ninja_kind" -j "${STRATA_JOBS:-$(nproc)}" "$@" >"build/$ninja_kind/build.log" 2>&1 || {
        sed '/^\[[0-9]*\/[0-9]*\] /d; /^FAILED: /d; /^\(gcc\|clang\) -/d' "build/$ninja_kind/build.log" >&2
        return 1
    }
}

# kind_build KIND [TARGET ...]: configures, checks the layers and builds.
kind_build() {
    kind_configure "$1"
    /usr/bin/python3 tools/check/layers.py || exit 1
    [ -f "build/$1/build.log" ] || say "building build/$1"
    ninja_run "$@" || die "build/$1 does not build"
}

release_program() {
    [ -x build/release/strata ] || die 'build/release/strata was not built: src/app/cli has no sources'
    echo "$PWD/build/release/strata"
}

# The unit test program that holds a module: its name is in the generated main file.
unit_binary() {
    main=$(grep -l "unit_group_$1;" build/debug/src/*_unit_main.c 2>/dev/null | head -n 1)
    [ -n "$main" ] || die "no unit test of a module $1"
    echo "build/debug/src/test_$(basename "$main" _unit_main.c)"
}
