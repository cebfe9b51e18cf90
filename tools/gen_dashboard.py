#!/usr/bin/env python3
"""Makes the Grafana dashboard of packaging/monitoring.

    gen_dashboard.py DASHBOARD.json             writes it
    gen_dashboard.py --check DASHBOARD.json     answers 1 if it is out of date
"""
import json
import sys

WIDTH, HEIGHT = 8, 8  # of a panel; the page is 24 wide
OF = 'instance=~"$instance"'


def rate(name, labels='', by=''):
    return 'sum%s (rate(%s{%s%s}[$__rate_interval]))' % (' by (%s)' % by if by else '', name, OF, ', ' + labels if labels else '')


def now(name, labels='', by=''):
    return 'sum%s (%s{%s%s})' % (' by (%s)' % by if by else '', name, OF, ', ' + labels if labels else '')


def quantile(q, name, by=''):
    return 'histogram_quantile(%s, sum by (le%s) (rate(%s_bucket{%s}[$__rate_interval])))' % (q, ', ' + by if by else '', name, OF)


def ratio(hits, misses):
    return '%s / (%s + %s)' % (hits, hits, misses)


HITS, MISSES = rate('strata_hits_total'), rate('strata_misses_total')

# (title, unit, [(expression, legend)], stacked)
ROWS = [
    ('Traffic', [
        ('Commands', 'ops', [('topk(10, %s)' % rate('strata_command_calls_total', by='command'), '{{command}}')], True),
        ('Network', 'Bps', [(rate('strata_network_bytes_total', by='direction'), '{{direction}}')], False),
        ('Errors', 'ops', [(rate('strata_errors_total', by='code'), '{{code}}')], True),
        ('Busy workers', 'none', [(rate('strata_loop_seconds_total'), 'busy'), (rate('strata_loop_command_seconds_total'), 'in commands')], False),
        ('Processor time', 'none', [(rate('strata_cpu_seconds_total', by='mode'), '{{mode}}')], True),
        ('Hottest key', 'ops', [(now('strata_hottest_key_rate'), 'reads and writes a second')], False)]),
    ('Hits and misses', [
        ('Hit ratio', 'percentunit', [(ratio(HITS, MISSES), 'all'), (ratio(rate('strata_class_hits_total', by='class'), rate('strata_class_misses_total', by='class')), '{{class}}')], False),
        ('Misses by cause', 'ops', [(rate('strata_misses_total', by='cause'), '{{cause}}')], True),
        ('Keys removed', 'ops', [(rate('strata_removed_total', by='why'), '{{why}}')], True),
        ('Hit ratio by store', 'percentunit', [(ratio(rate('strata_store_hits_total', by='store'), rate('strata_store_misses_total', by='store')), '{{store}}')], False),
        ('Leases', 'ops', [(rate('strata_leases_given_total'), 'given'), (rate('strata_leases_ended_total', by='how'), '{{how}}')], False),
        ('Rules broken', 'ops', [(rate('strata_rules_violations_total', by='kind'), '{{kind}}')], True)]),
    ('Run times', [
        ('All commands', 's', [(quantile(q, 'strata_command_duration_seconds'), 'p%s' % name) for q, name in ((0.5, '50'), (0.99, '99'), (0.999, '99.9'))], False),
        ('p99 by command', 's', [('topk(10, %s)' % quantile(0.99, 'strata_command_duration_seconds', 'command'), '{{command}}')], False),
        ('p99 by class', 's', [(quantile(0.99, 'strata_class_command_duration_seconds', 'class'), '{{class}}')], False),
        ('Slow commands', 'ops', [(rate('strata_slow_commands_total'), 'enter the slow log')], False),
        ('Delays', 's', [(now('strata_latency_event_last_seconds', by='event'), '{{event}}')], False)]),
    ('Memory', [
        ('Memory', 'bytes', [(now('strata_memory_used_bytes'), 'used'), (now('strata_memory_limit_bytes'), 'limit'), (now('strata_memory_live_bytes'), 'live entries'), (now('strata_resident_memory_bytes'), 'resident')], False),
        ('What for', 'bytes', [(now('strata_memory_use_bytes', by='use'), '{{use}}')], True),
        ('Pressure', 'none', [(now('strata_memory_pressure', by='instance'), '{{instance}}: 0 calm, 1 tight, 2 critical')], False),
        ('By store', 'bytes', [(now('strata_store_bytes', by='store'), '{{store}}')], True),
        ('By class', 'bytes', [(now('strata_class_bytes', by='class'), '{{class}}')], True),
        ('Keys', 'short', [(now('strata_keys', by='database'), 'database {{database}}')], True),
        ('Evictions by store', 'ops', [(rate('strata_store_removed_total', 'why="evicted"', 'store'), '{{store}}')], True),
        ('Evictions by class', 'ops', [(rate('strata_class_removed_total', 'why="evicted"', 'class'), '{{class}}')], True),
        ('Copied to make room', 'Bps', [(rate('strata_reclaim_copied_bytes_total'), 'copied')], False)]),
    ('Warm tier', [
        ('Keys and file', 'short', [(now('strata_tier_keys'), 'keys')], False),
        ('File', 'bytes', [(now('strata_tier_file_size_bytes'), 'size'), (now('strata_tier_file_used_bytes'), 'used')], False),
        ('Hits and misses', 'ops', [(rate('strata_tier_hits_total'), 'hits'), (rate('strata_tier_misses_total'), 'misses')], False),
        ('Down and up', 'ops', [(rate('strata_tier_demoted_total'), 'demoted'), (rate('strata_tier_promoted_total'), 'promoted'), (rate('strata_tier_refused_total', by='why'), 'refused: {{why}}')], False),
        ('Written', 'Bps', [(rate('strata_tier_written_bytes_total'), 'all'), (rate('strata_tier_written_again_bytes_total'), 'again')], False),
        ('Failures', 'ops', [(rate('strata_tier_write_failures_total'), 'writes'), (rate('strata_tier_read_failures_total', by='why'), 'reads: {{why}}')], False)]),
    ('Log and snapshots', [
        ('Records not on disk', 'short', [(now('strata_log_unflushed_records'), 'records')], False),
        ('Flushes', 's', [(now('strata_log_flush_last_seconds', by='instance'), '{{instance}}')], False),
        ('Sizes', 'bytes', [(now('strata_log_size_bytes'), 'log'), (now('strata_snapshot_size_bytes'), 'snapshot'), (now('strata_disk_free_bytes'), 'disk free')], False),
        ('Age of the last snapshot', 's', [('time() - max by (instance) (strata_snapshot_last_timestamp_seconds{%s})' % OF, '{{instance}}')], False),
        ('Trouble', 'none', [(now('strata_log_refuses_writes'), 'log refuses writes'), (now('strata_log_holds_writes'), 'log holds writes back'), (now('strata_snapshot_failed'), 'snapshot failed'), (now('strata_backup_failed'), 'backup failed')], False)]),
    ('Stream and channels', [
        ('Invalidations told', 'ops', [(rate('strata_stream_told_total'), 'records'), (rate('strata_stream_gaps_total'), 'gaps')], False),
        ('Subscribers', 'short', [(now('strata_stream_subscribers', by='kind'), '{{kind}}')], False),
        ('SYNC', 'ops', [(rate('strata_stream_syncs_total', by='result'), '{{result}}')], False),
        ('Channels and patterns', 'short', [(now('strata_pubsub_topics', by='kind'), '{{kind}}')], False),
        ('Tracked', 'short', [(now('strata_tracked_keys'), 'keys'), (now('strata_tracked_items'), 'items')], False)]),
    ('Connections and security', [
        ('Connections', 'short', [(now('strata_connections'), 'open'), (now('strata_connections_limit'), 'limit'), (now('strata_connections_of_kind', by='kind'), '{{kind}}')], False),
        ('Received and refused', 'ops', [(rate('strata_connections_received_total'), 'received'), (rate('strata_connections_rejected_total'), 'refused'), (rate('strata_connections_cut_total', by='limit'), 'cut: {{limit}}')], False),
        ('Buffers', 'bytes', [(now('strata_connection_buffer_bytes', by='direction'), '{{direction}}')], True),
        ('TLS handshakes', 'ops', [(rate('strata_tls_handshakes_total', by='kind'), '{{kind}}'), (rate('strata_tls_handshakes_failed_total'), 'failed')], False),
        ('Certificate ends in', 's', [('min by (instance) (strata_tls_certificate_expiry_timestamp_seconds{%s}) - time()' % OF, '{{instance}}')], False),
        ('Refused by rights', 'ops', [(rate('strata_access_denied_total', by='reason'), '{{reason}}')], True)]),
]

