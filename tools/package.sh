#!/bin/sh
# Makes the Debian packages strata, libstrata0 and libstrata-dev: package.sh BUILD OUT
#
# Nothing of it depends on when or where it is made: times are those of SOURCE_DATE_EPOCH, which is the last commit's unless it is given,
# so that the same build makes the same packages.
set -eu
umask 022
build=$1
out=$2
version=$("$build/strata" version)
version=${version#strata }
revision=$version-1
major=${version%%.*}
architecture=$(dpkg --print-architecture)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
server=$work/strata
library=$work/libstrata$major
development=$work/libstrata-dev

# What the programs and libraries in the given files need, as Debian names it.
needs() {
    mkdir -p "$work/source/debian"
    printf 'Source: strata\n\nPackage: strata\nArchitecture: any\n' >"$work/source/debian/control"
    (cd "$work/source" && dpkg-shlibdeps -O "$@" 2>/dev/null) | sed -n 's/^shlibs:Depends=//p'
}

# copy MODE FROM TO
copy() { install -D -m "$1" "$2" "$3"; }

compress() { find "$1" -type f -exec gzip -9n {} +; }

# Changelog and license, as Debian wants them in every package: papers FOLDER NAME
papers() {
    doc=$1/usr/share/doc/$2
    copy 644 CHANGELOG.md "$doc/changelog"
    printf 'strata (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n' "$revision" \
        'Strata contributors <contributors@strata.invalid>' "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" >"$doc/changelog.Debian"
    gzip -9n "$doc/changelog" "$doc/changelog.Debian"
    {
        printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\n'
        sed -n 's/^Copyright (c) /Copyright: /p' LICENSE
        printf 'License: Expat\n'
        sed '1,/^Copyright/d; 1,/^$/{/^$/d}; s/^$/./; s/^/ /' LICENSE
    } >"$doc/copyright"
}

# control FOLDER NAME SECTION DEPENDS SUMMARY, and what it is in lines on standard input
control() {
    mkdir -p "$1/DEBIAN"
    {
        printf 'Package: %s\nSource: strata\nVersion: %s\nArchitecture: %s\n' "$2" "$revision" "$architecture"
        printf 'Maintainer: Strata contributors <contributors@strata.invalid>\n'
        printf 'Installed-Size: %s\n' "$(du -sk --apparent-size --exclude=DEBIAN "$1" | cut -f1)"
        printf 'Depends: %s\nSection: %s\nPriority: optional\n' "$4" "$3"
        printf 'Description: %s\n' "$5"
        sed 's/^$/./; s/^/ /'
    } >"$1/DEBIAN/control"
    (cd "$1" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum) >"$1/DEBIAN/md5sums"
}

fill_server() {
    copy 755 "$build/strata" "$server/usr/bin/strata"
    strip --strip-unneeded "$server/usr/bin/strata"
    copy 644 packaging/strata.service "$server/lib/systemd/system/strata.service"
    copy 640 packaging/strata.yaml "$server/etc/strata/strata.yaml"
    copy 644 packaging/strata.logrotate "$server/etc/logrotate.d/strata"
    copy 644 docs/man/strata.1 "$server/usr/share/man/man1/strata.1"
    compress "$server/usr/share/man"
    copy 644 packaging/completions/strata.bash "$server/usr/share/bash-completion/completions/strata"
    copy 644 packaging/completions/strata.zsh "$server/usr/share/zsh/vendor-completions/_strata"
    copy 644 packaging/completions/strata.fish "$server/usr/share/fish/vendor_completions.d/strata.fish"
    for file in strata.rules.yaml strata-dashboard.json; do
        copy 644 "packaging/monitoring/$file" "$server/usr/share/strata/monitoring/$file"
    done
    for file in README.md docs/*.md; do
        copy 644 "$file" "$server/usr/share/doc/strata/${file##*/}"
    done
    # Its pages stand beside it there.
    sed 's|](docs/|](|g' README.md >"$server/usr/share/doc/strata/README.md"
    for file in docs/screenshots/*.png; do
        copy 644 "$file" "$server/usr/share/doc/strata/screenshots/${file##*/}"
    done
    papers "$server" strata
    control "$server" strata database "adduser, $(needs -e"$server/usr/bin/strata")" \
        'cache server that speaks the Redis protocol' <<END
A cache in memory for programs that already use Redis clients, with
expiry, eviction, tags and rules of what is invalidated by what, leases
against stampedes, persistence, a warm tier on SSD, and TLS.

The service listens on this machine only until it is told otherwise in
/etc/strata/strata.yaml.
END
    printf '%s\n' /etc/logrotate.d/strata /etc/strata/strata.yaml >"$server/DEBIAN/conffiles"
    for script in postinst prerm postrm; do
        copy 755 "packaging/debian/strata.$script" "$server/DEBIAN/$script"
    done
}

fill_libraries() {
    tools/install_library.sh "$build" "$development/usr" "$version"
    mkdir -p "$library/usr/lib"
    mv "$development/usr/lib/libstrata.so.$version" "$development/usr/lib/libstrata.so.$major" "$library/usr/lib/"
    chmod 644 "$library/usr/lib/libstrata.so.$version"
    strip --strip-unneeded "$library/usr/lib/libstrata.so.$version"
    strip --strip-debug --enable-deterministic-archives "$development/usr/lib/libstrata.a"
    rm -r "$development/usr/share/man/man1"
    compress "$development/usr/share/man/man3"
    mv "$development/usr/share/doc/strata" "$development/usr/share/doc/libstrata-dev"
    papers "$library" "libstrata$major"
    papers "$development" libstrata-dev
    control "$library" "libstrata$major" libs "$(needs -e"$library/usr/lib/libstrata.so.$version")" 'cache in your own process' <<END
The engine of the cache server Strata as a library: caches in memory, or
with a file behind, that many threads of a program share.
END
    echo "libstrata $major libstrata$major (>= $version)" >"$library/DEBIAN/shlibs"
    echo 'activate-noawait ldconfig' >"$library/DEBIAN/triggers"
    control "$development" libstrata-dev libdevel "libstrata$major (= $revision)" 'cache in your own process, for development' <<END
Header, static library, manual, examples, and what pkg-config and CMake
need to find them.
END
}

fill_server
fill_libraries
mkdir -p "$out"
for package in "$server" "$library" "$development"; do
    find "$package" -exec touch --no-dereference -d "@$SOURCE_DATE_EPOCH" {} +
    dpkg-deb --root-owner-group -Zxz --build "$package" "$out/${package##*/}_${revision}_$architecture.deb" >/dev/null
    echo "$out/${package##*/}_${revision}_$architecture.deb"
done
