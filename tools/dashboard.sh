# The pages of the dashboard, made of web/ in build/dashboard. Sourced by ./dev.
#
# build/dashboard/complete is made last, and says of what the pages were made: they are made again when that has changed.

dashboard_sources() {
    {
        find web -name node_modules -prune -o -name generated -prune -o -type f -print
        find spec/commands spec/config.yaml tools/gen_web.py tools/gen_config.py tools/dashboard.sh -type f
    } | LC_ALL=C sort | xargs sha256sum | sha256sum
}

dashboard_packages() {
    if [ ! -f web/node_modules/.package-lock.json ] || [ web/package-lock.json -nt web/node_modules/.package-lock.json ]; then
        say 'fetching the packages of the dashboard'
        npm ci --prefix web --no-audit --no-fund --ignore-scripts >build/dashboard.log 2>&1 || {
            tail -n 20 build/dashboard.log >&2
            return 1
        }
        touch web/node_modules/.package-lock.json
    fi
}

# Answers 1, and says why, if it cannot be made.
dashboard_build() {
    mkdir -p build
    made_of=$(dashboard_sources)
    if [ -f build/dashboard/complete ] && [ "$(cat build/dashboard/complete)" = "$made_of" ]; then
        return 0
    fi
    dashboard_packages || return 1
    say 'making build/dashboard'
    rm -rf build/dashboard
    {
        /usr/bin/python3 tools/gen_web.py web/generated/spec.json &&
            (cd web && node_modules/.bin/tsc --noEmit && node build.mjs ../build/dashboard)
    } >build/dashboard.log 2>&1 || {
        cat build/dashboard.log >&2
        return 1
    }
    echo "$made_of" >build/dashboard/complete
}
