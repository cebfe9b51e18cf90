#!/usr/bin/python3
"""Writes src/app/config/config_keys.[ch] and docs/configuration.md from spec/config.yaml.

gen_config.py           writes the files
gen_config.py --check   answers 1 and names the files that are out of date
"""
import os
import re
import sys

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TYPES = ['int', 'octal', 'bool', 'enum', 'size', 'duration', 'string', 'list', 'output_limit', 'events', 'save_points', 'fixed']
KNOWN = {'name', 'type', 'unit', 'default', 'min', 'max', 'choices', 'auto', 'percent', 'running', 'also', 'get',
         'secret', 'description', 'listed', 'zero'}
FIXED_INPUT_MAX = 64


def fail(text):
    sys.exit('spec/config.yaml: ' + text)


def word(value):
    """YAML 1.1 reads yes and no as booleans; the text is meant."""
    if value is True:
        return 'yes'
    if value is False:
        return 'no'
    return str(value)


def read_keys():
    with open(os.path.join(ROOT, 'spec/config.yaml'), encoding='utf-8') as file:
        rows = yaml.safe_load(file)['keys']
    keys, section = [], ''
    for row in rows:
        if 'section' in row:
            section = row['section']
            continue
        extra = set(row) - KNOWN
        if extra:
            fail('%s: unknown property %s' % (row.get('name'), ', '.join(sorted(extra))))
        if row['type'] not in TYPES:
            fail('%s: unknown type %s' % (row['name'], row['type']))
        key = {'section': section, 'min': 0, 'max': 0, 'unit': '', 'choices': [], 'also': [], 'get': [],
               'auto': '', 'percent': False, 'zero': False, 'running': False, 'secret': False}
        key.update(row)
        key['default'] = word(row['default'])
        key['id'] = 'CONFIG_' + key['name'].upper().replace('-', '_')
        key['environment'] = 'STRATA_' + key['name'].upper().replace('-', '_')
        key['field'] = field_name(key)
        keys.append(key)
    names = [name for key in keys for name in [key['name']] + key['also'] + key['get']]
    if len(names) != len(set(names)):
        fail('a name stands there twice')
    return keys


def field_name(key):
    unit = {'duration': '_' + key['unit'], 'size': '_bytes'}.get(key['type'], '')
    return key['name'].replace('-', '_') + unit


def c_text(text):
    return '"' + text.replace('\\', '\\\\').replace('"', '\\"') + '"'


def field_declaration(key):
    kind, name = key['type'], key['field']
    if kind in ('int', 'duration', 'octal'):
        return 'int64_t %s;' % name
    if kind == 'size':
        return 'uint64_t %s;' % name
    if kind == 'bool':
        return 'bool %s;' % name
    if kind == 'enum':
        return 'enum config_%s %s;' % (name, name)
    if kind == 'string':
        return 'char %s[%d];' % (name, key['max'] + 1)
    if kind == 'list':
        return 'struct config_list %s;' % name
    if kind == 'output_limit':
        return 'struct config_output_limits %s;' % name
    if kind == 'events':
        return 'uint32_t %s;' % name
    if kind == 'save_points':
        return 'struct config_save_points %s;' % name
    return None


LINE_MAX = 120


def make_header(keys):
    out = ['/* app/config/config_keys.h: the configuration as typed fields, one for each key.',
           ' *',
           ' * Generated from spec/config.yaml by tools/gen_config.py: change that file instead.',
           ' */',
           '#ifndef STRATA_APP_CONFIG_CONFIG_KEYS_H',
           '#define STRATA_APP_CONFIG_CONFIG_KEYS_H',
           '',
           '#include <stdbool.h>',
           '#include <stdint.h>',
           '',
           'enum { CONFIG_LIST_MAX = 16, CONFIG_LIST_ITEM_MAX = 63, CONFIG_STRING_MAX = %d };'
           % max(key['max'] for key in keys if key['type'] == 'string'),
           '',
           'struct config_list {',
           '    uint32_t count;',
           '    char items[CONFIG_LIST_MAX][CONFIG_LIST_ITEM_MAX + 1];',
           '};',
           '',
           '/* A client is cut when more than `hard_bytes` of replies wait, or more than `soft_bytes` for `soft_s`. 0: no limit. */',
           'struct config_output_limit {',
           '    uint64_t hard_bytes, soft_bytes;',
           '    int64_t soft_s;',
           '};',
           '',
           '/* Of clients that have subscribed to something, and of all others. */',
           'struct config_output_limits {',
           '    struct config_output_limit normal, pubsub;',
           '};',
           '',
           '/* A snapshot is due `seconds` after the last one, if there were so many changes. */',
           'struct config_save_point {',
           '    int64_t seconds, changes;',
           '};',
           '',
           'enum { CONFIG_SAVE_POINTS_MAX = 8 };',
           '',
           'struct config_save_points {',
           '    uint32_t count;',
           '    struct config_save_point each[CONFIG_SAVE_POINTS_MAX];',
           '};',
           '',
           'enum config_key_id {']
    out += ['    %s,' % key['id'] for key in keys]
    out += ['    CONFIG_KEY_COUNT', '};', '']
    for key in keys:
        if key['type'] == 'enum':
            prefix = key['id'] + '_'
            names = [prefix + choice.upper().replace('-', '_') for choice in key['choices']] + [prefix + 'COUNT']
            line = 'enum config_%s { %s };' % (key['field'], ', '.join(names))
            if len(line) <= LINE_MAX:  # as clang-format has it
                out += [line, '']
            else:
                out += ['enum config_%s {' % key['field'], *('    %s,' % name for name in names[:-1]), '    ' + names[-1], '};', '']
    out += ['/* Plain data: may be copied by assignment. Made by config_defaults and the config_load functions only. */',
            'struct config_values {']
    for key in keys:
        line = field_declaration(key)
        if line:
            out.append('    ' + line)
    out += ['};', '', '#endif', '']
    return '\n'.join(out)


