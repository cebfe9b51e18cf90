#!/usr/bin/env python3
"""Tests of spec/commands and its generator: gen_commands_test.py [unittest options].

The facts that clients rely on (arity, flags, categories, key positions, version, group) are compared with those of the
redis-server that is installed; without one, these tests are skipped.
"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tools'))
sys.dont_write_bytecode = True
import gen_commands as gen  # noqa: E402

SPEC = os.path.join(ROOT, 'spec', 'commands')
START_SECONDS_MAX = 20


def all_commands():
    return [c for name in gen.FAMILIES for c in gen.everything(gen.load_family(SPEC, name)[0])]


class Redis:
    """A redis-server of our own on a Unix socket, and a connection in RESP3."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix='strata')
        path = os.path.join(self.folder, 'redis.sock')
        self.server = subprocess.Popen(
            ['redis-server', '--port', '0', '--unixsocket', path, '--save', '', '--dir', self.folder],
            stdout=subprocess.DEVNULL)
        self.socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + START_SECONDS_MAX
        while self.socket.connect_ex(path) != 0:
            if self.server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError('redis-server does not start')
            time.sleep(0.01)
        self.file = self.socket.makefile('rb')
        self.call('HELLO', '3')
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.file.close()
        self.server.terminate()
        self.server.wait()
        shutil.rmtree(self.folder)

    def call(self, *arguments):
        self.socket.sendall(b'*%d\r\n' % len(arguments) +
                            b''.join(b'$%d\r\n%s\r\n' % (len(a), a.encode()) for a in arguments))
        return self.read()

    def read(self):
        line = self.file.readline()[:-2].decode('latin1')
        kind, rest = line[0], line[1:]
        if kind in '+-':
            return rest
        if kind == ':':
            return int(rest)
        if kind == '_':
            return None
        if kind == '$':
            return self.file.read(int(rest) + 2)[:-2].decode('latin1')
        if kind in '*~':
            return [self.read() for _ in range(int(rest))]
        if kind == '%':
            return {self.read(): self.read() for _ in range(int(rest))}
        raise RuntimeError('reply not understood: ' + line)


def key_facts(keys):
    """Key specifications as COMMAND INFO answers them."""
    found = []
    for k in keys:
        if k['count_at']:
            begin, find = k['count_at'], {'keynumidx': 0, 'firstkey': k['at'] - k['count_at'], 'keystep': k['step']}
        else:
            begin = k['at']
            last = k['to'] if k['to'] < 0 else k['to'] - k['at']
            find = {'lastkey': last, 'keystep': k['step'], 'limit': 0}
        found.append((set(k['flags']), begin, find))
    return found


@unittest.skipUnless(shutil.which('redis-server'), 'redis-server is not installed')
class Facts(unittest.TestCase):
    def test_facts_are_those_of_redis(self):
        with Redis() as redis:
            theirs, docs = {}, redis.call('COMMAND', 'DOCS')
            for row in redis.call('COMMAND'):
                theirs[row[0]] = row, docs[row[0]]
                for sub in row[9]:
                    theirs[sub[0]] = sub, docs[row[0]]['subcommands'][sub[0]]
        compared = 0
        for ours in all_commands():
            if ours.full not in theirs:
                self.assertNotRegex(str(ours.data['since']), r'^[1-6]\.|^7\.0', ours.full)
                continue
            row, doc = theirs[ours.full]
            with self.subTest(command=ours.full):
                self.assertEqual(ours.data['arity'], row[1])
                self.assertEqual(set(ours.flags), set(row[2]))
                self.assertEqual(ours.legacy_range(), tuple(row[3:6]))
                self.assertEqual({'@' + c for c in ours.categories}, set(row[6]))
                self.assertEqual(set(ours.data.get('tips', [])), set(row[7]))
                self.assertEqual(key_facts(ours.keys), [
                    (set(k['flags']), k['begin_search']['spec']['index'], k['find_keys']['spec']) for k in row[8]])
                self.assertEqual(str(ours.data['since']), doc['since'])
                self.assertEqual(ours.group, doc['group'])
                self.assertEqual((ours.data.get('deprecated') or {}).get('since'), doc.get('deprecated_since'))
            compared += 1
        self.assertGreater(compared, 120)

    def test_names_of_arguments_and_tokens_are_those_of_redis(self):
        """Tokens are what a client must send, so each of theirs is one of ours (ours may be more)."""

        def tokens(arguments):
            for a in arguments:
                if 'token' in a:
                    yield a['token']
                yield from tokens(a.get('arguments', []))

        def own(arguments):
            for a in arguments:
                if a.token:
                    yield a.token
                yield from own(a.children)

        with Redis() as redis:
            docs = redis.call('COMMAND', 'DOCS')
        for ours in all_commands():
            doc = docs.get(ours.full.split('|')[0], {})
            if ours.container:
                doc = doc.get('subcommands', {}).get(ours.full, {})
            with self.subTest(command=ours.full):
                theirs = {t.upper() for t in tokens(doc.get('arguments', []))}
                self.assertEqual(theirs - set(own(ours.arguments)), set())


