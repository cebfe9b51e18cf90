#!/usr/bin/env python3
"""Turns spec/metrics.yaml into the table of metrics in C, or into the reference page.

    gen_metrics.py c METRICS.yaml TABLE.c           the table
    gen_metrics.py page METRICS.yaml PAGE.md        the page
    gen_metrics.py check METRICS.yaml PAGE.md       answers 1 if the page is out of date
    gen_metrics.py names METRICS.yaml               every name as samples have it, with its type, a line each

The head of the file describes the format. A mistake is reported with the metric.
"""
import re
import sys

import yaml

KNOWN = {'name', 'type', 'unit', 'help', 'from', 'label', 'each', 'in', 'when'}
TYPES = {'gauge': '', 'counter': '_total', 'histogram': '', 'info': '_info'}
ROWS = {'server': 'struct metric_facts', 'command': 'struct metric_command', 'store': 'struct metric_store',
        'class': 'struct metric_class', 'database': 'struct metric_database', 'error': 'struct metric_error',
        'event': 'struct metric_event', 'build': 'struct metric_said', 'instance': 'struct metric_said'}
# The labels that samples of a row have, as app/cmd/metrics_rows.c makes them: our own, and those of redis_exporter.
LABELS = {'server': ([], []), 'command': (['command'], ['cmd']), 'store': (['store'], []), 'class': (['class'], []),
          'database': (['database'], ['db']), 'error': (['code'], ['err']), 'event': (['event'], ['event_name']),
          'build': (['version', 'redis_version'], []),
          'instance': ([], ['role', 'redis_version', 'redis_mode', 'os', 'maxmemory_policy', 'tcp_port', 'run_id', 'process_id'])}
DIVISORS = {None: '0', 'us': '1e6', 'ms': '1e3'}
RESERVED = ('_total', '_info', '_count', '_sum', '_bucket', '_created')


class Mistake(Exception):
    pass


def check(metric):
    name, kind = metric.get('name', '?'), metric.get('type')
    def wrong(text):
        raise Mistake('%s: %s' % (name, text))
    extra = set(metric) - KNOWN
    if extra:
        wrong('unknown property ' + ', '.join(sorted(extra)))
    if not re.fullmatch(r'(strata|redis)_[a-z][a-z0-9_]*', name):
        wrong('the name is strata_ or redis_ and small letters')
    if kind not in TYPES:
        wrong('unknown type')
    if name.startswith('strata_') and name.endswith(RESERVED):
        wrong('%s is added by itself' % name[name.rindex('_'):])
    unit = metric.get('unit', '')
    if unit and (unit not in ('seconds', 'bytes', 'ratio') or not name.endswith('_' + unit)):
        wrong('the name ends with the unit, which is seconds, bytes or ratio')
    if not unit and name.startswith('strata_') and re.search(r'_(seconds|bytes|ratio)$', name):
        wrong('the unit is missing')
    if not re.fullmatch(r'[^"\\\n]+\.', metric.get('help', '')):
        wrong('help is a sentence without quotes and backslashes')
    if metric.get('each', 'server') not in ROWS:
        wrong('unknown each')
    if metric.get('in') not in DIVISORS:
        wrong('unknown in')
    if (kind == 'info') == ('from' in metric):
        wrong('an info has no from, everything else has one')
    if isinstance(metric.get('from'), dict) != ('label' in metric):
        wrong('several values need a label, and a label several values')


def load(path):
    with open(path, encoding='utf-8') as file:
        sections = yaml.safe_load(file)['sections']
    names = set()
    for section in sections:
        for metric in section['metrics']:
            check(metric)
            metric.setdefault('each', 'server')
            metric.setdefault('unit', '')
            if metric['name'] in names:
                raise Mistake('%s stands there twice' % metric['name'])
            names.add(metric['name'])
    return sections


def metrics_of(sections):
    return [metric for section in sections for metric in section['metrics']]


def labels_of(metric):
    own = metric['name'].startswith('strata_')
    return LABELS[metric['each']][0 if own else 1] + ([metric['label']] if 'label' in metric else [])


# ------------------------------------------------------------------ C

def sample(metric, label, path):
    return '{%s, AT(%s, %s)}' % ('"%s"' % label if label else 'NULL', ROWS[metric['each']], path)


