#!/usr/bin/env python3
"""Turns spec/commands/*.yaml into the command table in C, or into the reference page.

    gen_commands.py c SPEC_DIR TABLE.c COMMANDS.h FAMILY ...    the table of these families, and prototypes
    gen_commands.py page SPEC_DIR [PAGE.md]                     the page of all families, or to standard output

spec/commands/README.md describes the format. A mistake in a file is reported with file and command.
"""
import os
import re
import sys

import yaml

FLAGS = ['write', 'readonly', 'denyoom', 'admin', 'noscript', 'loading', 'stale', 'fast', 'no_auth', 'no_multi',
         'movablekeys', 'skip_monitor', 'skip_slowlog', 'all_shards', 'txn_control', 'allow_busy', 'pubsub',
         'publishes', 'subscribing', 'in_subscriber', 'unowned', 'awaits_rules', 'no_async_loading', 'kept', 'blind',
         'reads_all', 'writes_all']
FLAG_IN_C = {'movablekeys': 'MOVABLE_KEYS'}
OWN_FLAGS = {'all_shards', 'txn_control', 'skip_monitor', 'no_multi', 'publishes', 'subscribing', 'in_subscriber', 'unowned',
             'awaits_rules', 'kept', 'blind', 'reads_all', 'writes_all'}
# In the order in which ACL CAT lists them: those of Redis, then our own.
CATEGORIES = ['keyspace', 'read', 'write', 'set', 'sortedset', 'list', 'hash', 'string', 'bitmap', 'hyperloglog', 'geo',
              'stream', 'pubsub', 'admin', 'fast', 'slow', 'blocking', 'dangerous', 'connection', 'transaction',
              'scripting', 'invalidation']
KEY_FLAGS = {'RO': 'RO', 'RW': 'RW', 'OW': 'OW', 'RM': 'RM', 'access': 'ACCESS', 'update': 'UPDATE',
             'insert': 'INSERT', 'delete': 'DELETE', 'variable_flags': 'VARIABLE', 'not_key': 'NOT_KEY'}
COMMAND_KEYS = {'summary', 'since', 'group', 'complexity', 'deprecated', 'arity', 'flags', 'own_flags', 'categories',
                'tips', 'keys', 'channels', 'upload', 'row', 'syntax', 'subcommands', 'events', 'audit'}
# Classes of the audit log, in the order of enum audit_class; what is refused, and connections, have classes that are of no command.
AUDIT_CLASSES = ['authentication', 'administration', 'rules', 'invalidation', 'data-read', 'data-write']
AUDIT_FIELDS = {'class', 'with', 'at', 'to', 'step'}
EVENT_CLASSES = {'generic': 'g', 'string': '$', 'bitmap': '$'}  # of the group whose commands write
EVENTS = {'write', 'remove', 'group'}
TYPES = ['string', 'integer', 'double', 'key', 'pattern', 'unix-time', 'pure-token', 'oneof', 'block']
TYPE_OF_NAME = {'key': 'key', 'newkey': 'key', 'destkey': 'key', 'pattern': 'pattern', 'seconds': 'integer',
                'milliseconds': 'integer', 'unix-time-seconds': 'unix-time', 'unix-time-milliseconds': 'unix-time'}
NAME_SIZE_MAX = 16  # what cmd_lookup compares in two words
ARGUMENT_DEPTH_MAX = 8


class Mistake(Exception):
    pass


# ------------------------------------------------------------------ syntax

class Argument:
    """A node of the tree that COMMAND DOCS answers."""

    def __init__(self, name, kind):
        self.name, self.kind = name, kind
        self.shown = name  # to people
        self.token = None
        self.optional = self.multiple = self.multiple_token = False
        self.children = []
        self.key_spec = -1


WORDS = re.compile(r'\s*(\.\.\.|[\[\]()|]|[a-z0-9_-]+=(?=[\[(])|[A-Z][A-Z0-9-]*(?![a-z0-9:-])|[a-z][a-z0-9_-]*(?::[a-z-]+)?)')