TOP = [('Ready', 'none', 'min(strata_ready{%s})' % OF), ('Up for', 's', 'min(strata_uptime_seconds{%s})' % OF),
       ('Commands a second', 'ops', rate('strata_commands_total')), ('Hit ratio', 'percentunit', ratio(HITS, MISSES)),
       ('p99', 's', quantile(0.99, 'strata_command_duration_seconds')), ('Memory used', 'percentunit', '%s / %s' % (now('strata_memory_used_bytes'), now('strata_memory_limit_bytes')))]

SOURCE = {'type': 'prometheus', 'uid': '${datasource}'}


def target(expression, legend, number):
    return {'datasource': SOURCE, 'expr': expression, 'legendFormat': legend, 'refId': chr(ord('A') + number), 'range': True}


def series(title, unit, lines, stacked):
    return {'type': 'timeseries', 'title': title, 'datasource': SOURCE, 'targets': [target(expression, legend, i) for i, (expression, legend) in enumerate(lines)],
            'fieldConfig': {'defaults': {'unit': unit, 'min': 0, 'custom': {'fillOpacity': 20 if stacked else 5, 'lineWidth': 1, 'showPoints': 'never', 'stacking': {'mode': 'normal' if stacked else 'none'}}}, 'overrides': []},
            'options': {'legend': {'displayMode': 'list', 'placement': 'bottom'}, 'tooltip': {'mode': 'multi', 'sort': 'desc'}}}


