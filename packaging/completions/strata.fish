# fish completion for strata. Generated from spec/program.yaml and spec/config.yaml by tools/gen_completions.py: change those instead.

function __strata_is
    # Whether the command line so far begins with these words, and none of the subcommands behind `--` is next.
    set -l words (commandline -opc)
    set -e words[1]
    while set -q argv[1]; and test "$argv[1]" != --
        test "$words[1]" = "$argv[1]"; or return 1
        set -e words[1]
        set -e argv[1]
    end
    not set -q words[1]; or not contains -- $words[1] $argv[2..]
end

complete -c strata -f
complete -c strata -n 'test (count (commandline -opc)) = 1; or __strata_is help' -a server -d 'run the cache server'
complete -c strata -n 'test (count (commandline -opc)) = 1; or __strata_is help' -a bench -d 'measure a server'
complete -c strata -n 'test (count (commandline -opc)) = 1; or __strata_is help' -a cli -d 'send commands to a server'
complete -c strata -n 'test (count (commandline -opc)) = 1; or __strata_is help' -a top -d 'show what a server is doing, live'
complete -c strata -n 'test (count (commandline -opc)) = 1; or __strata_is help' -a check -d 'say what is wrong with a manifest'
complete -c strata -n 'test (count (commandline -opc)) = 1; or __strata_is help' -a graph -d 'draw what a manifest'\''s rules invalidate'
complete -c strata -n 'test (count (commandline -opc)) = 1; or __strata_is help' -a doctor -d 'say whether a server would start with a directory'\''s log and snapshots'
complete -c strata -n 'test (count (commandline -opc)) = 1; or __strata_is help' -a snapshot -d 'take a snapshot, export or import'
complete -c strata -n 'test (count (commandline -opc)) = 1; or __strata_is help' -a audit -d 'look into audit logs'
complete -c strata -n 'test (count (commandline -opc)) = 1; or __strata_is help' -a cert -d 'make certificates for TLS in development and tests'
complete -c strata -n 'test (count (commandline -opc)) = 1; or __strata_is help' -a version -d 'say which version this is'
complete -c strata -n 'test (count (commandline -opc)) = 1; or __strata_is help' -a help -d 'list the commands, or explain one'
complete -c strata -n '__strata_is server' -l config -d 'read keys from a YAML file first' -r -F
complete -c strata -n '__strata_is server' -l check-config -d 'say what is wrong with the configuration, or what it comes to, and stop'
complete -c strata -n '__strata_is server' -l version -d 'say which version this is'
complete -c strata -n '__strata_is server' -l port -d 'TCP port' -x
complete -c strata -n '__strata_is server' -l bind -d 'Addresses to listen on' -x
complete -c strata -n '__strata_is server' -l unixsocket -d 'Path of a Unix socket to listen on as well' -r -F
complete -c strata -n '__strata_is server' -l unixsocketperm -d 'Permissions of the Unix socket, as three octal digits' -x
complete -c strata -n '__strata_is server' -l protected-mode -d 'Without a password, listen on loopback addresses only' -x -a 'yes no'
complete -c strata -n '__strata_is server' -l requirepass -d 'Password that clients give with AUTH or HELLO' -x
complete -c strata -n '__strata_is server' -l aclfile -d 'File of the users and their rights, a line each' -r -F
complete -c strata -n '__strata_is server' -l users -d 'Users and their rights in the form of such a file, a line each, where there is no aclfile' -x
complete -c strata -n '__strata_is server' -l acllog-max-len -d 'Refused requests and passwords that ACL LOG remembers' -x
complete -c strata -n '__strata_is server' -l acl-pubsub-default -d 'What new users may do with channels' -x -a 'resetchannels allchannels'
complete -c strata -n '__strata_is server' -l maxclients -d 'Connections at the same time' -x
complete -c strata -n '__strata_is server' -l timeout -d 'A connection that sends nothing for so long is closed' -x
complete -c strata -n '__strata_is server' -l tcp-keepalive -d 'How often the kernel probes a silent connection' -x
complete -c strata -n '__strata_is server' -l tcp-backlog -d 'Connections that may wait to be accepted' -x
complete -c strata -n '__strata_is server' -l tls-port -d 'Port for TLS' -x
complete -c strata -n '__strata_is server' -l tls-cert-file -d 'Certificate of the server, PEM, with those between it and the authority behind it' -r -F
complete -c strata -n '__strata_is server' -l tls-key-file -d 'Its key, PEM' -r -F
complete -c strata -n '__strata_is server' -l tls-key-file-pass -d 'Password of the key, if it is encrypted' -x
complete -c strata -n '__strata_is server' -l tls-ca-cert-file -d 'Certificates of the authorities that sign those of clients, PEM' -r -F
complete -c strata -n '__strata_is server' -l tls-ca-cert-dir -d 'The same as a folder, as openssl rehash makes it' -x -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is server' -l tls-auth-clients -d 'Whether clients have to show a certificate, may, or are not asked' -x -a 'no optional yes'
complete -c strata -n '__strata_is server' -l tls-auth-clients-user -d 'A client with a certificate is the user of that name, without a password' -x -a 'off CN URI'
complete -c strata -n '__strata_is server' -l tls-protocols -d 'Of TLSv1.2 and TLSv1.3, with a space between' -x
complete -c strata -n '__strata_is server' -l tls-ciphers -d 'Ciphers of TLS 1.2 as OpenSSL lists them' -x
complete -c strata -n '__strata_is server' -l tls-ciphersuites -d 'Those of TLS 1.3' -x
complete -c strata -n '__strata_is server' -l tls-prefer-server-ciphers -d 'The server'\''s order of ciphers decides, and not the client'\''s' -x -a 'yes no'
complete -c strata -n '__strata_is server' -l audit-dir -d 'Directory of the audit log, made if it is not there' -x
complete -c strata -n '__strata_is server' -l audit-key-file -d 'File with a key of 32 bytes or more, with which the lines are hashed (HMAC-SHA-256)' -r -F
complete -c strata -n '__strata_is server' -l audit-classes -d 'What is noted, of authentication, administration, rules, invalidation, denied, connection, data-read and data-write' -x
complete -c strata -n '__strata_is server' -l audit-users -d 'Only what these users do, as patterns with stars, with spaces between' -x
complete -c strata -n '__strata_is server' -l audit-users-except -d 'Not what these users do' -x
complete -c strata -n '__strata_is server' -l audit-commands -d 'Of the classes, only these commands' -x
complete -c strata -n '__strata_is server' -l audit-keys -d 'What is said of keys' -x -a 'class full prefix hash none'
complete -c strata -n '__strata_is server' -l audit-sync -d 'When lines are flushed to disk' -x -a 'always everysec no'
complete -c strata -n '__strata_is server' -l audit-max-size -d 'A file of this size is followed by the next' -x
complete -c strata -n '__strata_is server' -l audit-max-age -d 'The same for one that is so old, counted from when it was begun or the server was started' -x
complete -c strata -n '__strata_is server' -l audit-keep -d 'Files that are kept' -x
complete -c strata -n '__strata_is server' -l audit-anchor-lines -d 'An anchor, which also stands in the server'\''s log, after so many lines' -x
complete -c strata -n '__strata_is server' -l audit-anchor-interval -d 'And after this time, if there were any lines' -x
complete -c strata -n '__strata_is server' -l audit-queue-size -d 'Memory for events that wait to be written' -x
complete -c strata -n '__strata_is server' -l audit-back-pressure -d 'When it is full, connections whose requests are to be noted wait, or events are dropped, and a line says how many' -x -a 'wait drop'
complete -c strata -n '__strata_is server' -l audit-on-failure -d 'While the log cannot be written, what is to be noted is refused with AUDITFAIL, or done without being noted once audit-queue-size is used up' -x -a 'refuse continue'
complete -c strata -n '__strata_is server' -l http-port -d 'Port for HTTP, 1.1 and 2, in the clear' -x
complete -c strata -n '__strata_is server' -l http-tls-port -d 'Port for HTTP over TLS, with the certificates and settings of TLS' -x
complete -c strata -n '__strata_is server' -l http-bind -d 'Addresses for these two ports, as in bind' -x
complete -c strata -n '__strata_is server' -l http-hosts -d 'Names, or patterns such as *.example.com, with spaces between, that requests may be addressed to, beside addresses, localhost and the machine'\''s name' -x
complete -c strata -n '__strata_is server' -l http-allowed-origins -d 'Sites whose pages may ask over HTTP from a browser, with spaces between' -x
complete -c strata -n '__strata_is server' -l http-max-connections -d 'Connections of HTTP at the same time' -x
complete -c strata -n '__strata_is server' -l http-max-body -d 'Largest body of a request, and of all that one connection is sending at a time' -x
complete -c strata -n '__strata_is server' -l http-max-memory -d 'Bytes that all connections of HTTP may hold' -x
complete -c strata -n '__strata_is server' -l maxmemory -d 'Memory for entries, index included' -x
complete -c strata -n '__strata_is server' -l maxmemory-policy -d 'What goes when memory is full' -x -a 'noeviction allkeys-lru allkeys-lfu allkeys-random volatile-lru volatile-lfu volatile-random volatile-ttl'
complete -c strata -n '__strata_is server' -l maxentries -d 'Entries that the default store holds at most' -x
complete -c strata -n '__strata_is server' -l client-query-buffer-limit -d 'Bytes of one request that are held at most' -x
complete -c strata -n '__strata_is server' -l client-output-buffer-limit -d 'Bytes that wait for one client, of the class normal or, once it has subscribed to something, pubsub' -x
complete -c strata -n '__strata_is server' -l tracking-table-max-keys -d 'Keys that the server remembers for client-side caching (CLIENT TRACKING)' -x
complete -c strata -n '__strata_is server' -l pattern-search-max-keys -d 'INVALIDATE PATTERN in a database with up to so many keys looks for those that match before it answers, and says how many they were' -x
complete -c strata -n '__strata_is server' -l proto-max-bulk-len -d 'Largest single argument' -x
complete -c strata -n '__strata_is server' -l lease-max -d 'Leases on missing keys (CGET) at the same time' -x
complete -c strata -n '__strata_is server' -l lease-waiters-max -d 'Clients'\'' commands that wait for somebody else to load a key, at the same time' -x
complete -c strata -n '__strata_is server' -l stream -d 'Whether what is invalidated is recorded for STREAM' -x -a 'no auto yes'
complete -c strata -n '__strata_is server' -l stream-max-bytes -d 'Memory for the records of the invalidation stream, for all subscribers together' -x
complete -c strata -n '__strata_is server' -l stream-retention -d 'Seconds for which recording goes on after the last subscriber has left, with stream auto' -x
complete -c strata -n '__strata_is server' -l history-max-bytes -d 'Memory in which the server remembers what became of keys that are no longer there (EXPLAIN, misses by cause in INFO), beside maxmemory' -x
complete -c strata -n '__strata_is server' -l threads -d 'Worker threads' -x
complete -c strata -n '__strata_is server' -l shards -d 'Parts of the cache that take writes side by side, rounded down to a power of two' -x
complete -c strata -n '__strata_is server' -l dir -d 'Working directory' -x -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is server' -l pidfile -d 'File that holds the process number while the server runs' -r -F
complete -c strata -n '__strata_is server' -l logfile -d 'File that the log is appended to' -r -F
complete -c strata -n '__strata_is server' -l log-format -d 'Lines of the log as text, or each as a JSON object with time, level, pid, thread and message' -x -a 'text json'
complete -c strata -n '__strata_is server' -l loglevel -d 'The least important messages that are logged' -x -a 'debug verbose notice warning'
complete -c strata -n '__strata_is server' -l rules -d 'File with the manifest, see the manifest' -r -F
complete -c strata -n '__strata_is server' -l rules-watch -d 'Whether the file of rules is read again by itself when it has changed, also if an editor or a deployment puts another in its place' -x -a 'yes no'
complete -c strata -n '__strata_is server' -l ownership -d 'What becomes of a write to a key whose class has an owner, by a connection that has not said CLIENT SERVICE with its name, and of a read of one that has borrowers, by another' -x -a 'off warn enforce'
complete -c strata -n '__strata_is server' -l housekeeping-interval -d 'How often a worker looks for expired entries and makes room, when it has nothing else to do' -x
complete -c strata -n '__strata_is server' -l shutdown-timeout -d 'How long an orderly stop waits for replies to be taken by their clients' -x
complete -c strata -n '__strata_is server' -l appendonly -d 'Whether the server keeps what it holds, in dir' -x -a 'yes no'
complete -c strata -n '__strata_is server' -l appendfsync -d 'When the log is flushed to disk' -x -a 'always everysec no'
complete -c strata -n '__strata_is server' -l appendfsync-interval -d 'The interval of appendfsync everysec' -x
complete -c strata -n '__strata_is server' -l auto-aof-rewrite-percentage -d 'A snapshot is taken, which makes the log before it needless, when the log has grown to this share of the last snapshot' -x
complete -c strata -n '__strata_is server' -l auto-aof-rewrite-min-size -d 'But not before the log is so long' -x
complete -c strata -n '__strata_is server' -l save -d 'Pairs of seconds and changes, as in 3600 1 300 100' -x
complete -c strata -n '__strata_is server' -l snapshot-max-rate -d 'Bytes a second that a snapshot writes at most, but for the one at a stop' -x
complete -c strata -n '__strata_is server' -l backup-dir -d 'Directory in which backups are made, each a directory backup-DATE-TIME (UTC) that a server can be started on' -x -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is server' -l backup-interval -d 'A backup is made when the last one in backup-dir is so old' -x
complete -c strata -n '__strata_is server' -l backups-kept -d 'How many backups are kept' -x
complete -c strata -n '__strata_is server' -l memory-file -d 'A file in memory (/dev/shm/...) that the cache lies in, so that it is still there after an orderly restart of the server' -r -F
complete -c strata -n '__strata_is server' -l warm-file -d 'File on SSD for what memory has no room for, or a directory in which it is called strata.warm (see the warm tier)' -r -F
complete -c strata -n '__strata_is server' -l warm-size -d 'Bytes of that file, which are set aside at the start' -x
complete -c strata -n '__strata_is server' -l warm-promote-hits -d 'What has been read so often from there comes back into memory' -x
complete -c strata -n '__strata_is server' -l warm-demote-idle -d 'What nobody has read for so long goes there though memory has room' -x
complete -c strata -n '__strata_is server' -l warm-maintenance-interval -d 'How often such entries are looked for' -x
complete -c strata -n '__strata_is server' -l warm-write-rate -d 'Bytes a second that are written to the file at most' -x
complete -c strata -n '__strata_is server' -l warm-keep-percent -d 'Share of a segment of the file that is written again when it makes room, because it was read there' -x
complete -c strata -n '__strata_is server' -l slowlog-log-slower-than -d 'Commands that run at least so long enter the slow log' -x
complete -c strata -n '__strata_is server' -l slowlog-max-len -d 'Entries that the slow log keeps' -x
complete -c strata -n '__strata_is server' -l commandlog-request-larger-than -d 'Requests of at least so many bytes enter the log of large requests (COMMANDLOG)' -x
complete -c strata -n '__strata_is server' -l commandlog-large-request-max-len -d 'Entries that it keeps' -x
complete -c strata -n '__strata_is server' -l commandlog-reply-larger-than -d 'The same for commands whose reply has at least so many bytes' -x
complete -c strata -n '__strata_is server' -l commandlog-large-reply-max-len -d 'Entries that the log of large replies keeps' -x
complete -c strata -n '__strata_is server' -l latency-monitor-threshold -d 'Events that take at least so long enter LATENCY HISTORY' -x
complete -c strata -n '__strata_is server' -l notify-keyspace-events -d 'Which events of keys are published, a letter for each class (see notifications)' -x
complete -c strata -n '__strata_is server' -l help -d 'print what there is'
complete -c strata -n '__strata_is bench -- null replay engine' -a null -d 'a server that does nothing'
complete -c strata -n '__strata_is bench -- null replay engine' -a replay -d 'play recorded requests against a server'
complete -c strata -n '__strata_is bench -- null replay engine' -a engine -d 'measure the cache inside this process'
complete -c strata -n '__strata_is bench -- null replay engine' -l host -d 'address of the server' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l port -d 'its port' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l unix -d 'its Unix socket instead' -r -F
complete -c strata -n '__strata_is bench -- null replay engine' -l user -d 'as whom to log in' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l askpass -d 'ask for the password'
complete -c strata -n '__strata_is bench -- null replay engine' -l pass -d 'the password, for all to see' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l no-auth-warning -d 'do not warn of a password that is shown'
complete -c strata -n '__strata_is bench -- null replay engine' -l service -d 'as which service to read and write' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l db -d 'database' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l tls -d 'over TLS'
complete -c strata -n '__strata_is bench -- null replay engine' -l cacert -d 'certificates of authorities to trust' -r -F
complete -c strata -n '__strata_is bench -- null replay engine' -l cacertdir -d 'a folder of them' -x -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is bench -- null replay engine' -l cert -d 'our certificate' -r -F
complete -c strata -n '__strata_is bench -- null replay engine' -l key -d 'its key' -r -F
complete -c strata -n '__strata_is bench -- null replay engine' -l sni -d 'the name that the server'\''s certificate has' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l insecure -d 'take any certificate'
complete -c strata -n '__strata_is bench -- null replay engine' -l tls-ciphers -d 'ciphers of TLS 1.2' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l tls-ciphersuites -d 'ciphers of TLS 1.3' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l protocol -d 'Redis and its kin or memcached' -x -a 'resp memcached'
complete -c strata -n '__strata_is bench -- null replay engine' -l clients -d 'connections' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l threads -d 'threads that share the connections' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l pipeline -d 'requests in a batch' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l requests -d 'end after so many' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l seconds -d 'end after this time' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l warmup -d 'run for this time first' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l stall -d 'give up when no reply has come for this time' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l keys -d 'different keys' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l key-size -d 'bytes of a key' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l value-size -d 'bytes of a value' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l mix -d 'get, set, or gets to sets' -x -a 'get set 90/10 50/50'
complete -c strata -n '__strata_is bench -- null replay engine' -l zipf -d 'popularity of keys' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l rate -d 'requests a second whatever the server does' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l relaxed -d 'leave the processor to others between requests'
complete -c strata -n '__strata_is bench -- null replay engine' -l load -d 'set every key once, in order, and end'
complete -c strata -n '__strata_is bench -- null replay engine' -l verify -d 'check every value that is read'
complete -c strata -n '__strata_is bench -- null replay engine' -l seed -d 'of the random choices' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l server-process -d 'report the processor time of this process' -x
complete -c strata -n '__strata_is bench -- null replay engine' -l json -d 'print the result as one line of JSON'
complete -c strata -n '__strata_is bench -- null replay engine' -l progress -d 'show how it goes'
complete -c strata -n '__strata_is bench -- null replay engine' -l help -d 'print what there is'
complete -c strata -n '__strata_is bench null' -l port -d 'port on 127.0.0.1' -x
complete -c strata -n '__strata_is bench null' -l reply-size -d 'answer a value of so many bytes' -x
complete -c strata -n '__strata_is bench null' -l help -d 'print what there is'
complete -c strata -n '__strata_is bench replay' -l host -d 'address of the server' -x
complete -c strata -n '__strata_is bench replay' -l port -d 'its port' -x
complete -c strata -n '__strata_is bench replay' -l unix -d 'its Unix socket instead' -r -F
complete -c strata -n '__strata_is bench replay' -l user -d 'as whom to log in' -x
complete -c strata -n '__strata_is bench replay' -l askpass -d 'ask for the password'
complete -c strata -n '__strata_is bench replay' -l pass -d 'the password, for all to see' -x
complete -c strata -n '__strata_is bench replay' -l no-auth-warning -d 'do not warn of a password that is shown'
complete -c strata -n '__strata_is bench replay' -l service -d 'as which service to read and write' -x
complete -c strata -n '__strata_is bench replay' -l db -d 'database' -x
complete -c strata -n '__strata_is bench replay' -l tls -d 'over TLS'
complete -c strata -n '__strata_is bench replay' -l cacert -d 'certificates of authorities to trust' -r -F
complete -c strata -n '__strata_is bench replay' -l cacertdir -d 'a folder of them' -x -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is bench replay' -l cert -d 'our certificate' -r -F
complete -c strata -n '__strata_is bench replay' -l key -d 'its key' -r -F
complete -c strata -n '__strata_is bench replay' -l sni -d 'the name that the server'\''s certificate has' -x
complete -c strata -n '__strata_is bench replay' -l insecure -d 'take any certificate'
complete -c strata -n '__strata_is bench replay' -l tls-ciphers -d 'ciphers of TLS 1.2' -x
complete -c strata -n '__strata_is bench replay' -l tls-ciphersuites -d 'ciphers of TLS 1.3' -x
complete -c strata -n '__strata_is bench replay' -l trace -d 'what to replay' -r -F
complete -c strata -n '__strata_is bench replay' -l protocol -d 'Redis and its kin or memcached' -x -a 'resp memcached'
complete -c strata -n '__strata_is bench replay' -l batch -d 'GETs that are sent together at most' -x
complete -c strata -n '__strata_is bench replay' -l copies -d 'replay so many copies with keys of their own' -x
complete -c strata -n '__strata_is bench replay' -l median -d 'of the sizes that are drawn' -x
complete -c strata -n '__strata_is bench replay' -l sigma -d 'of their logarithm' -x
complete -c strata -n '__strata_is bench replay' -l seed -d 'of the drawing' -x
complete -c strata -n '__strata_is bench replay' -l hash-tag -d 'all keys share a hash tag'
complete -c strata -n '__strata_is bench replay' -l stall -d 'give up when no reply has come for this time' -x
complete -c strata -n '__strata_is bench replay' -l simulate -d 'ask an LRU of so many bytes and no server' -x
complete -c strata -n '__strata_is bench replay' -l describe -d 'only count what is in the trace'
complete -c strata -n '__strata_is bench replay' -l json -d 'print the result as one line of JSON'
complete -c strata -n '__strata_is bench replay' -l help -d 'print what there is'
complete -c strata -n '__strata_is bench engine' -l entries -d 'in the cache' -x
complete -c strata -n '__strata_is bench engine' -l operations -d 'in a measurement' -x
complete -c strata -n '__strata_is bench engine' -l rounds -d 'in which everything has its turn' -x
complete -c strata -n '__strata_is bench engine' -l threads -d 'up to so many read together' -x
complete -c strata -n '__strata_is bench engine' -l shards -d 'of the cache' -x
complete -c strata -n '__strata_is bench engine' -l seed -d 'of the random keys' -x
complete -c strata -n '__strata_is bench engine' -l json -d 'print the result as one line of JSON'
complete -c strata -n '__strata_is bench engine' -l help -d 'print what there is'
complete -c strata -n '__strata_is cli' -l host -d 'address of the server' -x
complete -c strata -n '__strata_is cli' -l port -d 'its port' -x
complete -c strata -n '__strata_is cli' -l unix -d 'its Unix socket instead' -r -F
complete -c strata -n '__strata_is cli' -l user -d 'as whom to log in' -x
complete -c strata -n '__strata_is cli' -l askpass -d 'ask for the password'
complete -c strata -n '__strata_is cli' -l pass -d 'the password, for all to see' -x
complete -c strata -n '__strata_is cli' -l no-auth-warning -d 'do not warn of a password that is shown'
complete -c strata -n '__strata_is cli' -l service -d 'as which service to read and write' -x
complete -c strata -n '__strata_is cli' -l db -d 'database' -x
complete -c strata -n '__strata_is cli' -l tls -d 'over TLS'
complete -c strata -n '__strata_is cli' -l cacert -d 'certificates of authorities to trust' -r -F
complete -c strata -n '__strata_is cli' -l cacertdir -d 'a folder of them' -x -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is cli' -l cert -d 'our certificate' -r -F
complete -c strata -n '__strata_is cli' -l key -d 'its key' -r -F
complete -c strata -n '__strata_is cli' -l sni -d 'the name that the server'\''s certificate has' -x
complete -c strata -n '__strata_is cli' -l insecure -d 'take any certificate'
complete -c strata -n '__strata_is cli' -l tls-ciphers -d 'ciphers of TLS 1.2' -x
complete -c strata -n '__strata_is cli' -l tls-ciphersuites -d 'ciphers of TLS 1.3' -x
complete -c strata -n '__strata_is cli' -l raw -d 'replies as they are'
complete -c strata -n '__strata_is cli' -l no-raw -d 'replies with types and numbers'
complete -c strata -n '__strata_is cli' -l csv -d 'replies as CSV'
complete -c strata -n '__strata_is cli' -l json -d 'replies as JSON'
complete -c strata -n '__strata_is cli' -l quoted-json -d 'replies as JSON in ASCII'
complete -c strata -n '__strata_is cli' -l show-pushes -d 'print pushes of RESP3' -x -a 'yes no'
complete -c strata -n '__strata_is cli' -l quoted-input -d 'arguments are written as at the prompt'
complete -c strata -n '__strata_is cli' -l pipe -d 'send requests from standard input'
complete -c strata -n '__strata_is cli' -l pipe-timeout -d 'give up when no reply came for so long' -x
complete -c strata -n '__strata_is cli' -l scan -d 'list keys'
complete -c strata -n '__strata_is cli' -l pattern -d 'only keys like this' -x
complete -c strata -n '__strata_is cli' -l quoted-pattern -d 'the same, written as at the prompt' -x
complete -c strata -n '__strata_is cli' -l count -d 'keys in a step of the list' -x
complete -c strata -n '__strata_is cli' -l type -d 'only keys of this type' -x
complete -c strata -n '__strata_is cli' -l bigkeys -d 'the largest keys by elements'
complete -c strata -n '__strata_is cli' -l memkeys -d 'the largest keys by memory'
complete -c strata -n '__strata_is cli' -l memkeys-samples -d 'elements looked at in each key' -x
complete -c strata -n '__strata_is cli' -l hotkeys -d 'the busiest keys'
complete -c strata -n '__strata_is cli' -l stat -d 'figures line after line'
complete -c strata -n '__strata_is cli' -l latency -d 'round trips of PING'
complete -c strata -n '__strata_is cli' -l latency-history -d 'the same range after range'
complete -c strata -n '__strata_is cli' -l intrinsic-latency -d 'how long this machine holds up a process' -x
complete -c strata -n '__strata_is cli' -l version -d 'say which version this is'
complete -c strata -n '__strata_is cli' -l help -d 'print what there is'
complete -c strata -n '__strata_is top' -l host -d 'address of the server' -x
complete -c strata -n '__strata_is top' -l port -d 'its port' -x
complete -c strata -n '__strata_is top' -l unix -d 'its Unix socket instead' -r -F
complete -c strata -n '__strata_is top' -l user -d 'as whom to log in' -x
complete -c strata -n '__strata_is top' -l askpass -d 'ask for the password'
complete -c strata -n '__strata_is top' -l pass -d 'the password, for all to see' -x
complete -c strata -n '__strata_is top' -l no-auth-warning -d 'do not warn of a password that is shown'
complete -c strata -n '__strata_is top' -l service -d 'as which service to read and write' -x
complete -c strata -n '__strata_is top' -l tls -d 'over TLS'
complete -c strata -n '__strata_is top' -l cacert -d 'certificates of authorities to trust' -r -F
complete -c strata -n '__strata_is top' -l cacertdir -d 'a folder of them' -x -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is top' -l cert -d 'our certificate' -r -F
complete -c strata -n '__strata_is top' -l key -d 'its key' -r -F
complete -c strata -n '__strata_is top' -l sni -d 'the name that the server'\''s certificate has' -x
complete -c strata -n '__strata_is top' -l insecure -d 'take any certificate'
complete -c strata -n '__strata_is top' -l tls-ciphers -d 'ciphers of TLS 1.2' -x
complete -c strata -n '__strata_is top' -l tls-ciphersuites -d 'ciphers of TLS 1.3' -x
complete -c strata -n '__strata_is top' -l interval -d 'between readings' -x
complete -c strata -n '__strata_is top' -l view -d 'which view to begin with' -x -a '1 2 3 4 5'
complete -c strata -n '__strata_is top' -l once -d 'print one screen and end'
complete -c strata -n '__strata_is top' -l json -d 'print the figures as JSON and end'
complete -c strata -n '__strata_is top' -l help -d 'print what there is'
complete -c strata -n '__strata_is check' -a '(__fish_complete_path)'
complete -c strata -n '__strata_is check' -l strict -d 'warnings count as errors'
complete -c strata -n '__strata_is check' -l format -d 'as a compiler writes it or one JSON object' -x -a 'text json'
complete -c strata -n '__strata_is check' -l help -d 'print what there is'
complete -c strata -n '__strata_is graph' -a '(__fish_complete_path)'
complete -c strata -n '__strata_is graph' -l format -d 'for terminals, as a picture, or for programs' -x -a 'text svg dot'
complete -c strata -n '__strata_is graph' -l help -d 'print what there is'
complete -c strata -n '__strata_is doctor' -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is doctor' -l repair -d 'make a damaged directory usable again'
complete -c strata -n '__strata_is doctor' -l system -d 'look at the machine instead'
complete -c strata -n '__strata_is doctor' -l config -d 'the server'\''s configuration, for --system' -r -F
complete -c strata -n '__strata_is doctor' -l json -d 'one line of JSON, for --system'
complete -c strata -n '__strata_is doctor' -l help -d 'print what there is'
complete -c strata -n '__strata_is snapshot -- save export import' -a save -d 'have a running server take a snapshot'
complete -c strata -n '__strata_is snapshot -- save export import' -a export -d 'write entries as lines of JSON'
complete -c strata -n '__strata_is snapshot -- save export import' -a import -d 'write lines of JSON to a running server'
complete -c strata -n '__strata_is snapshot -- save export import' -l host -d 'address of the server' -x
complete -c strata -n '__strata_is snapshot -- save export import' -l port -d 'its port' -x
complete -c strata -n '__strata_is snapshot -- save export import' -l unix -d 'its Unix socket instead' -r -F
complete -c strata -n '__strata_is snapshot -- save export import' -l user -d 'as whom to log in' -x
complete -c strata -n '__strata_is snapshot -- save export import' -l askpass -d 'ask for the password'
complete -c strata -n '__strata_is snapshot -- save export import' -l pass -d 'the password, for all to see' -x
complete -c strata -n '__strata_is snapshot -- save export import' -l no-auth-warning -d 'do not warn of a password that is shown'
complete -c strata -n '__strata_is snapshot -- save export import' -l service -d 'as which service to read and write' -x
complete -c strata -n '__strata_is snapshot -- save export import' -l tls -d 'over TLS'
complete -c strata -n '__strata_is snapshot -- save export import' -l cacert -d 'certificates of authorities to trust' -r -F
complete -c strata -n '__strata_is snapshot -- save export import' -l cacertdir -d 'a folder of them' -x -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is snapshot -- save export import' -l cert -d 'our certificate' -r -F
complete -c strata -n '__strata_is snapshot -- save export import' -l key -d 'its key' -r -F
complete -c strata -n '__strata_is snapshot -- save export import' -l sni -d 'the name that the server'\''s certificate has' -x
complete -c strata -n '__strata_is snapshot -- save export import' -l insecure -d 'take any certificate'
complete -c strata -n '__strata_is snapshot -- save export import' -l tls-ciphers -d 'ciphers of TLS 1.2' -x
complete -c strata -n '__strata_is snapshot -- save export import' -l tls-ciphersuites -d 'ciphers of TLS 1.3' -x
complete -c strata -n '__strata_is snapshot -- save export import' -l help -d 'print what there is'
complete -c strata -n '__strata_is snapshot save' -l host -d 'address of the server' -x
complete -c strata -n '__strata_is snapshot save' -l port -d 'its port' -x
complete -c strata -n '__strata_is snapshot save' -l unix -d 'its Unix socket instead' -r -F
complete -c strata -n '__strata_is snapshot save' -l user -d 'as whom to log in' -x
complete -c strata -n '__strata_is snapshot save' -l askpass -d 'ask for the password'
complete -c strata -n '__strata_is snapshot save' -l pass -d 'the password, for all to see' -x
complete -c strata -n '__strata_is snapshot save' -l no-auth-warning -d 'do not warn of a password that is shown'
complete -c strata -n '__strata_is snapshot save' -l service -d 'as which service to read and write' -x
complete -c strata -n '__strata_is snapshot save' -l tls -d 'over TLS'
complete -c strata -n '__strata_is snapshot save' -l cacert -d 'certificates of authorities to trust' -r -F
complete -c strata -n '__strata_is snapshot save' -l cacertdir -d 'a folder of them' -x -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is snapshot save' -l cert -d 'our certificate' -r -F
complete -c strata -n '__strata_is snapshot save' -l key -d 'its key' -r -F
complete -c strata -n '__strata_is snapshot save' -l sni -d 'the name that the server'\''s certificate has' -x
complete -c strata -n '__strata_is snapshot save' -l insecure -d 'take any certificate'
complete -c strata -n '__strata_is snapshot save' -l tls-ciphers -d 'ciphers of TLS 1.2' -x
complete -c strata -n '__strata_is snapshot save' -l tls-ciphersuites -d 'ciphers of TLS 1.3' -x
complete -c strata -n '__strata_is snapshot save' -l help -d 'print what there is'
complete -c strata -n '__strata_is snapshot export' -a '(__fish_complete_path)'
complete -c strata -n '__strata_is snapshot export' -l host -d 'address of the server' -x
complete -c strata -n '__strata_is snapshot export' -l port -d 'its port' -x
complete -c strata -n '__strata_is snapshot export' -l unix -d 'its Unix socket instead' -r -F
complete -c strata -n '__strata_is snapshot export' -l user -d 'as whom to log in' -x
complete -c strata -n '__strata_is snapshot export' -l askpass -d 'ask for the password'
complete -c strata -n '__strata_is snapshot export' -l pass -d 'the password, for all to see' -x
complete -c strata -n '__strata_is snapshot export' -l no-auth-warning -d 'do not warn of a password that is shown'
complete -c strata -n '__strata_is snapshot export' -l service -d 'as which service to read and write' -x
complete -c strata -n '__strata_is snapshot export' -l tls -d 'over TLS'
complete -c strata -n '__strata_is snapshot export' -l cacert -d 'certificates of authorities to trust' -r -F
complete -c strata -n '__strata_is snapshot export' -l cacertdir -d 'a folder of them' -x -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is snapshot export' -l cert -d 'our certificate' -r -F
complete -c strata -n '__strata_is snapshot export' -l key -d 'its key' -r -F
complete -c strata -n '__strata_is snapshot export' -l sni -d 'the name that the server'\''s certificate has' -x
complete -c strata -n '__strata_is snapshot export' -l insecure -d 'take any certificate'
complete -c strata -n '__strata_is snapshot export' -l tls-ciphers -d 'ciphers of TLS 1.2' -x
complete -c strata -n '__strata_is snapshot export' -l tls-ciphersuites -d 'ciphers of TLS 1.3' -x
complete -c strata -n '__strata_is snapshot export' -l dir -d 'of a server that does not run' -x -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is snapshot export' -l memory -d 'memory to read it into' -x
complete -c strata -n '__strata_is snapshot export' -l match -d 'only keys like this' -x
complete -c strata -n '__strata_is snapshot export' -l db -d 'only of this database' -x
complete -c strata -n '__strata_is snapshot export' -l unsorted -d 'as they come, at once'
complete -c strata -n '__strata_is snapshot export' -l help -d 'print what there is'
complete -c strata -n '__strata_is snapshot import' -a '(__fish_complete_path)'
complete -c strata -n '__strata_is snapshot import' -l host -d 'address of the server' -x
complete -c strata -n '__strata_is snapshot import' -l port -d 'its port' -x
complete -c strata -n '__strata_is snapshot import' -l unix -d 'its Unix socket instead' -r -F
complete -c strata -n '__strata_is snapshot import' -l user -d 'as whom to log in' -x
complete -c strata -n '__strata_is snapshot import' -l askpass -d 'ask for the password'
complete -c strata -n '__strata_is snapshot import' -l pass -d 'the password, for all to see' -x
complete -c strata -n '__strata_is snapshot import' -l no-auth-warning -d 'do not warn of a password that is shown'
complete -c strata -n '__strata_is snapshot import' -l service -d 'as which service to read and write' -x
complete -c strata -n '__strata_is snapshot import' -l tls -d 'over TLS'
complete -c strata -n '__strata_is snapshot import' -l cacert -d 'certificates of authorities to trust' -r -F
complete -c strata -n '__strata_is snapshot import' -l cacertdir -d 'a folder of them' -x -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is snapshot import' -l cert -d 'our certificate' -r -F
complete -c strata -n '__strata_is snapshot import' -l key -d 'its key' -r -F
complete -c strata -n '__strata_is snapshot import' -l sni -d 'the name that the server'\''s certificate has' -x
complete -c strata -n '__strata_is snapshot import' -l insecure -d 'take any certificate'
complete -c strata -n '__strata_is snapshot import' -l tls-ciphers -d 'ciphers of TLS 1.2' -x
complete -c strata -n '__strata_is snapshot import' -l tls-ciphersuites -d 'ciphers of TLS 1.3' -x
complete -c strata -n '__strata_is snapshot import' -l replace -d 'over keys that are there'
complete -c strata -n '__strata_is snapshot import' -l skip -d 'beside keys that are there'
complete -c strata -n '__strata_is snapshot import' -l db -d 'only what is of this database' -x
complete -c strata -n '__strata_is snapshot import' -l check -d 'only say whether the lines are good'
complete -c strata -n '__strata_is snapshot import' -l help -d 'print what there is'
complete -c strata -n '__strata_is audit -- verify show' -a verify -d 'say whether a log is as it was written'
complete -c strata -n '__strata_is audit -- verify show' -a show -d 'print what is in a log'
complete -c strata -n '__strata_is audit -- verify show' -l help -d 'print what there is'
complete -c strata -n '__strata_is audit verify' -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is audit verify' -l key-file -d 'the key of audit-key-file' -r -F
complete -c strata -n '__strata_is audit verify' -l expect-last -d 'of a line that has to be there' -x
complete -c strata -n '__strata_is audit verify' -l expect-lines -d 'so many have to be there' -x
complete -c strata -n '__strata_is audit verify' -l json -d 'print the result as one line of JSON'
complete -c strata -n '__strata_is audit verify' -l help -d 'print what there is'
complete -c strata -n '__strata_is audit show' -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is audit show' -l user -d 'only what this user did' -x
complete -c strata -n '__strata_is audit show' -l class -d 'only of this class' -x -a 'authentication administration rules invalidation denied connection data-read data-write'
complete -c strata -n '__strata_is audit show' -l action -d 'only this command' -x
complete -c strata -n '__strata_is audit show' -l since -d 'only from then on' -x
complete -c strata -n '__strata_is audit show' -l until -d 'only until then' -x
complete -c strata -n '__strata_is audit show' -l result -d 'only with this result' -x -a 'ok denied failed'
complete -c strata -n '__strata_is audit show' -l json -d 'print lines as they stand'
complete -c strata -n '__strata_is audit show' -l help -d 'print what there is'
complete -c strata -n '__strata_is cert' -a '(__fish_complete_directories)'
complete -c strata -n '__strata_is cert' -l host -d 'a name or address that clients know the server by' -x
complete -c strata -n '__strata_is cert' -l client -d 'a client'\''s certificate' -x
complete -c strata -n '__strata_is cert' -l days -d 'how long they hold' -x
complete -c strata -n '__strata_is cert' -l help -d 'print what there is'
complete -c strata -n '__strata_is version' -l help -d 'print what there is'
complete -c strata -n '__strata_is help' -l help -d 'print what there is'