def entry(metric):
    lines = ['{.family = {"%s", "%s", "%s", METRIC_%s},' % (metric['name'], metric['unit'], metric['help'], metric['type'].upper()),
             ' .each = METRIC_EACH_%s,' % metric['each'].upper(),
             ' .set = METRIC_SET_%s,' % ('STRATA' if metric['name'].startswith('strata_') else 'REDIS')]
    if 'label' in metric:
        lines.append(' .label = "%s",' % metric['label'])
    if metric.get('in'):
        lines.append(' .divisor = %s,' % DIVISORS[metric['in']])
    if 'when' in metric:
        lines.append(' .when = %s,' % sample(metric, None, metric['when']))
    if metric['type'] != 'info':
        values = metric['from'] if 'label' in metric else {None: metric['from']}
        rows = ', '.join(sample(metric, label, path) for label, path in values.items())
        lines += [' .samples = (const struct metric_sample[]){%s},' % rows, ' .sample_count = %d,' % len(values)]
    return '\n     '.join(lines)[:-1] + '},'


def write_c(sections, path):
    metrics = metrics_of(sections)
    out = ['/* Generated from spec/metrics.yaml by tools/gen_metrics.py: change that file instead. */',
           '#include <stddef.h>', '', '#include "app/cmd/metrics.h"', '#include "core/auth/users.h"', '',
           '#define AT(row, path) METRIC_KIND(((row *)0)->path), offsetof(row, path)', '',
           'const struct metric_spec metric_table[] = {']
    out += ['    ' + entry(metric) for metric in metrics]
    out += ['};', '', 'const uint32_t metric_table_count = %d;' % len(metrics), '']
    with open(path, 'w', encoding='utf-8') as file:
        file.write('\n'.join(out))


# ------------------------------------------------------------------ the page

INTRO = """# Metrics

<!-- Generated from spec/metrics.yaml by tools/gen_metrics.py: change that file instead. -->

`METRICS` answers a text that Prometheus and everything that speaks its language can collect. `METRICS STRATA` leaves out the names of
redis_exporter, `METRICS REDIS` leaves out our own, so that dashboards and alerts made for redis_exporter show a Strata server without it. The text is
OpenMetrics 1.0; with `PROMETHEUS` at the end it is the older form (version 0.0.4) for who knows that only. How to collect it, a dashboard and
alert rules: [daily operations](operate.md).

    $ redis-cli METRICS STRATA | grep strata_misses
    # TYPE strata_misses counter
    # HELP strata_misses Reads that found none, by why there was none.
    strata_misses_total{cause="never_there"} 12
    strata_misses_total{cause="expired"} 4
    ...

Seconds and bytes are the units. Counters grow until the server ends or `CONFIG RESETSTAT`. The names below are those of the samples; a histogram has
`_bucket`, `_count` and `_sum` besides, with edges at 1, 2.5 and 5 of each power of ten from 100 nanoseconds to half a second, at 1 and 10 seconds. A command
has samples once it was called. What there is not (a log, a warm tier, TLS) has none.

Names stay as they are. No label has the name of a key in it: labels are commands, stores, classes of the rules, databases, error codes, kinds of delays.

Whoever may run `METRICS` (and `GET /metrics` over HTTP) sees all of it, whatever keys he may read: it is for those who watch a server, and a user for
that needs no keys. So it tells the names of stores and the patterns of classes as the rules declare them, with how much is in them and how often they are
used, also of those whose keys he may not read. It never tells a key, nor a prefix that was found by itself: these are in `STATS CLASS`, which needs all keys,
and in `INFO classes` for whoever may read all keys of the prefix. `METRICS` and `INFO` are in the category `@dangerous`; `-metrics -info` takes them from a user who has it.
"""


def write_page(sections):
    out = [INTRO.rstrip('\n')]
    for section in sections:
        out += ['', '## %s' % section['title'], '', '| metric | type | labels | |', '|---|---|---|---|']
        for metric in section['metrics']:
            labels = ', '.join('`%s`' % label for label in labels_of(metric))
            out.append('| `%s` | %s | %s | %s |' % (metric['name'] + TYPES[metric['type']], metric['type'], labels, metric['help']))
    return '\n'.join(out) + '\n'


def main(arguments):
    if len(arguments) < 2 or arguments[0] not in ('c', 'page', 'check', 'names') or len(arguments) != (2 if arguments[0] == 'names' else 3):
        sys.exit(__doc__)
    sections = load(arguments[1])
    if arguments[0] == 'c':
        write_c(sections, arguments[2])
    elif arguments[0] == 'names':
        for metric in metrics_of(sections):
            print(metric['name'] + TYPES[metric['type']], metric['type'])
    elif arguments[0] == 'page':
        with open(arguments[2], 'w', encoding='utf-8') as file:
            file.write(write_page(sections))
    else:
        with open(arguments[2], encoding='utf-8') as file:
            if file.read() != write_page(sections):
                sys.exit('out of date, run: tools/gen_metrics.py page spec/metrics.yaml docs/metrics.md')


if __name__ == '__main__':
    try:
        main(sys.argv[1:])
    except (Mistake, OSError, yaml.YAMLError) as error:
        sys.exit('gen_metrics.py: %s' % error)
