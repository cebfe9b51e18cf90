# bash completion for strata. Generated from spec/program.yaml and spec/config.yaml by tools/gen_completions.py: change those instead.

_strata() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]-} words=
    COMPREPLY=()
    # --flag=value is three words here.
    if [[ $word == = ]]; then word=; elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W 'server bench cli top check graph doctor snapshot audit cert version help' -- "$word")
        return
    fi
    ((COMP_CWORD == 2)) || case "$command ${COMP_WORDS[2]}" in
    'bench null' | 'bench replay' | 'bench engine' | 'snapshot save' | 'snapshot export' | 'snapshot import' | 'audit verify' | 'audit show') command+=" ${COMP_WORDS[2]}" ;;
    esac
    case $command in
    'server')
        case $before in
        --config | --unixsocket | --aclfile | --tls-cert-file | --tls-key-file | --tls-ca-cert-file | --audit-key-file | --pidfile | --logfile | --rules | --memory-file | --warm-file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --port | --bind | --unixsocketperm | --requirepass | --users | --acllog-max-len | --maxclients | --timeout | --tcp-keepalive | --tcp-backlog | --tls-port | --tls-key-file-pass | --tls-protocols | --tls-ciphers | --tls-ciphersuites | --audit-dir | --audit-classes | --audit-users | --audit-users-except | --audit-commands | --audit-max-size | --audit-max-age | --audit-keep | --audit-anchor-lines | --audit-anchor-interval | --audit-queue-size | --http-port | --http-tls-port | --http-bind | --http-hosts | --http-allowed-origins | --http-max-connections | --http-max-body | --http-max-memory | --maxmemory | --maxentries | --client-query-buffer-limit | --client-output-buffer-limit | --tracking-table-max-keys | --pattern-search-max-keys | --proto-max-bulk-len | --lease-max | --lease-waiters-max | --stream-max-bytes | --stream-retention | --history-max-bytes | --threads | --shards | --housekeeping-interval | --shutdown-timeout | --appendfsync-interval | --auto-aof-rewrite-percentage | --auto-aof-rewrite-min-size | --save | --snapshot-max-rate | --backup-interval | --backups-kept | --warm-size | --warm-promote-hits | --warm-demote-idle | --warm-maintenance-interval | --warm-write-rate | --warm-keep-percent | --slowlog-log-slower-than | --slowlog-max-len | --commandlog-request-larger-than | --commandlog-large-request-max-len | --commandlog-reply-larger-than | --commandlog-large-reply-max-len | --latency-monitor-threshold | --notify-keyspace-events) :; return ;;
        --protected-mode | --tls-prefer-server-ciphers | --rules-watch | --appendonly) mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$word"); return ;;
        --acl-pubsub-default) mapfile -t COMPREPLY < <(compgen -W 'resetchannels allchannels' -- "$word"); return ;;
        --tls-ca-cert-dir | --dir | --backup-dir) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --tls-auth-clients) mapfile -t COMPREPLY < <(compgen -W 'no optional yes' -- "$word"); return ;;
        --tls-auth-clients-user) mapfile -t COMPREPLY < <(compgen -W 'off CN URI' -- "$word"); return ;;
        --audit-keys) mapfile -t COMPREPLY < <(compgen -W 'class full prefix hash none' -- "$word"); return ;;
        --audit-sync | --appendfsync) mapfile -t COMPREPLY < <(compgen -W 'always everysec no' -- "$word"); return ;;
        --audit-back-pressure) mapfile -t COMPREPLY < <(compgen -W 'wait drop' -- "$word"); return ;;
        --audit-on-failure) mapfile -t COMPREPLY < <(compgen -W 'refuse continue' -- "$word"); return ;;
        --maxmemory-policy) mapfile -t COMPREPLY < <(compgen -W 'noeviction allkeys-lru allkeys-lfu allkeys-random volatile-lru volatile-lfu volatile-random volatile-ttl' -- "$word"); return ;;
        --stream) mapfile -t COMPREPLY < <(compgen -W 'no auto yes' -- "$word"); return ;;
        --log-format) mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$word"); return ;;
        --loglevel) mapfile -t COMPREPLY < <(compgen -W 'debug verbose notice warning' -- "$word"); return ;;
        --ownership) mapfile -t COMPREPLY < <(compgen -W 'off warn enforce' -- "$word"); return ;;
        esac
        words='--config --check-config --version --port --bind --unixsocket --unixsocketperm --protected-mode --requirepass --aclfile --users --acllog-max-len --acl-pubsub-default --maxclients --timeout --tcp-keepalive --tcp-backlog --tls-port --tls-cert-file --tls-key-file --tls-key-file-pass --tls-ca-cert-file --tls-ca-cert-dir --tls-auth-clients --tls-auth-clients-user --tls-protocols --tls-ciphers --tls-ciphersuites --tls-prefer-server-ciphers --audit-dir --audit-key-file --audit-classes --audit-users --audit-users-except --audit-commands --audit-keys --audit-sync --audit-max-size --audit-max-age --audit-keep --audit-anchor-lines --audit-anchor-interval --audit-queue-size --audit-back-pressure --audit-on-failure --http-port --http-tls-port --http-bind --http-hosts --http-allowed-origins --http-max-connections --http-max-body --http-max-memory --maxmemory --maxmemory-policy --maxentries --client-query-buffer-limit --client-output-buffer-limit --tracking-table-max-keys --pattern-search-max-keys --proto-max-bulk-len --lease-max --lease-waiters-max --stream --stream-max-bytes --stream-retention --history-max-bytes --threads --shards --dir --pidfile --logfile --log-format --loglevel --rules --rules-watch --ownership --housekeeping-interval --shutdown-timeout --appendonly --appendfsync --appendfsync-interval --auto-aof-rewrite-percentage --auto-aof-rewrite-min-size --save --snapshot-max-rate --backup-dir --backup-interval --backups-kept --memory-file --warm-file --warm-size --warm-promote-hits --warm-demote-idle --warm-maintenance-interval --warm-write-rate --warm-keep-percent --slowlog-log-slower-than --slowlog-max-len --commandlog-request-larger-than --commandlog-large-request-max-len --commandlog-reply-larger-than --commandlog-large-reply-max-len --latency-monitor-threshold --notify-keyspace-events --help'
        ;;
    'bench')
        case $before in
        --host) :; return ;;
        --port) :; return ;;
        --unix | --cacert | --cert | --key) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --user | --service | --sni) :; return ;;
        --pass) :; return ;;
        --db | --clients | --threads | --pipeline | --requests | --keys | --zipf | --rate | --seed) :; return ;;
        --cacertdir) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --tls-ciphers | --tls-ciphersuites) :; return ;;
        --protocol) mapfile -t COMPREPLY < <(compgen -W 'resp memcached' -- "$word"); return ;;
        --seconds | --warmup | --stall) :; return ;;
        --key-size | --value-size) :; return ;;
        --mix) mapfile -t COMPREPLY < <(compgen -W 'get set 90/10 50/50' -- "$word"); return ;;
        --server-process) :; return ;;
        esac
        words='--host --port --unix --user --askpass --pass --no-auth-warning --service --db --tls --cacert --cacertdir --cert --key --sni --insecure --tls-ciphers --tls-ciphersuites --protocol --clients --threads --pipeline --requests --seconds --warmup --stall --keys --key-size --value-size --mix --zipf --rate --relaxed --load --verify --seed --server-process --json --progress --help'
        ((COMP_CWORD != 2)) || words+=' null replay engine'
        ;;
    'bench null')
        case $before in
        --port) :; return ;;
        --reply-size) :; return ;;
        esac
        words='--port --reply-size --help'
        ;;
    'bench replay')
        case $before in
        --host) :; return ;;
        --port) :; return ;;
        --unix | --cacert | --cert | --key | --trace) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --user | --service | --sni) :; return ;;
        --pass) :; return ;;
        --db | --batch | --copies | --sigma | --seed) :; return ;;
        --cacertdir) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --tls-ciphers | --tls-ciphersuites) :; return ;;
        --protocol) mapfile -t COMPREPLY < <(compgen -W 'resp memcached' -- "$word"); return ;;
        --median | --simulate) :; return ;;
        --stall) :; return ;;
        esac
        words='--host --port --unix --user --askpass --pass --no-auth-warning --service --db --tls --cacert --cacertdir --cert --key --sni --insecure --tls-ciphers --tls-ciphersuites --trace --protocol --batch --copies --median --sigma --seed --hash-tag --stall --simulate --describe --json --help'
        ;;
    'bench engine')
        case $before in
        --entries | --operations | --rounds | --threads | --shards | --seed) :; return ;;
        esac
        words='--entries --operations --rounds --threads --shards --seed --json --help'
        ;;
    'cli')
        case $before in
        --host) :; return ;;
        --port) :; return ;;
        --unix | --cacert | --cert | --key) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --user | --service | --sni) :; return ;;
        --pass) :; return ;;
        --db | --count | --memkeys-samples) :; return ;;
        --cacertdir) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --tls-ciphers | --tls-ciphersuites) :; return ;;
        --show-pushes) mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$word"); return ;;
        --pipe-timeout | --intrinsic-latency) :; return ;;
        --pattern | --quoted-pattern) :; return ;;
        --type) :; return ;;
        esac
        words='--host --port --unix --user --askpass --pass --no-auth-warning --service --db --tls --cacert --cacertdir --cert --key --sni --insecure --tls-ciphers --tls-ciphersuites --raw --no-raw --csv --json --quoted-json --show-pushes --quoted-input --pipe --pipe-timeout --scan --pattern --quoted-pattern --count --type --bigkeys --memkeys --memkeys-samples --hotkeys --stat --latency --latency-history --intrinsic-latency --version --help'
        ;;
    'top')
        case $before in
        --host) :; return ;;
        --port) :; return ;;
        --unix | --cacert | --cert | --key) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --user | --service | --sni) :; return ;;
        --pass) :; return ;;
        --cacertdir) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --tls-ciphers | --tls-ciphersuites) :; return ;;
        --interval) :; return ;;
        --view) mapfile -t COMPREPLY < <(compgen -W '1 2 3 4 5' -- "$word"); return ;;
        esac
        words='--host --port --unix --user --askpass --pass --no-auth-warning --service --tls --cacert --cacertdir --cert --key --sni --insecure --tls-ciphers --tls-ciphersuites --interval --view --once --json --help'
        ;;
    'check')
        case $before in
        --format) mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$word"); return ;;
        esac
        words='--strict --format --help'
        if [[ $word != -* ]]; then
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
        fi
        ;;
    'graph')
        case $before in
        --format) mapfile -t COMPREPLY < <(compgen -W 'text svg dot' -- "$word"); return ;;
        esac
        words='--format --help'
        if [[ $word != -* ]]; then
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
        fi
        ;;
    'doctor')
        case $before in
        --config) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        esac
        words='--repair --system --config --json --help'
        if [[ $word != -* ]]; then
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -d -- "$word")
            return
        fi
        ;;
    'snapshot')
        case $before in
        --host) :; return ;;
        --port) :; return ;;
        --unix | --cacert | --cert | --key) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --user | --service | --sni) :; return ;;
        --pass) :; return ;;
        --cacertdir) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --tls-ciphers | --tls-ciphersuites) :; return ;;
        esac
        words='--host --port --unix --user --askpass --pass --no-auth-warning --service --tls --cacert --cacertdir --cert --key --sni --insecure --tls-ciphers --tls-ciphersuites --help'
        ((COMP_CWORD != 2)) || words+=' save export import'
        ;;
    'snapshot save')
        case $before in
        --host) :; return ;;
        --port) :; return ;;
        --unix | --cacert | --cert | --key) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --user | --service | --sni) :; return ;;
        --pass) :; return ;;
        --cacertdir) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --tls-ciphers | --tls-ciphersuites) :; return ;;
        esac
        words='--host --port --unix --user --askpass --pass --no-auth-warning --service --tls --cacert --cacertdir --cert --key --sni --insecure --tls-ciphers --tls-ciphersuites --help'
        ;;
    'snapshot export')
        case $before in
        --host) :; return ;;
        --port) :; return ;;
        --unix | --cacert | --cert | --key) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --user | --service | --sni) :; return ;;
        --pass) :; return ;;
        --cacertdir | --dir) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --tls-ciphers | --tls-ciphersuites) :; return ;;
        --memory) :; return ;;
        --match) :; return ;;
        --db) :; return ;;
        esac
        words='--host --port --unix --user --askpass --pass --no-auth-warning --service --tls --cacert --cacertdir --cert --key --sni --insecure --tls-ciphers --tls-ciphersuites --dir --memory --match --db --unsorted --help'
        if [[ $word != -* ]]; then
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
        fi
        ;;
    'snapshot import')
        case $before in
        --host) :; return ;;
        --port) :; return ;;
        --unix | --cacert | --cert | --key) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --user | --service | --sni) :; return ;;
        --pass) :; return ;;
        --cacertdir) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --tls-ciphers | --tls-ciphersuites) :; return ;;
        --db) :; return ;;
        esac
        words='--host --port --unix --user --askpass --pass --no-auth-warning --service --tls --cacert --cacertdir --cert --key --sni --insecure --tls-ciphers --tls-ciphersuites --replace --skip --db --check --help'
        if [[ $word != -* ]]; then
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
        fi
        ;;
    'audit')
        words='--help'
        ((COMP_CWORD != 2)) || words+=' verify show'
        ;;
    'audit verify')
        case $before in
        --key-file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --expect-last) :; return ;;
        --expect-lines) :; return ;;
        esac
        words='--key-file --expect-last --expect-lines --json --help'
        if [[ $word != -* ]]; then
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -d -- "$word")
            return
        fi
        ;;
    'audit show')
        case $before in
        --user) :; return ;;
        --class) mapfile -t COMPREPLY < <(compgen -W 'authentication administration rules invalidation denied connection data-read data-write' -- "$word"); return ;;
        --action) :; return ;;
        --since | --until) :; return ;;
        --result) mapfile -t COMPREPLY < <(compgen -W 'ok denied failed' -- "$word"); return ;;
        esac
        words='--user --class --action --since --until --result --json --help'
        if [[ $word != -* ]]; then
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -d -- "$word")
            return
        fi
        ;;
    'cert')
        case $before in
        --host | --client) :; return ;;
        --days) :; return ;;
        esac
        words='--host --client --days --help'
        if [[ $word != -* ]]; then
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -d -- "$word")
            return
        fi
        ;;
    'version')
        words='--help'
        ;;
    'help')
        words='server bench cli top check graph doctor snapshot audit cert version help'
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _strata strata