def number(title, unit, expression):
    return {'type': 'stat', 'title': title, 'datasource': SOURCE, 'targets': [target(expression, '', 0)],
            'fieldConfig': {'defaults': {'unit': unit}, 'overrides': []}, 'options': {'reduceOptions': {'calcs': ['lastNotNull']}, 'colorMode': 'none', 'graphMode': 'area'}}


def panels():
    made, y = [], 0

    def add(panel, x, top, width, height):
        made.append({'id': len(made) + 1, 'gridPos': {'x': x, 'y': top, 'w': width, 'h': height}, **panel})

    for i, (title, unit, expression) in enumerate(TOP):
        add(number(title, unit, expression), i * 4, 0, 4, 4)
    y = 4
    for title, row in ROWS:
        add({'type': 'row', 'title': title, 'collapsed': False, 'panels': []}, 0, y, 24, 1)
        y += 1
        for i, panel in enumerate(row):
            add(series(*panel), i % 3 * WIDTH, y + i // 3 * HEIGHT, WIDTH, HEIGHT)
        y += (len(row) + 2) // 3 * HEIGHT
    return made


def dashboard():
    variables = [{'name': 'datasource', 'label': 'Data source', 'type': 'datasource', 'query': 'prometheus'},
                 {'name': 'instance', 'label': 'Instance', 'type': 'query', 'datasource': SOURCE, 'query': {'query': 'label_values(strata_build_info, instance)', 'refId': 'A'},
                  'definition': 'label_values(strata_build_info, instance)', 'includeAll': True, 'multi': True, 'refresh': 2, 'sort': 1, 'current': {'text': 'All', 'value': '$__all'}}]
    return {'uid': 'strata', 'title': 'Strata', 'tags': ['strata', 'cache'], 'schemaVersion': 38, 'editable': True, 'refresh': '30s', 'time': {'from': 'now-3h', 'to': 'now'},
            'timezone': '', 'templating': {'list': variables}, 'annotations': {'list': []}, 'links': [], 'panels': panels()}


def main(arguments):
    checks = arguments[:1] == ['--check']
    if len(arguments) != 1 + checks:
        sys.exit(__doc__)
    text = json.dumps(dashboard(), indent=1) + '\n'
    if not checks:
        with open(arguments[0], 'w', encoding='utf-8') as file:
            file.write(text)
        return
    with open(arguments[1], encoding='utf-8') as file:
        if file.read() != text:
            sys.exit('out of date, run: tools/gen_dashboard.py packaging/monitoring/strata-dashboard.json')


if __name__ == '__main__':
    main(sys.argv[1:])
