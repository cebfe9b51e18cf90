# Debian packages: which are missing, and how they come in. Sourced by ./dev.
#
# The sets are data: tools/packages-build.txt, packages-dashboard.txt, packages-test.txt, packages-package.txt and packages-more.txt. A line is a package, or
# `PACKAGE COMMAND MAJOR`: not needed when COMMAND is there already with at least that major version.

say() { echo "dev: $*" >&2; }

die() {
    say "$*"
    exit 1
}

# Answers whether a command that a line names is there in a version that will do.
packages_command_serves() {
    command -v "$1" >/dev/null 2>&1 || return 1
    major=$("$1" --version 2>/dev/null | sed -n '1s/^[^0-9]*\([0-9][0-9]*\).*/\1/p')
    [ "${major:-0}" -ge "$2" ]
}

# Prints the packages of one set that are not installed.
packages_missing() {
    wanted=
    while read -r package tool major; do
        case $package in
        '' | '#'*) continue ;;
        esac
        if [ -n "$tool" ] && packages_command_serves "$tool" "$major"; then
            continue
        fi
        wanted="$wanted $package"
    done <"tools/packages-$1.txt"
    # One question for all; dpkg-query says nothing about a package that it never heard of.
    # shellcheck disable=SC2086
    have=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' $wanted 2>/dev/null | sed -n 's/ installed$//p')
    for package in $wanted; do
        echo "$have" | grep -qx "$package" || echo "$package"
    done
}

# packages_install SET: `dashboard` includes `build`; `test` and `package` include both.
packages_install() {
    case $1 in
    build | more) missing=$(packages_missing "$1") ;;
    dashboard) missing=$(packages_missing build && packages_missing dashboard) ;;
    test | package) missing=$(packages_missing build && packages_missing dashboard && packages_missing "$1") ;;
    *) die "there is no package set $1: build, dashboard, test, more or package" ;;
    esac
    missing=$(echo $missing)
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null 2>&1 ||
        die "this system has no apt-get; install what these Debian packages hold: $missing"
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null 2>&1; then
            as_root=sudo
        else
            say "these packages are missing: $missing"
            say 'as root, run:'
            echo "    apt-get update && apt-get install -y --no-install-recommends $missing"
            exit 1
        fi
    fi
    say "installing $missing"
    packages_quiet_services
    if packages_apt_install; then
        packages_restore_services
    else
        packages_restore_services
        die "apt-get could not install: $missing"
    fi
}

packages_apt_install() {
    # Without package lists (a fresh image) or with stale ones, fetch them and try once more.
    set -- env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -qq
    mkdir -p build
    if ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then
        # shellcheck disable=SC2086
        $as_root "$@" $missing >build/apt.log 2>&1 && return 0
    fi
    $as_root apt-get update -qq >build/apt.log 2>&1 || {
        tail -n 20 build/apt.log >&2
        return 1
    }
    # shellcheck disable=SC2086
    $as_root "$@" $missing >build/apt.log 2>&1 || {
        tail -n 20 build/apt.log >&2
        return 1
    }
}

# redis-server and memcached come as programs for the tests to start; Debian would start them as services. A
# policy-rc.d that is there already decides for itself.
packages_quiet_services() {
    services_policy=
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        services_policy=/usr/sbin/policy-rc.d
        trap packages_restore_services EXIT
        trap 'exit 130' INT TERM
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$services_policy" >/dev/null
        $as_root chmod 755 "$services_policy"
    fi
}

packages_restore_services() {
    [ -z "$services_policy" ] || $as_root rm -f "$services_policy"
    services_policy=
}