def names_of(names):
    return '(const char *const[]){%s}' % ', '.join([c_text(n) for n in names] + ['NULL']) if names else 'NULL'


def plain(text):
    """For --help: links to pages become their names, as they are installed."""
    return re.sub(r'\[([^]]+)\]\(([^)]+)\)', r'\1 (docs/\2)', text).replace('`', "'")


def make_source(keys):
    out = ['/* app/config/config_keys.c: the description of every key.',
           ' *',
           ' * Generated from spec/config.yaml by tools/gen_config.py: change that file instead.',
           ' */',
           '#include <stddef.h>',
           '',
           '#include "app/config/config.h"',
           '',
           '/* clang-format off */',
           'const struct config_key config_keys[CONFIG_KEY_COUNT] = {']
    for key in keys:
        parts = ['.name = %s, .environment = %s' % (c_text(key['name']), c_text(key['environment'])),
                 '.section = %s, .type = CONFIG_TYPE_%s' % (c_text(key['section']), key['type'].upper()),
                 '.default_text = %s' % c_text(key['default'])]
        if key['unit']:
            parts.append('.unit = %s' % c_text(key['unit']))
        if key['type'] == 'fixed':
            parts.append('.max = %d' % FIXED_INPUT_MAX)
        else:
            if key['min']:
                parts.append('.min = %d' % key['min'])
            if key['max']:
                parts.append('.max = %d' % key['max'])
            parts.append('FIELD_AT')
        for flag in ('running', 'percent', 'secret', 'zero'):
            if key[flag]:
                parts.append('.%s = true' % flag)
        if key['auto']:
            parts.append('.auto_allowed = true')
        if key['choices']:
            parts.append('.choices = ' + names_of(key['choices']))
        if key.get('listed'):
            parts.append('.listed = ' + c_text(key['listed']))
        if key['also']:
            parts.append('.also = ' + names_of(key['also']))
        if key['get']:
            parts.append('.get = ' + names_of(key['get']))
        parts.append('.description = %s' % c_text(plain(key['description'])))
        body = ',\n         '.join(parts).replace(
            'FIELD_AT', '.offset = offsetof(struct config_values, %s)' % key['field'])
        out.append('    [%s] =\n        {%s},' % (key['id'], body))
    out += ['};', '']
    return '\n'.join(out)