class Syntax:
    """Reads `key value [NX | XX] [EX seconds]`; see spec/commands/README.md."""

    def __init__(self, text):
        self.words, at = [], 0
        while text[at:].strip():
            match = WORDS.match(text, at)
            if not match:
                raise Mistake('syntax not understood from "%s"' % text[at:])
            self.words.append(match.group(1))
            at = match.end()
        self.at = 0

    def peek(self):
        return self.words[self.at] if self.at < len(self.words) else None

    def take(self, wanted=None):
        word = self.peek()
        if word is None or (wanted and word != wanted):
            raise Mistake('syntax: "%s" where "%s" is due' % (word, wanted))
        self.at += 1
        return word

    def read(self):
        arguments = self.sequence()
        if self.peek() is not None:
            raise Mistake('syntax: "%s" is too much' % self.peek())
        return arguments

    def sequence(self):
        found = []
        while self.peek() not in (None, '|', ']', ')'):
            found.append(self.item())
        return found

    def item(self):
        word = self.take()
        if word.endswith('='):
            argument = self.group(self.take(), word[:-1])
        elif word in '[(':
            argument = self.group(word, None)
        elif word[0].isupper():
            argument = Argument(word.lower(), 'pure-token')
            argument.token = word
        elif word == '...':
            raise Mistake('syntax: "..." with nothing before it')
        else:
            name, _, kind = word.partition(':')
            argument = Argument(name, kind or TYPE_OF_NAME.get(name, 'string'))
            if argument.kind not in TYPES:
                raise Mistake('syntax: no type "%s"' % argument.kind)
        if self.peek() == '...':
            self.take()
            argument.multiple = True
        return argument

    def group(self, bracket, name):
        branches = [self.branch(self.sequence())]
        while self.peek() == '|':
            self.take()
            branches.append(self.branch(self.sequence()))
        self.take(']' if bracket == '[' else ')')
        if len(branches) > 1:
            argument = Argument(name or branches[0].name, 'oneof')
            argument.children = branches
        else:
            argument = branches[0]
            argument.shown, argument.name = argument.name, name or argument.name
        argument.optional = bracket == '['
        return argument

    @staticmethod
    def branch(items):
        """One alternative: `TOKEN`, `TOKEN name`, `TOKEN several names` or `several names`."""
        if not items:
            raise Mistake('syntax: an empty alternative')
        token = None
        if items[0].kind == 'pure-token' and len(items) > 1:
            token, items = items[0].token, items[1:]
        if len(items) == 1 and not items[0].token and not (token and items[0].optional):
            argument = items[0]
        elif len(items) == 1 and not token:
            argument = items[0]
        else:
            argument = Argument('-'.join(i.name for i in items[:2]), 'block')
            argument.children = items
        if token:
            argument.token = token
        return argument


def show(arguments):
    return ' '.join(show_one(a) for a in arguments)


def show_one(argument):
    """The syntax as people read it: names and tokens, no types."""
    if argument.kind == 'pure-token':
        text = argument.token
    elif argument.kind == 'oneof':
        text = ' | '.join(show_bare(c) for c in argument.children)
        if argument.token or not argument.optional:
            text = '<' + text + '>'
    elif argument.kind == 'block':
        text = show(argument.children)
    else:
        text = argument.shown
    if argument.token and argument.kind != 'pure-token':
        text = argument.token + ' ' + text
    if argument.multiple:
        again = '<%s>' % text if argument.kind == 'oneof' and argument.optional else text
        text += ' [%s ...]' % again
    return '[%s]' % text if argument.optional else text


def show_bare(argument):
    optional, argument.optional = argument.optional, False
    text = show_one(argument)
    argument.optional = optional
    return text


# ---------------------------------------------------------------- commands

