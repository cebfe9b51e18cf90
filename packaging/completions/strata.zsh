#compdef strata
# zsh completion for strata. Generated from spec/program.yaml and spec/config.yaml by tools/gen_completions.py: change those instead.

_strata() {
    local command=$words[2]
    local -a names flags
    if ((CURRENT == 2)); then
        names=('server:run the cache server' 'bench:measure a server' 'cli:send commands to a server' 'top:show what a server is doing, live' 'check:say what is wrong with a manifest' 'graph:draw what a manifest'\''s rules invalidate' 'doctor:say whether a server would start with a directory'\''s log and snapshots' 'snapshot:take a snapshot, export or import' 'audit:look into audit logs' 'cert:make certificates for TLS in development and tests' 'version:say which version this is' 'help:list the commands, or explain one')
        _describe command names
        return
    fi
    local -i depth=1
    ((CURRENT == 3)) || case "$words[2] $words[3]" in
    ('bench null'|'bench replay'|'bench engine'|'snapshot save'|'snapshot export'|'snapshot import'|'audit verify'|'audit show') command+=" $words[3]"; depth=2 ;;
    esac
    case $command in
    ('server')
        flags=(
            '*--config=[read keys from a YAML file first]:file:_files'
            '--check-config[say what is wrong with the configuration, or what it comes to, and stop]'
            '--version[say which version this is]'
            '*--port=[TCP port]:value:'
            '*--bind=[Addresses to listen on]:value:'
            '*--unixsocket=[Path of a Unix socket to listen on as well]:file:_files'
            '*--unixsocketperm=[Permissions of the Unix socket, as three octal digits]:value:'
            '*--protected-mode=[Without a password, listen on loopback addresses only]:protected-mode:(yes no)'
            '*--requirepass=[Password that clients give with AUTH or HELLO]:value:'
            '*--aclfile=[File of the users and their rights, a line each]:file:_files'
            '*--users=[Users and their rights in the form of such a file, a line each, where there is no aclfile]:value:'
            '*--acllog-max-len=[Refused requests and passwords that ACL LOG remembers]:value:'
            '*--acl-pubsub-default=[What new users may do with channels]:acl-pubsub-default:(resetchannels allchannels)'
            '*--maxclients=[Connections at the same time]:value:'
            '*--timeout=[A connection that sends nothing for so long is closed]:value:'
            '*--tcp-keepalive=[How often the kernel probes a silent connection]:value:'
            '*--tcp-backlog=[Connections that may wait to be accepted]:value:'
            '*--tls-port=[Port for TLS]:value:'
            '*--tls-cert-file=[Certificate of the server, PEM, with those between it and the authority behind it]:file:_files'
            '*--tls-key-file=[Its key, PEM]:file:_files'
            '*--tls-key-file-pass=[Password of the key, if it is encrypted]:value:'
            '*--tls-ca-cert-file=[Certificates of the authorities that sign those of clients, PEM]:file:_files'
            '*--tls-ca-cert-dir=[The same as a folder, as openssl rehash makes it]:directory:_files -/'
            '*--tls-auth-clients=[Whether clients have to show a certificate, may, or are not asked]:tls-auth-clients:(no optional yes)'
            '*--tls-auth-clients-user=[A client with a certificate is the user of that name, without a password]:tls-auth-clients-user:(off CN URI)'
            '*--tls-protocols=[Of TLSv1.2 and TLSv1.3, with a space between]:value:'
            '*--tls-ciphers=[Ciphers of TLS 1.2 as OpenSSL lists them]:value:'
            '*--tls-ciphersuites=[Those of TLS 1.3]:value:'
            '*--tls-prefer-server-ciphers=[The server'\''s order of ciphers decides, and not the client'\''s]:tls-prefer-server-ciphers:(yes no)'
            '*--audit-dir=[Directory of the audit log, made if it is not there]:value:'
            '*--audit-key-file=[File with a key of 32 bytes or more, with which the lines are hashed (HMAC-SHA-256)]:file:_files'
            '*--audit-classes=[What is noted, of authentication, administration, rules, invalidation, denied, connection, data-read and data-write]:value:'
            '*--audit-users=[Only what these users do, as patterns with stars, with spaces between]:value:'
            '*--audit-users-except=[Not what these users do]:value:'
            '*--audit-commands=[Of the classes, only these commands]:value:'
            '*--audit-keys=[What is said of keys]:audit-keys:(class full prefix hash none)'
            '*--audit-sync=[When lines are flushed to disk]:audit-sync:(always everysec no)'
            '*--audit-max-size=[A file of this size is followed by the next]:value:'
            '*--audit-max-age=[The same for one that is so old, counted from when it was begun or the server was started]:value:'
            '*--audit-keep=[Files that are kept]:value:'
            '*--audit-anchor-lines=[An anchor, which also stands in the server'\''s log, after so many lines]:value:'
            '*--audit-anchor-interval=[And after this time, if there were any lines]:value:'
            '*--audit-queue-size=[Memory for events that wait to be written]:value:'
            '*--audit-back-pressure=[When it is full, connections whose requests are to be noted wait, or events are dropped, and a line says how many]:audit-back-pressure:(wait drop)'
            '*--audit-on-failure=[While the log cannot be written, what is to be noted is refused with AUDITFAIL, or done without being noted once audit-queue-size is used up]:audit-on-failure:(refuse continue)'
            '*--http-port=[Port for HTTP, 1.1 and 2, in the clear]:value:'
            '*--http-tls-port=[Port for HTTP over TLS, with the certificates and settings of TLS]:value:'
            '*--http-bind=[Addresses for these two ports, as in bind]:value:'
            '*--http-hosts=[Names, or patterns such as *.example.com, with spaces between, that requests may be addressed to, beside addresses, localhost and the machine'\''s name]:value:'
            '*--http-allowed-origins=[Sites whose pages may ask over HTTP from a browser, with spaces between]:value:'
            '*--http-max-connections=[Connections of HTTP at the same time]:value:'
            '*--http-max-body=[Largest body of a request, and of all that one connection is sending at a time]:value:'
            '*--http-max-memory=[Bytes that all connections of HTTP may hold]:value:'
            '*--maxmemory=[Memory for entries, index included]:value:'
            '*--maxmemory-policy=[What goes when memory is full]:maxmemory-policy:(noeviction allkeys-lru allkeys-lfu allkeys-random volatile-lru volatile-lfu volatile-random volatile-ttl)'
            '*--maxentries=[Entries that the default store holds at most]:value:'
            '*--client-query-buffer-limit=[Bytes of one request that are held at most]:value:'
            '*--client-output-buffer-limit=[Bytes that wait for one client, of the class normal or, once it has subscribed to something, pubsub]:value:'
            '*--tracking-table-max-keys=[Keys that the server remembers for client-side caching (CLIENT TRACKING)]:value:'
            '*--pattern-search-max-keys=[INVALIDATE PATTERN in a database with up to so many keys looks for those that match before it answers, and says how many they were]:value:'
            '*--proto-max-bulk-len=[Largest single argument]:value:'
            '*--lease-max=[Leases on missing keys (CGET) at the same time]:value:'
            '*--lease-waiters-max=[Clients'\'' commands that wait for somebody else to load a key, at the same time]:value:'
            '*--stream=[Whether what is invalidated is recorded for STREAM]:stream:(no auto yes)'
            '*--stream-max-bytes=[Memory for the records of the invalidation stream, for all subscribers together]:value:'
            '*--stream-retention=[Seconds for which recording goes on after the last subscriber has left, with stream auto]:value:'
            '*--history-max-bytes=[Memory in which the server remembers what became of keys that are no longer there (EXPLAIN, misses by cause in INFO), beside maxmemory]:value:'
            '*--threads=[Worker threads]:value:'
            '*--shards=[Parts of the cache that take writes side by side, rounded down to a power of two]:value:'
            '*--dir=[Working directory]:directory:_files -/'
            '*--pidfile=[File that holds the process number while the server runs]:file:_files'
            '*--logfile=[File that the log is appended to]:file:_files'
            '*--log-format=[Lines of the log as text, or each as a JSON object with time, level, pid, thread and message]:log-format:(text json)'
            '*--loglevel=[The least important messages that are logged]:loglevel:(debug verbose notice warning)'
            '*--rules=[File with the manifest, see the manifest]:file:_files'
            '*--rules-watch=[Whether the file of rules is read again by itself when it has changed, also if an editor or a deployment puts another in its place]:rules-watch:(yes no)'
            '*--ownership=[What becomes of a write to a key whose class has an owner, by a connection that has not said CLIENT SERVICE with its name, and of a read of one that has borrowers, by another]:ownership:(off warn enforce)'
            '*--housekeeping-interval=[How often a worker looks for expired entries and makes room, when it has nothing else to do]:value:'
            '*--shutdown-timeout=[How long an orderly stop waits for replies to be taken by their clients]:value:'
            '*--appendonly=[Whether the server keeps what it holds, in dir]:appendonly:(yes no)'
            '*--appendfsync=[When the log is flushed to disk]:appendfsync:(always everysec no)'
            '*--appendfsync-interval=[The interval of appendfsync everysec]:value:'
            '*--auto-aof-rewrite-percentage=[A snapshot is taken, which makes the log before it needless, when the log has grown to this share of the last snapshot]:value:'
            '*--auto-aof-rewrite-min-size=[But not before the log is so long]:value:'
            '*--save=[Pairs of seconds and changes, as in 3600 1 300 100]:value:'
            '*--snapshot-max-rate=[Bytes a second that a snapshot writes at most, but for the one at a stop]:value:'
            '*--backup-dir=[Directory in which backups are made, each a directory backup-DATE-TIME (UTC) that a server can be started on]:directory:_files -/'
            '*--backup-interval=[A backup is made when the last one in backup-dir is so old]:value:'
            '*--backups-kept=[How many backups are kept]:value:'
            '*--memory-file=[A file in memory (/dev/shm/...) that the cache lies in, so that it is still there after an orderly restart of the server]:file:_files'
            '*--warm-file=[File on SSD for what memory has no room for, or a directory in which it is called strata.warm (see the warm tier)]:file:_files'
            '*--warm-size=[Bytes of that file, which are set aside at the start]:value:'
            '*--warm-promote-hits=[What has been read so often from there comes back into memory]:value:'
            '*--warm-demote-idle=[What nobody has read for so long goes there though memory has room]:value:'
            '*--warm-maintenance-interval=[How often such entries are looked for]:value:'
            '*--warm-write-rate=[Bytes a second that are written to the file at most]:value:'
            '*--warm-keep-percent=[Share of a segment of the file that is written again when it makes room, because it was read there]:value:'
            '*--slowlog-log-slower-than=[Commands that run at least so long enter the slow log]:value:'
            '*--slowlog-max-len=[Entries that the slow log keeps]:value:'
            '*--commandlog-request-larger-than=[Requests of at least so many bytes enter the log of large requests (COMMANDLOG)]:value:'
            '*--commandlog-large-request-max-len=[Entries that it keeps]:value:'
            '*--commandlog-reply-larger-than=[The same for commands whose reply has at least so many bytes]:value:'
            '*--commandlog-large-reply-max-len=[Entries that the log of large replies keeps]:value:'
            '*--latency-monitor-threshold=[Events that take at least so long enter LATENCY HISTORY]:value:'
            '*--notify-keyspace-events=[Which events of keys are published, a letter for each class (see notifications)]:value:'
            '--help[print what there is]'
        )
        ;;
    ('bench')
        if ((CURRENT == 3)); then
            names=('null:a server that does nothing' 'replay:play recorded requests against a server' 'engine:measure the cache inside this process')
            _describe subcommand names
        fi
        flags=(
            '*--host=[address of the server]:address:'
            '*--port=[its port]:port:'
            '*--unix=[its Unix socket instead]:file:_files'
            '*--user=[as whom to log in]:name:'
            '--askpass[ask for the password]'
            '*--pass=[the password, for all to see]:text:'
            '--no-auth-warning[do not warn of a password that is shown]'
            '*--service=[as which service to read and write]:name:'
            '*--db=[database]:number:'
            '--tls[over TLS]'
            '*--cacert=[certificates of authorities to trust]:file:_files'
            '*--cacertdir=[a folder of them]:directory:_files -/'
            '*--cert=[our certificate]:file:_files'
            '*--key=[its key]:file:_files'
            '*--sni=[the name that the server'\''s certificate has]:name:'
            '--insecure[take any certificate]'
            '*--tls-ciphers=[ciphers of TLS 1.2]:list:'
            '*--tls-ciphersuites=[ciphers of TLS 1.3]:list:'
            '*--protocol=[Redis and its kin or memcached]:protocol:(resp memcached)'
            '*--clients=[connections]:number:'
            '*--threads=[threads that share the connections]:number:'
            '*--pipeline=[requests in a batch]:number:'
            '*--requests=[end after so many]:number:'
            '*--seconds=[end after this time]:seconds:'
            '*--warmup=[run for this time first]:seconds:'
            '*--stall=[give up when no reply has come for this time]:seconds:'
            '*--keys=[different keys]:number:'
            '*--key-size=[bytes of a key]:bytes:'
            '*--value-size=[bytes of a value]:bytes:'
            '*--mix=[get, set, or gets to sets]:mix:(get set 90/10 50/50)'
            '*--zipf=[popularity of keys]:number:'
            '*--rate=[requests a second whatever the server does]:number:'
            '--relaxed[leave the processor to others between requests]'
            '--load[set every key once, in order, and end]'
            '--verify[check every value that is read]'
            '*--seed=[of the random choices]:number:'
            '*--server-process=[report the processor time of this process]:process:'
            '--json[print the result as one line of JSON]'
            '--progress[show how it goes]'
            '--help[print what there is]'
        )
        ;;
    ('bench null')
        flags=(
            '*--port=[port on 127.0.0.1]:port:'
            '*--reply-size=[answer a value of so many bytes]:bytes:'
            '--help[print what there is]'
        )
        ;;
    ('bench replay')
        flags=(
            '*--host=[address of the server]:address:'
            '*--port=[its port]:port:'
            '*--unix=[its Unix socket instead]:file:_files'
            '*--user=[as whom to log in]:name:'
            '--askpass[ask for the password]'
            '*--pass=[the password, for all to see]:text:'
            '--no-auth-warning[do not warn of a password that is shown]'
            '*--service=[as which service to read and write]:name:'
            '*--db=[database]:number:'
            '--tls[over TLS]'
            '*--cacert=[certificates of authorities to trust]:file:_files'
            '*--cacertdir=[a folder of them]:directory:_files -/'
            '*--cert=[our certificate]:file:_files'
            '*--key=[its key]:file:_files'
            '*--sni=[the name that the server'\''s certificate has]:name:'
            '--insecure[take any certificate]'
            '*--tls-ciphers=[ciphers of TLS 1.2]:list:'
            '*--tls-ciphersuites=[ciphers of TLS 1.3]:list:'
            '*--trace=[what to replay]:file:_files'
            '*--protocol=[Redis and its kin or memcached]:protocol:(resp memcached)'
            '*--batch=[GETs that are sent together at most]:number:'
            '*--copies=[replay so many copies with keys of their own]:number:'
            '*--median=[of the sizes that are drawn]:bytes:'
            '*--sigma=[of their logarithm]:number:'
            '*--seed=[of the drawing]:number:'
            '--hash-tag[all keys share a hash tag]'
            '*--stall=[give up when no reply has come for this time]:seconds:'
            '*--simulate=[ask an LRU of so many bytes and no server]:bytes:'
            '--describe[only count what is in the trace]'
            '--json[print the result as one line of JSON]'
            '--help[print what there is]'
        )
        ;;
    ('bench engine')
        flags=(
            '*--entries=[in the cache]:number:'
            '*--operations=[in a measurement]:number:'
            '*--rounds=[in which everything has its turn]:number:'
            '*--threads=[up to so many read together]:number:'
            '*--shards=[of the cache]:number:'
            '*--seed=[of the random keys]:number:'
            '--json[print the result as one line of JSON]'
            '--help[print what there is]'
        )
        ;;
    ('cli')
        flags=(
            '*--host=[address of the server]:address:'
            '*--port=[its port]:port:'
            '*--unix=[its Unix socket instead]:file:_files'
            '*--user=[as whom to log in]:name:'
            '--askpass[ask for the password]'
            '*--pass=[the password, for all to see]:text:'
            '--no-auth-warning[do not warn of a password that is shown]'
            '*--service=[as which service to read and write]:name:'
            '*--db=[database]:number:'
            '--tls[over TLS]'
            '*--cacert=[certificates of authorities to trust]:file:_files'
            '*--cacertdir=[a folder of them]:directory:_files -/'
            '*--cert=[our certificate]:file:_files'
            '*--key=[its key]:file:_files'
            '*--sni=[the name that the server'\''s certificate has]:name:'
            '--insecure[take any certificate]'
            '*--tls-ciphers=[ciphers of TLS 1.2]:list:'
            '*--tls-ciphersuites=[ciphers of TLS 1.3]:list:'
            '--raw[replies as they are]'
            '--no-raw[replies with types and numbers]'
            '--csv[replies as CSV]'
            '--json[replies as JSON]'
            '--quoted-json[replies as JSON in ASCII]'
            '*--show-pushes=[print pushes of RESP3]:show-pushes:(yes no)'
            '--quoted-input[arguments are written as at the prompt]'
            '--pipe[send requests from standard input]'
            '*--pipe-timeout=[give up when no reply came for so long]:seconds:'
            '--scan[list keys]'
            '*--pattern=[only keys like this]:pattern:'
            '*--quoted-pattern=[the same, written as at the prompt]:pattern:'
            '*--count=[keys in a step of the list]:number:'
            '*--type=[only keys of this type]:type:'
            '--bigkeys[the largest keys by elements]'
            '--memkeys[the largest keys by memory]'
            '*--memkeys-samples=[elements looked at in each key]:number:'
            '--hotkeys[the busiest keys]'
            '--stat[figures line after line]'
            '--latency[round trips of PING]'
            '--latency-history[the same range after range]'
            '*--intrinsic-latency=[how long this machine holds up a process]:seconds:'
            '--version[say which version this is]'
            '--help[print what there is]'
        )
        ;;
    ('top')
        flags=(
            '*--host=[address of the server]:address:'
            '*--port=[its port]:port:'
            '*--unix=[its Unix socket instead]:file:_files'
            '*--user=[as whom to log in]:name:'
            '--askpass[ask for the password]'
            '*--pass=[the password, for all to see]:text:'
            '--no-auth-warning[do not warn of a password that is shown]'
            '*--service=[as which service to read and write]:name:'
            '--tls[over TLS]'
            '*--cacert=[certificates of authorities to trust]:file:_files'
            '*--cacertdir=[a folder of them]:directory:_files -/'
            '*--cert=[our certificate]:file:_files'
            '*--key=[its key]:file:_files'
            '*--sni=[the name that the server'\''s certificate has]:name:'
            '--insecure[take any certificate]'
            '*--tls-ciphers=[ciphers of TLS 1.2]:list:'
            '*--tls-ciphersuites=[ciphers of TLS 1.3]:list:'
            '*--interval=[between readings]:seconds:'
            '*--view=[which view to begin with]:view:(1 2 3 4 5)'
            '--once[print one screen and end]'
            '--json[print the figures as JSON and end]'
            '--help[print what there is]'
        )
        ;;
    ('check')
        flags=(
            '--strict[warnings count as errors]'
            '*--format=[as a compiler writes it or one JSON object]:format:(text json)'
            '--help[print what there is]'
            '*:file:_files'
        )
        ;;
    ('graph')
        flags=(
            '*--format=[for terminals, as a picture, or for programs]:format:(text svg dot)'
            '--help[print what there is]'
            '*:file:_files'
        )
        ;;
    ('doctor')
        flags=(
            '--repair[make a damaged directory usable again]'
            '--system[look at the machine instead]'
            '*--config=[the server'\''s configuration, for --system]:file:_files'
            '--json[one line of JSON, for --system]'
            '--help[print what there is]'
            '*:directory:_files -/'
        )
        ;;
    ('snapshot')
        if ((CURRENT == 3)); then
            names=('save:have a running server take a snapshot' 'export:write entries as lines of JSON' 'import:write lines of JSON to a running server')
            _describe subcommand names
        fi
        flags=(
            '*--host=[address of the server]:address:'
            '*--port=[its port]:port:'
            '*--unix=[its Unix socket instead]:file:_files'
            '*--user=[as whom to log in]:name:'
            '--askpass[ask for the password]'
            '*--pass=[the password, for all to see]:text:'
            '--no-auth-warning[do not warn of a password that is shown]'
            '*--service=[as which service to read and write]:name:'
            '--tls[over TLS]'
            '*--cacert=[certificates of authorities to trust]:file:_files'
            '*--cacertdir=[a folder of them]:directory:_files -/'
            '*--cert=[our certificate]:file:_files'
            '*--key=[its key]:file:_files'
            '*--sni=[the name that the server'\''s certificate has]:name:'
            '--insecure[take any certificate]'
            '*--tls-ciphers=[ciphers of TLS 1.2]:list:'
            '*--tls-ciphersuites=[ciphers of TLS 1.3]:list:'
            '--help[print what there is]'
        )
        ;;
    ('snapshot save')
        flags=(
            '*--host=[address of the server]:address:'
            '*--port=[its port]:port:'
            '*--unix=[its Unix socket instead]:file:_files'
            '*--user=[as whom to log in]:name:'
            '--askpass[ask for the password]'
            '*--pass=[the password, for all to see]:text:'
            '--no-auth-warning[do not warn of a password that is shown]'
            '*--service=[as which service to read and write]:name:'
            '--tls[over TLS]'
            '*--cacert=[certificates of authorities to trust]:file:_files'
            '*--cacertdir=[a folder of them]:directory:_files -/'
            '*--cert=[our certificate]:file:_files'
            '*--key=[its key]:file:_files'
            '*--sni=[the name that the server'\''s certificate has]:name:'
            '--insecure[take any certificate]'
            '*--tls-ciphers=[ciphers of TLS 1.2]:list:'
            '*--tls-ciphersuites=[ciphers of TLS 1.3]:list:'
            '--help[print what there is]'
        )
        ;;
    ('snapshot export')
        flags=(
            '*--host=[address of the server]:address:'
            '*--port=[its port]:port:'
            '*--unix=[its Unix socket instead]:file:_files'
            '*--user=[as whom to log in]:name:'
            '--askpass[ask for the password]'
            '*--pass=[the password, for all to see]:text:'
            '--no-auth-warning[do not warn of a password that is shown]'
            '*--service=[as which service to read and write]:name:'
            '--tls[over TLS]'
            '*--cacert=[certificates of authorities to trust]:file:_files'
            '*--cacertdir=[a folder of them]:directory:_files -/'
            '*--cert=[our certificate]:file:_files'
            '*--key=[its key]:file:_files'
            '*--sni=[the name that the server'\''s certificate has]:name:'
            '--insecure[take any certificate]'
            '*--tls-ciphers=[ciphers of TLS 1.2]:list:'
            '*--tls-ciphersuites=[ciphers of TLS 1.3]:list:'
            '*--dir=[of a server that does not run]:directory:_files -/'
            '*--memory=[memory to read it into]:size:'
            '*--match=[only keys like this]:pattern:'
            '*--db=[only of this database]:number:'
            '--unsorted[as they come, at once]'
            '--help[print what there is]'
            '*:file:_files'
        )
        ;;
    ('snapshot import')
        flags=(
            '*--host=[address of the server]:address:'
            '*--port=[its port]:port:'
            '*--unix=[its Unix socket instead]:file:_files'
            '*--user=[as whom to log in]:name:'
            '--askpass[ask for the password]'
            '*--pass=[the password, for all to see]:text:'
            '--no-auth-warning[do not warn of a password that is shown]'
            '*--service=[as which service to read and write]:name:'
            '--tls[over TLS]'
            '*--cacert=[certificates of authorities to trust]:file:_files'
            '*--cacertdir=[a folder of them]:directory:_files -/'
            '*--cert=[our certificate]:file:_files'
            '*--key=[its key]:file:_files'
            '*--sni=[the name that the server'\''s certificate has]:name:'
            '--insecure[take any certificate]'
            '*--tls-ciphers=[ciphers of TLS 1.2]:list:'
            '*--tls-ciphersuites=[ciphers of TLS 1.3]:list:'
            '--replace[over keys that are there]'
            '--skip[beside keys that are there]'
            '*--db=[only what is of this database]:number:'
            '--check[only say whether the lines are good]'
            '--help[print what there is]'
            '*:file:_files'
        )
        ;;
    ('audit')
        if ((CURRENT == 3)); then
            names=('verify:say whether a log is as it was written' 'show:print what is in a log')
            _describe subcommand names
        fi
        flags=(
            '--help[print what there is]'
        )
        ;;
    ('audit verify')
        flags=(
            '*--key-file=[the key of audit-key-file]:file:_files'
            '*--expect-last=[of a line that has to be there]:hash:'
            '*--expect-lines=[so many have to be there]:number:'
            '--json[print the result as one line of JSON]'
            '--help[print what there is]'
            '*:directory:_files -/'
        )
        ;;
    ('audit show')
        flags=(
            '*--user=[only what this user did]:name:'
            '*--class=[only of this class]:class:(authentication administration rules invalidation denied connection data-read data-write)'
            '*--action=[only this command]:command:'
            '*--since=[only from then on]:time:'
            '*--until=[only until then]:time:'
            '*--result=[only with this result]:result:(ok denied failed)'
            '--json[print lines as they stand]'
            '--help[print what there is]'
            '*:directory:_files -/'
        )
        ;;
    ('cert')
        flags=(
            '*--host=[a name or address that clients know the server by]:name:'
            '*--client=[a client'\''s certificate]:name:'
            '*--days=[how long they hold]:number:'
            '--help[print what there is]'
            '*:directory:_files -/'
        )
        ;;
    ('version')
        flags=(
            '--help[print what there is]'
        )
        ;;
    ('help')
        names=('server:run the cache server' 'bench:measure a server' 'cli:send commands to a server' 'top:show what a server is doing, live' 'check:say what is wrong with a manifest' 'graph:draw what a manifest'\''s rules invalidate' 'doctor:say whether a server would start with a directory'\''s log and snapshots' 'snapshot:take a snapshot, export or import' 'audit:look into audit logs' 'cert:make certificates for TLS in development and tests' 'version:say which version this is' 'help:list the commands, or explain one')
        _describe command names
        ;;
    esac
    # What stands before the flags is no argument of theirs.
    shift $depth words
    ((CURRENT -= depth))
    ((!$#flags)) || _arguments -S "$flags[@]"
}

if [[ $funcstack[1] == _strata ]]; then _strata "$@"; else compdef _strata strata; fi