class Page(unittest.TestCase):
    def test_page_is_up_to_date(self):
        made = subprocess.run([sys.executable, os.path.join(ROOT, 'tools', 'gen_commands.py'), 'page', SPEC],
                              stdout=subprocess.PIPE, check=True, text=True).stdout
        with open(os.path.join(ROOT, 'docs', 'commands.md'), encoding='utf-8') as file:
            self.assertEqual(file.read(), made, 'run: tools/gen_commands.py page spec/commands docs/commands.md')


class Syntax(unittest.TestCase):
    def tree(self, text):
        def one(a):
            marks = '?' * a.optional + '*' * a.multiple
            inner = [one(c) for c in a.children]
            return (a.name, a.kind, a.token, marks) + ((inner,) if inner else ())
        return [one(a) for a in gen.Syntax(text).read()]

    def test_names_have_types(self):
        self.assertEqual(self.tree('key value start:integer'), [
            ('key', 'key', None, ''), ('value', 'string', None, ''), ('start', 'integer', None, '')])

    def test_tokens_belong_to_what_follows_inside_brackets(self):
        self.assertEqual(self.tree('[GET] [EX seconds] [ID id...]'), [
            ('get', 'pure-token', 'GET', '?'), ('seconds', 'integer', 'EX', '?'), ('id', 'string', 'ID', '?*')])
        self.assertEqual(self.tree('[AUTH username password]'), [
            ('username-password', 'block', 'AUTH', '?', [
                ('username', 'string', None, ''), ('password', 'string', None, '')])])

    def test_choices_and_blocks(self):
        self.assertEqual(self.tree('c=(NX | EX seconds) data=(key value)...'), [
            ('c', 'oneof', None, '', [('nx', 'pure-token', 'NX', ''), ('seconds', 'integer', 'EX', '')]),
            ('data', 'block', None, '*', [('key', 'key', None, ''), ('value', 'string', None, '')])])

    def test_mistakes_are_named(self):
        for text in ('[key', 'key]', '(a | )', 'key:nothing', 'key %', '...'):
            with self.subTest(text=text), self.assertRaises(gen.Mistake):
                gen.Syntax(text).read()


class Files(unittest.TestCase):
    GOOD = {'summary': 's', 'since': '1.0.0', 'complexity': 'O(1)', 'arity': 2, 'flags': ['readonly']}
    FAMILY = {'file': 'test.yaml', 'name': 'test', 'group': 'string', 'categories': ['string']}

    def test_good_command_is_taken(self):
        self.assertEqual(gen.load('get', dict(self.GOOD), self.FAMILY).categories, ['read', 'slow', 'string'])

    def test_mistakes_name_file_and_command(self):
        for change in ({'arity': 0}, {'arity': 'two'}, {'flags': ['quick']}, {'nonsense': 1}, {'summary': None, 'flags': None},
                       {'keys': [{'at': 1, 'flags': ['RX']}]}, {'keys': [{'flags': ['RO']}]}, {'categories': ['x']},
                       {'own_flags': ['write']}, {'syntax': '[a'}):
            with self.subTest(change=change), self.assertRaisesRegex(gen.Mistake, 'test.yaml: get: '):
                gen.load('get', dict(self.GOOD, **change), self.FAMILY)
        for name in ('Get', 'a' * (gen.NAME_SIZE_MAX + 1), 'get-it'):
            with self.subTest(name=name), self.assertRaises(gen.Mistake):
                gen.load(name, dict(self.GOOD), self.FAMILY)

    def test_command_that_stands_twice_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, 'test.yaml'), 'w', encoding='utf-8') as file:
                file.write('group: string\ncommands:\n  get: {}\n  get: {}\n')
            with self.assertRaisesRegex(gen.Mistake, 'test.yaml:4: "get" stands here twice'):
                gen.load_family(folder, 'test')

    def test_every_name_has_a_slot_of_its_own(self):
        names = sorted(c.name for c in all_commands() if not c.container)
        self.assertEqual(len(names), len(set(names)))
        _, bits, slots = gen.find_seed(names)
        self.assertEqual(len(set(slots)), len(names))
        self.assertLessEqual(bits, 10)

    def test_texts_fit_a_help_line(self):
        for command in all_commands():
            self.assertLess(max(len(command.syntax), len(command.data['summary'])), 760, command.full)  # HELP_LINE_SIZE of command.c, with its indent


if __name__ == '__main__':
    unittest.main()