class Command:
    def __init__(self, name, data, family, container=None):
        self.name, self.family, self.container = name, family, container
        self.full = container.name + '|' + name if container else name
        self.data = data
        unknown = set(data) - COMMAND_KEYS
        if unknown:
            raise Mistake('unknown field "%s"' % sorted(unknown)[0])
        for needed in ('summary', 'since', 'complexity', 'arity', 'flags'):
            if needed not in data:
                raise Mistake('field "%s" is missing' % needed)
        if not container and (len(name) > NAME_SIZE_MAX or not re.fullmatch('[a-z][a-z_]*', name)):
            raise Mistake('a name has at most %d letters and underscores' % NAME_SIZE_MAX)
        self.group = data.get('group', family['group'])
        self.flags = data['flags']
        self.own_flags = data.get('own_flags', [])
        for flag in self.flags + self.own_flags:
            if flag not in FLAGS:
                raise Mistake('unknown flag "%s"' % flag)
        for flag in self.own_flags:
            if flag not in OWN_FLAGS:
                raise Mistake('"%s" belongs to flags' % flag)
        if isinstance(data['arity'], bool) or not isinstance(data['arity'], int) or data['arity'] == 0:
            raise Mistake('arity is a number and not 0')
        self.categories = self.implied() + data.get('categories', family['categories'])
        for category in self.categories:
            if category not in CATEGORIES:
                raise Mistake('unknown category "%s"' % category)
        self.keys = [self.key(k) for k in data.get('keys', [])]
        self.channels = self.read_channels(data.get('channels'))
        row, least = data.get('row', 0), abs(data['arity'])
        if row and (row < least or data['arity'] > 0 and row != least):
            raise Mistake('row: the arity does not allow %d arguments' % row)
        if row and not self.key_at():
            raise Mistake('row: the first key must always stand in one place')
        self.events = data.get('events', {})
        self.event_group = self.events.get('group', self.group)
        if set(self.events) - EVENTS or self.events and ('write' not in self.events or self.event_group not in EVENT_CLASSES):
            raise Mistake('events: `write`, `remove` where the first key goes another way than by del, `group` if they are those of another one')
        self.audit = self.read_audit(data.get('audit', {}))
        self.arguments = Syntax(data.get('syntax', '')).read()
        self.name_keys()
        self.syntax = ' '.join([self.full.replace('|', ' ').upper()] + ([show(self.arguments)] if self.arguments else []))
        self.subcommands = [load(n, d, family, self) for n, d in data.get('subcommands', {}).items()]

    def implied(self):
        found = [c for f, c in (('write', 'write'), ('readonly', 'read'), ('admin', 'admin'), ('admin', 'dangerous'))
                 if f in self.flags]
        return found + ['fast' if 'fast' in self.flags else 'slow']

    def read_audit(self, data):
        """Class (None: it is in none), the word without which it is not of it, and which arguments the log shows as they are."""
        if set(data) - AUDIT_FIELDS or ('to' in data or 'step' in data) and 'at' not in data:
            raise Mistake('audit: `class`, `with`, and the arguments `at`, `to`, `step`')
        found = data.get('class') or self.audit_class()
        if found not in AUDIT_CLASSES + [None, 'none']:
            raise Mistake('audit: unknown class "%s"' % found)
        at = data.get('at', 0)
        return None if found == 'none' else found, data.get('with'), (at, data.get('to', at), data.get('step', 1))

    def audit_class(self):
        """What the class is where a file does not say so."""
        of = [('administration', 'admin'), ('invalidation', 'invalidation'), ('data-write', 'write'), ('data-read', 'read')]
        return next((name for name, category in of if category in self.categories), None)

    @staticmethod
    def key(data):
        key = {'at': data['at'], 'to': data.get('to', data['at']), 'step': data.get('step', 1),
               'count_at': data.get('count_at', 0), 'flags': data['flags'], 'without': data.get('without')}
        unknown = set(data) - set(key)
        if unknown:
            raise Mistake('unknown field "%s" of keys' % sorted(unknown)[0])
        if ('variable_flags' in key['flags']) != bool(key['without']):
            raise Mistake('variable_flags and "without" go together')
        for flag in key['flags'] + (key['without'] or {'flags': []})['flags']:
            if flag not in KEY_FLAGS:
                raise Mistake('unknown key flag "%s"' % flag)
        return key

    @staticmethod
    def read_channels(data):
        """First argument, last one as of keys, whether they are patterns; zeros: it names none."""
        if not data:
            return 0, 0, False
        unknown = set(data) - {'at', 'to', 'patterns'}
        if unknown:
            raise Mistake('unknown field "%s" of channels' % sorted(unknown)[0])
        return data['at'], data.get('to', data['at']), data.get('patterns', False)

    def name_keys(self):
        """Says of each argument of type key which entry of `keys` it is: they come in one order."""
        found = []

        def walk(arguments):
            for argument in arguments:
                if argument.kind == 'key':
                    found.append(argument)
                walk(argument.children)

        walk(self.arguments)
        for i, argument in enumerate(found):
            argument.key_spec = min(i, len(self.keys) - 1)

    def legacy_range(self):
        """First key, last key and step, as COMMAND has answered since before key specifications."""
        ranges = [k for k in self.keys if not k['count_at']]
        if not ranges:
            return 0, 0, 0
        first = min(k['at'] for k in ranges)
        ends = [k['to'] for k in ranges]
        return first, -1 if any(e < 0 for e in ends) else max(ends), ranges[0]['step'] if len(ranges) == 1 else 1

    def key_at(self):
        """The argument that is the first key whatever the others are, or 0."""
        keys = [k for k in self.keys if 'not_key' not in k['flags']]
        return keys[0]['at'] if keys and not keys[0]['count_at'] else 0

    @property
    def row_function(self):
        return self.function + '_row' if 'row' in self.data else None

    @property
    def function(self):
        """The C function, or None for a container that only holds others."""
        if self.container and self.name == 'help':
            return 'cmd_help'
        if self.subcommands and self.data['arity'] != -1:
            return None
        return 'cmd_' + re.sub('[|-]', '_', self.full)