def number(key, value):
    if key['type'] == 'octal':
        return '%o' % value
    if key['type'] != 'size':
        return str(value)
    for unit, factor in (('tb', 1 << 40), ('gb', 1 << 30), ('mb', 1 << 20), ('kb', 1 << 10)):
        if value % factor == 0:
            return '%d%s' % (value // factor, unit)
    return str(value)


def describe_type(key):
    kind = key['type']
    if kind in ('int', 'octal', 'size'):
        text = {'int': 'whole number', 'octal': 'octal digits', 'size': 'size'}[kind]
        text += ', %s%s to %s' % ('0 or ' if key['zero'] else '', number(key, key['min']), number(key, key['max']))
        if key['auto']:
            text += ', or `auto`'
        return text + (' or a percentage' if key['percent'] else '')
    if kind == 'duration':
        return 'duration (a bare number is in %s), %d to %d' % (key['unit'], key['min'], key['max'])
    if kind == 'enum':
        return 'one of ' + ', '.join('`%s`' % c for c in key['choices'])
    if kind == 'string':
        return 'text, at most %d bytes' % key['max']
    if kind == 'list':
        return 'list, at most %d' % key['max']
    if kind == 'output_limit':
        return '`normal HARD SOFT SECONDS pubsub HARD SOFT SECONDS`; what is not named stays as it is'
    if kind == 'save_points':
        return 'pairs of seconds and changes, at most 8'
    if kind == 'events':
        return 'letters of `KEg$lshzxetdmn`; `A` stands for `g$lshzxetd`'
    return '`yes` or `no`'


def make_page(keys):
    out = ['# Configuration', '',
           '<!-- Generated from spec/config.yaml by tools/gen_config.py: change that file instead. -->', '',
           'Nothing has to be configured: `strata server` starts with the defaults below. What you do want to change can',
           'be said in four places; a later one wins:', '',
           '1. the defaults,',
           '2. a YAML file: `strata server --config strata.yaml` (or its path in `STRATA_CONFIG`),',
           '3. the environment: `STRATA_MAXMEMORY=1gb`,',
           '4. flags: `--maxmemory 1gb` or `--maxmemory=1gb`.', '',
           '```yaml',
           '# strata.yaml',
           'port: 7000',
           'bind: [127.0.0.1, 10.0.0.5]',
           'requirepass: "a long secret"',
           'maxmemory: 70%',
           '```', '',
           '`strata server --check-config` reads everything, says what is wrong or what would be used, and stops. An unknown',
           'key, a wrong unit, a key that stands there twice, or values that contradict each other are refused with the place',
           'and, where there is one, a suggestion; the server does not start then.', '',
           'A variable of the environment that begins with `STRATA_` and is nearly the name of a key is refused as a typing',
           'error. Others with that beginning are left alone, because orchestrators and tools set such names too.', '',
           '**Sizes** are whole numbers with `b`, `kb`, `mb`, `gb` or `tb` (powers of 1024; `k`, `m`, `g`, `t` are powers of',
           '1000). **Durations** are whole numbers with `us`, `ms`, `s`, `m`, `h` or `d`; a bare number has the unit of the key.',
           '**Yes or no** may also be written `true`/`false` and `on`/`off`. In the file a list is a YAML list or words in one',
           'text; as a flag or variable, words separated by spaces or commas.', '',
           '**Protected mode.** Without a password the server listens on loopback addresses only: it refuses to start with',
           'another address in `bind`, unless `requirepass` is set or `protected-mode` is `no`.', '',
           '**Named stores**, which divide the memory among kinds of keys, stand under `stores:` in the file, and only there; see',
           '[stores](stores.md).', '',
           '`CONFIG SET` changes the keys marked *running*; `CONFIG REWRITE` writes them back to the file.', '']
    section = None
    for key in keys:
        if key['section'] != section:
            section = key['section']
            out += ['## ' + section, '']
            if section == 'Fixed':
                out += ['These answer `CONFIG GET` for tools that ask. They may be given, but only with the value shown.', '',
                        '| key | value | meaning |', '|---|---|---|']
        names = ', '.join('`%s`' % n for n in key['also'] + key['get'])
        if key['type'] == 'fixed':
            row = '| `%s`%s | `%s` | %s |' % (key['name'], ' (also %s)' % names if names else '',
                                             key['default'] or '""', key['description'])
            out.append(row)
            continue
        out += ['### `%s`' % key['name'], '', key['description'], '',
                '- %s' % describe_type(key),
                '- default: `%s`' % (key['default'] or '""'),
                '- flag `--%s`, environment `%s`%s' % (key['name'], key['environment'],
                                                      ', also called ' + names if names else ''),
                '- %s' % ('running: `CONFIG SET` changes it' if key['running'] else 'read when the server starts'), '']
    out.append('')
    return '\n'.join(out)


def main():
    keys = read_keys()
    files = {'src/app/config/config_keys.h': make_header(keys),
             'src/app/config/config_keys.c': make_source(keys),
             'docs/configuration.md': make_page(keys)}
    stale = []
    for name, text in files.items():
        path = os.path.join(ROOT, name)
        old = None
        if os.path.exists(path):
            with open(path, encoding='utf-8') as file:
                old = file.read()
        if old != text:
            stale.append(name)
            if '--check' not in sys.argv:
                with open(path, 'w', encoding='utf-8') as file:
                    file.write(text)
    if stale and '--check' in sys.argv:
        sys.exit('out of date, run tools/gen_config.py: ' + ', '.join(stale))


main()