def load(name, data, family, container=None):
    try:
        return Command(name, data, family, container)
    except (Mistake, KeyError, TypeError) as mistake:
        if getattr(mistake, 'placed', False):
            raise
        placed = Mistake('%s: %s: %s' % (family['file'], name, mistake))
        placed.placed = True
        raise placed from None


class Loader(yaml.SafeLoader):
    """Refuses a name that stands twice in one map: YAML would silently keep the last."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise Mistake('%s:%d: "%s" stands here twice' % (
                    os.path.basename(self.name), key.start_mark.line + 1, key.value))
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_family(folder, name):
    path = os.path.join(folder, name + '.yaml')
    with open(path, encoding='utf-8') as file:
        family = yaml.load(file, Loader)
    family['file'] = name + '.yaml'
    family['name'] = name
    return [load(n, d, family) for n, d in family['commands'].items()], family


# ---------------------------------------------------------------- the hash

MASK = (1 << 64) - 1


def words_of(name):
    """The two words that spec.c makes of a name: same rules as name_words there."""
    b, n = name.encode(), len(name)
    if n >= 8:
        return int.from_bytes(b[:8], 'little'), int.from_bytes(b[-8:], 'little')
    if n >= 4:
        return int.from_bytes(b[:4], 'little'), int.from_bytes(b[-4:], 'little')
    return b[0] | b[n // 2] << 8 | b[n - 1] << 16, 0


def case_of(word):
    """0x20 in each byte that is a letter, where the client may have written either case."""
    return sum(0x20 << 8 * i for i in range(8) if 97 <= (word >> 8 * i & 255) <= 122)


def find_seed(names):
    """A multiplier that sends every name to a slot of its own, in the smallest table for which one is found soon."""
    fold = 0x2020202020202020
    mixed = []
    for name in names:
        front, back = (w | fold for w in words_of(name))
        mixed.append((front ^ (back << 23 | back >> 41) & MASK) + len(name) & MASK)
    if len(set(mixed)) != len(mixed):
        raise Mistake('two names look alike to the hash')
    state = 0x9E3779B97F4A7C15
    for bits in range(max(1, (len(names) - 1).bit_length() + 1), 16):
        for _ in range(20000):
            state = (state * 6364136223846793005 + 1442695040888963407) & MASK
            seed, taken = state | 1, set()
            for m in mixed:
                slot = (m * seed & MASK) >> 64 - bits
                if slot in taken:  # mostly soon
                    break
                taken.add(slot)
            else:
                return seed, bits, [(m * seed & MASK) >> 64 - bits for m in mixed]
    raise Mistake('no hash without collisions')


# ----------------------------------------------------------------- C output

def text(value):
    return 'NULL' if value is None else '"%s"' % str(value).replace('\\', '\\\\').replace('"', '\\"')


def key_flags(flags):
    return ' | '.join('CMD_KEY_' + KEY_FLAGS[f] for f in flags) or '0'


class Writer:
    def __init__(self):
        self.out, self.index, self.names = [], 0, 0

    def line(self, *parts):
        self.out.append(''.join(parts))

    def fresh(self, what):
        self.names += 1
        return '%s_%d' % (what, self.names)

    def strings(self, values):
        """An array of texts that ends with NULL."""
        if not values:
            return 'no_texts'
        name = self.fresh('texts')
        self.line('static const char *const %s[] = {' % name, ', '.join(text(v) for v in values), ', NULL};')
        return name

    def argument_list(self, arguments, depth=0):
        if not arguments:
            return 'NULL'
        if depth >= ARGUMENT_DEPTH_MAX:
            raise Mistake('syntax is nested too deep')
        rows = []
        for a in arguments:
            children = self.argument_list(a.children, depth + 1)
            flags = ' | '.join(f for f, on in (('CMD_ARGUMENT_OPTIONAL', a.optional),
                                               ('CMD_ARGUMENT_MULTIPLE', a.multiple),
                                               ('CMD_ARGUMENT_MULTIPLE_TOKEN', a.multiple_token)) if on) or '0'
            rows.append('    {%s, %s, CMD_ARGUMENT_%s, %s, %d, %s, %d},' % (
                text(a.name), text(a.token), a.kind.upper().replace('-', '_'), flags, a.key_spec, children,
                len(a.children)))
        name = self.fresh('arguments')
        self.line('static const struct cmd_argument %s[] = {' % name)
        self.out += rows
        self.line('};')
        return name

    def key_list(self, command):
        if not command.keys:
            return 'NULL'
        rows = []
        for k in command.keys:
            without = k['without'] or {'words': [], 'from': 0, 'flags': []}
            words = self.strings(without['words']) if without['words'] else 'NULL'
            rows.append('    {CMD_KEYS_%s, %d, %d, %d, %d, %s, %s, %d, %s},' % (
                'COUNTED' if k['count_at'] else 'RANGE', k['at'], k['to'], k['step'], k['count_at'],
                key_flags(k['flags']), words, without['from'], key_flags(without['flags'])))
        name = self.fresh('keys')
        self.line('static const struct cmd_key_spec %s[] = {' % name)
        self.out += rows
        self.line('};')
        return name

    def docs(self, command):
        flags = self.strings(command.flags)
        categories = self.strings(['@' + c for c in command.categories])
        tips = self.strings(command.data.get('tips', []))
        arguments = self.argument_list(command.arguments)
        old = command.data.get('deprecated') or {}
        name = self.fresh('docs')
        self.line('static const struct cmd_docs %s = {' % name)
        for field, value in (('summary', text(command.data['summary'])), ('since', text(command.data['since'])),
                             ('group', text(command.group)), ('complexity', text(command.data['complexity'])),
                             ('deprecated_since', text(old.get('since'))), ('replaced_by', text(old.get('use'))),
                             ('syntax', text(command.syntax)), ('flags', flags), ('categories', categories),
                             ('tips', tips), ('arguments', arguments), ('argument_count', len(command.arguments))):
            self.line('    .%s = %s,' % (field, value))
        self.line('    .key_first = %d, .key_last = %d, .key_step = %d,' % command.legacy_range())
        self.line('};')
        return name

    def spec(self, command):
        """The row of a command; what it refers to is written at once, its own subcommands too."""
        index = self.index
        self.index += 1
        docs, keys = self.docs(command), self.key_list(command)
        subcommands = 'NULL'
        if command.subcommands:
            rows = [self.spec(s) for s in command.subcommands]
            subcommands = self.fresh('subcommands')
            self.line('static const struct cmd_spec %s[] = {' % subcommands)
            self.out += rows
            self.line('};')
        flags = ' | '.join('CMD_' + FLAG_IN_C.get(f, f.upper()) for f in command.flags + command.own_flags) or '0'
        return ('    {.name = %s, .last_name = {(const uint8_t *)%s, %d}, .run = %s, .arity = %d,\n'
                '     .flags = %s,\n'
                '     .run_row = %s, .row_argc = %d, .key_at = %d,\n'
                '     .event_class = %s, .write_event = %s, .remove_event = %s,\n'
                '     .channel_at = %d, .channel_to = %d, .channel_patterns = %s,\n'
                '     .index = %d, .keys = %s, .key_count = %d, .upload_at = %d,\n'
                '     .audited = %s, .audit = %s, .audit_with = %s, .audit_at = %d, .audit_to = %d, .audit_step = %d,\n'
                '     .subcommands = %s, .subcommand_count = %d, .docs = &%s},' % (
                    text(command.full), text(command.name), len(command.name), command.function or 'NULL',
                    command.data['arity'], flags, command.row_function or 'NULL', command.data.get('row', 0),
                    command.key_at(), *self.events(command), *command.channels[:2],
                    'true' if command.channels[2] else 'false', index, keys, len(command.keys), command.data.get('upload', 0),
                    *self.audit(command), subcommands, len(command.subcommands), docs))

    @staticmethod
    def audit(command):
        name, word, shown = command.audit
        in_c = 'AUDIT_' + (name or 'classes').upper().replace('-', '_')
        return ('true' if name else 'false', in_c, text(word), *shown)

    @staticmethod
    def events(command):
        names = [command.events.get(name) for name in ('write', 'remove')]
        return ["'%s'" % EVENT_CLASSES[command.event_group] if command.events else '0'] + [
            '{(const uint8_t *)%s, %d}' % (text(name), len(name)) if name else '{NULL, 0}' for name in names]

    def names_table(self, commands):
        seed, bits, slots = find_seed([c.name for c in commands])
        self.line('const struct cmd_name cmd_names[] = {')
        for c in commands:
            front, back = words_of(c.name)
            self.line('    {%#xu, %#xu, %#xu, %#xu, %d}, /* %s */' % (
                front, back, case_of(front), case_of(back), len(c.name), c.name))
        self.line('    {0, 0, 0, 0, 0}, /* nothing: no name has size 0 */')
        self.line('};')
        self.line('const uint64_t cmd_hash_seed = %#xu;' % seed)
        self.line('const unsigned cmd_hash_shift = %d;' % (64 - bits))
        table = [len(commands)] * (1 << bits)
        for i, slot in enumerate(slots):
            table[slot] = i
        self.line('const uint16_t cmd_hash_slots[] = {')
        for i in range(0, len(table), 16):
            self.line('    ', ', '.join(str(t) for t in table[i:i + 16]), ',')
        self.line('};')


    def rights(self, commands):
        """What access control knows of commands, by their index: written in the order of `spec`."""
        self.line('static const char *const categories[] = {%s};' % ', '.join(text(c) for c in CATEGORIES))
        self.line('static const struct auth_command rights[] = {')
        at = 0
        for command in commands:
            parent = at
            for each in everything([command]):
                bits = sum({1 << CATEGORIES.index(c) for c in each.categories})
                self.line('    {%s, %#xu, %s, %d},' % (text(each.full), bits, 'AUTH_NONE' if each is command else parent,
                                                      len(each.subcommands)))
                at += 1
        self.line('};')
        self.line('const struct auth_commands cmd_rights = {rights, %d, categories, %d};' % (at, len(CATEGORIES)))


def everything(commands):
    for command in commands:
        yield command
        yield from everything(command.subcommands)


def write_c(commands, path):
    writer = Writer()
    writer.line('/* Generated from spec/commands by tools/gen_commands.py. */')
    writer.line('#include "app/cmd/commands.h"')
    writer.line('#include "app/cmd/spec_docs.h"')
    writer.line('#include "app/cmd/spec_table.h"')
    writer.line('#include "core/auth/auth.h"')
    writer.line('')
    writer.line('static const char *const no_texts[] = {NULL};')
    commands = sorted(commands, key=lambda c: c.name)
    rows = [writer.spec(c) for c in commands]
    writer.line('const struct cmd_spec cmd_table[] = {')
    writer.out += rows
    writer.line('};')
    writer.line('const uint32_t cmd_table_count = %d;' % len(commands))
    writer.line('const uint32_t cmd_index_count = %d;' % writer.index)
    writer.names_table(commands)
    writer.rights(commands)
    write(path, writer.out)


def write_prototypes(families, path):
    out = ['/* Generated from spec/commands by tools/gen_commands.py: the functions that run commands. */',
           '#ifndef STRATA_APP_CMD_COMMANDS_H', '#define STRATA_APP_CMD_COMMANDS_H', '', '#include <stdint.h>', '',
           'struct cmd_call;', 'struct cmd_request;']
    for commands, family in families:
        out += ['', '/* %s */' % family['file']]
        functions = {c.function for c in everything(commands) if c.function} - {'cmd_help'}
        out += ['void %s(struct cmd_call *call);' % f for f in sorted(functions)]
        rows = {c.row_function for c in everything(commands) if c.row_function}
        out += ['uint32_t %s(struct cmd_call *call, const struct cmd_request *requests, uint32_t count);' % f
                for f in sorted(rows)]
    out += ['', '/* Every HELP subcommand. */', 'void cmd_help(struct cmd_call *call);', '', '#endif']
    write(path, out)


# ----------------------------------------------------------------- the page

def page_entry(command):
    data = command.data
    out = ['', '### %s' % command.full.replace('|', ' ').upper(), '', '    ' + command.syntax, '', data['summary'], '']
    facts = ['since %s' % data['since'], 'complexity: %s' % data['complexity']]
    shown = [f for f in command.flags if f != 'movablekeys']
    if shown:
        facts.append('flags: ' + ', '.join(shown))
    facts.append('categories: ' + ', '.join('@' + c for c in command.categories))
    if command.audit[0]:
        facts.append('audit: %s%s' % (command.audit[0], ' (with %s)' % command.audit[1] if command.audit[1] else ''))
    if data.get('deprecated'):
        facts.append('deprecated since %(since)s: use %(use)s' % data['deprecated'])
    return out + ['- ' + f for f in facts]


def write_page(families, path):
    names = [c.name for commands, _ in families for c in commands]
    out = ['# Commands', '',
           'Made from `spec/commands` by `tools/gen_commands.py page spec/commands docs/commands.md`: change it there.', '',
           '%d commands, %d with their subcommands. Versions are those of Redis in which a command came up, where it '
           'came from there.' % (len(names), sum(1 for commands, _ in families for _ in everything(commands)))]
    for commands, family in families:
        out += ['', '## %s' % family['title'], '', family['intro']]
        for command in everything(commands):
            out += page_entry(command)
    if path:
        write(path, out)
    else:
        sys.stdout.write('\n'.join(out) + '\n')


def write(path, lines):
    with open(path, 'w', encoding='utf-8') as file:
        file.write('\n'.join(lines) + '\n')


FAMILIES = ['connection', 'string', 'bitmap', 'key', 'transaction', 'command', 'server', 'store',
            'pubsub', 'acl', 'tag', 'rules', 'lease', 'explain', 'stream', 'tier', 'audit']


def main(arguments):
    if len(arguments) < 2 or arguments[0] not in ('c', 'page') or (arguments[0] == 'c' and len(arguments) < 4):
        sys.exit(__doc__)
    folder = arguments[1]
    files = {f[:-5] for f in os.listdir(folder) if f.endswith('.yaml')}
    if files != set(FAMILIES):
        raise Mistake('files in %s and FAMILIES differ: %s' % (folder, ' '.join(sorted(files ^ set(FAMILIES)))))
    families = [load_family(folder, name) for name in FAMILIES]
    if arguments[0] == 'page':
        write_page(families, arguments[2] if len(arguments) > 2 else None)
        return
    wanted = arguments[4:]
    for name in wanted:
        if name not in FAMILIES:
            raise Mistake('no family "%s"' % name)
    write_c([c for commands, family in families if family['name'] in wanted for c in commands], arguments[2])
    write_prototypes(families, arguments[3])


if __name__ == '__main__':
    try:
        main(sys.argv[1:])
    except (Mistake, OSError, yaml.YAMLError) as error:
        sys.exit('gen_commands.py: %s' % error)
