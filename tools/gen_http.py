#!/usr/bin/python3
"""Makes of spec/http.yaml the table of routes, the OpenAPI document and docs/http-api.md.

gen_http.py c OUTPUT     writes both as C; the build does
gen_http.py page         writes docs/http-api.md
gen_http.py json         prints the OpenAPI document
gen_http.py --check      answers 1 if docs/http-api.md is out of date
"""
import json
import os
import re
import sys

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(ROOT, 'docs/http-api.md')
KNOWN = {'path', 'also', 'method', 'handler', 'tag', 'flags', 'summary', 'about', 'needs', 'query', 'headers', 'body', 'answers'}
FLAGS = {'open', 'changes', 'any'}
METHODS = ['GET', 'PUT', 'PATCH', 'POST', 'DELETE', 'PURGE']
TYPES = {'text': 'string', 'integer': 'integer', 'boolean': 'boolean'}
BYTES_IN_LINE = 28


def fail(text):
    sys.exit('spec/http.yaml: ' + text)


def read_spec():
    with open(os.path.join(ROOT, 'spec/http.yaml'), encoding='utf-8') as file:
        spec = yaml.safe_load(file)
    tags = {tag['name'] for tag in spec['tags']}
    for route in spec['routes']:
        where = '%s %s' % (route.get('method'), route.get('path'))
        if set(route) - KNOWN or set(route.get('flags', [])) - FLAGS:
            fail('%s: unknown property or flag' % where)
        if route['method'] not in METHODS or route['tag'] not in tags or not route.get('answers'):
            fail('%s: unknown method or tag, or no answers' % where)
        if not re.fullmatch(r'/([a-z0-9.:]+(/[a-z0-9.:]+)*(/\{[a-z]+\})?)?', route['path']):
            fail('%s: a path has small letters, and its parameter at the end' % where)
        if 'also' in route and ('{' not in route['path'] or not re.fullmatch(r'/[a-z0-9/]+', route['also'])):
            fail('%s: another path is for its parameter in the query, and has none of its own' % where)
        if 'open' not in route.get('flags', []) and not route.get('needs'):
            fail('%s: which commands does it send?' % where)
        if any(kind not in TYPES for kind, _ in route.get('query', {}).values()):
            fail('%s: unknown type in query' % where)
    pairs = [(route['method'], path) for route in spec['routes'] for path in (route['path'], route.get('also')) if path]
    if len(pairs) != len(set(pairs)):
        fail('a route stands there twice')
    return spec


def own_path(route):
    return route['path'].split('{')[0]


def parameter(route):
    found = re.search(r'\{([a-z]+)\}', route['path'])
    return found.group(1) if found else None


def named(route):
    """The same with its parameter in the query; None: it is not to be had so."""
    return dict(route, path=route['also'], also=None, named=parameter(route)) if route.get('also') else None


def with_named(routes):
    return [one for route in routes for one in (route, named(route)) if one]


def c_text(text):
    return '"' + text.replace('\\', '\\\\').replace('"', '\\"') + '"'


def c_flags(route):
    flags = ['ROUTE_' + flag.upper() for flag in route.get('flags', []) if flag != 'any']
    if route.get('body', [''])[0] == 'application/json':
        flags.append('ROUTE_JSON')
    if '{' in route['path'] or 'any' in route.get('flags', []):
        flags.append('ROUTE_REST')
    if route.get('named'):
        flags.append('ROUTE_NAMED')
    return ' | '.join(flags) or '0'


def c_query(route):
    """The names that its query may have; NULL: any."""
    flags = route.get('flags', [])
    if 'changes' not in flags or 'any' in flags:
        return 'NULL'
    own = [route['named']] if route.get('named') else []
    return c_text(' '.join(['', 'db', *own, *route.get('query', {}), '']))


def c_route(route):
    name = route.get('named') or parameter(route)
    return '{%s, %s, %s, %s, %s, api_%s}' % (c_text(route['method']), c_text(own_path(route)), c_flags(route), c_query(route),
                                             c_text(name) if name else 'NULL', route['handler'])


def make_c(spec):
    special = [route for route in spec['routes'] if 'any' in route.get('flags', [])]
    if len(special) != 1:
        fail('one route has the flag any')
    routes = sorted((route for route in with_named(spec['routes']) if route not in special),
                    key=lambda route: (-len(own_path(route)), METHODS.index(route['method'])))
    document = json.dumps(open_api(spec), ensure_ascii=True, separators=(',', ':')).encode()
    out = ['/* Made from spec/http.yaml by tools/gen_http.py. */', '#include "app/api/handlers.h"',
           '#include "app/api/openapi.h"', '#include "app/api/routes.h"', '', 'const struct api_route api_routes[] = {']
    out += ['    %s,' % c_route(route) for route in routes]
    out += ['};', 'const uint32_t api_route_count = sizeof api_routes / sizeof *api_routes;',
            'const struct api_route api_purge_route = %s;' % c_route(special[0]), '',
            'const char openapi_document[] = {']
    for at in range(0, len(document), BYTES_IN_LINE):
        out.append('    ' + ' '.join('%d,' % byte for byte in document[at:at + BYTES_IN_LINE]))
    out += ['};', 'const size_t openapi_document_size = sizeof openapi_document;', '']
    return '\n'.join(out)


def plain(text):
    """Links to pages become their names."""
    return re.sub(r'\[([^]]+)\]\([^)]+\)', r'\1', text)


def problem(text):
    return {'description': plain(text), 'content': {'application/problem+json': {'schema': {'$ref': '#/components/schemas/Problem'}}}}


def answer_of(route, status, text):
    if int(status) >= 400:
        return problem(text)
    answer = {'description': plain(text)}
    if status in ('204', '304') or (route['method'] == 'PUT' and status == '201'):
        return answer
    kind = 'application/json'
    if route['handler'] == 'key_get':
        answer['content'] = {'application/octet-stream': {}, 'application/json': {}}
        return answer
    kind = {'events_get': 'text/event-stream', 'metrics': 'application/openmetrics-text', 'livez': 'text/plain', 'readyz': 'text/plain',
            'rules_get': 'application/yaml'}.get(route['handler'], kind)
    answer['content'] = {kind: {}}
    return answer


def parameters_of(route):
    result = []
    if parameter(route):
        result.append({'name': parameter(route), 'in': 'path', 'required': True, 'schema': {'type': 'string'}})
    if route.get('named'):
        result.append({'name': route['named'], 'in': 'query', 'required': True, 'allowEmptyValue': True, 'schema': {'type': 'string'},
                       'description': 'any bytes, percent-encoded (a space is %20 or +, a plus %2B); may be empty'})
    for name, (kind, text) in route.get('query', {}).items():
        result.append({'name': name, 'in': 'query', 'description': plain(text), 'schema': {'type': TYPES[kind]}})
    if 'open' not in route.get('flags', []):
        result.append({'$ref': '#/components/parameters/db'})
    for name, text in route.get('headers', {}).items():
        result.append({'name': name, 'in': 'header', 'description': plain(text), 'schema': {'type': 'string'}})
    return result


def operation_of(spec, route):
    answers = dict(route['answers'])
    is_open = 'open' in route.get('flags', [])
    for status, text in spec['answers'].items():
        if not is_open:
            answers.setdefault(status, text)
    operation = {'operationId': route['handler'] + ('_named' if route.get('named') else ''), 'tags': [route['tag']], 'summary': plain(route['summary']),
                 'parameters': parameters_of(route),
                 'responses': {status: answer_of(route, status, text) for status, text in sorted(answers.items())}}
    about = [plain(route['about'])] if route.get('about') else []
    if route.get('needs'):
        about.append('Rights: ' + ', '.join(route['needs']) + '.')
    if about:
        operation['description'] = ' '.join(about)
    if 'body' in route:
        kind, text = route['body']
        operation['requestBody'] = {'description': plain(text), 'required': True, 'content': {kind: {}}}
    if is_open:
        operation['security'] = []
    return operation


def open_api(spec):
    """PURGE is no method that OpenAPI 3.1 knows: such routes stand in `x-purge` of their path."""
    paths = {}
    for route in with_named(spec['routes']):
        method = route['method'].lower()
        item = paths.setdefault(route['path'], {})
        item['x-purge' if method == 'purge' else method] = operation_of(spec, route)
        if route['handler'] == 'key_get':
            item['head'] = dict(operation_of(spec, route), operationId='key_head_named' if route.get('named') else 'key_head')
    return {
        'openapi': '3.1.0',
        'info': {'title': 'Strata', 'version': '1', 'description': 'A cache that stays correct: keys, invalidation, events and statistics over HTTP.'},
        'servers': [{'url': '/'}],
        'security': [{'basic': []}, {'bearer': []}, {}],
        'tags': [{'name': tag['name'], 'description': plain(tag['about'])} for tag in spec['tags']],
        'paths': paths,
        'components': {
            'securitySchemes': {'basic': {'type': 'http', 'scheme': 'basic'}, 'bearer': {'type': 'http', 'scheme': 'bearer'}},
            'parameters': {'db': {'name': 'db', 'in': 'query', 'description': 'number of the database', 'schema': {'type': 'integer', 'minimum': 0, 'maximum': 15}}},
            'schemas': {'Problem': {
                'type': 'object', 'required': ['type', 'title', 'status', 'detail', 'code'],
                'properties': {'type': {'type': 'string'}, 'title': {'type': 'string'}, 'status': {'type': 'integer'}, 'detail': {'type': 'string'},
                               'code': {'type': 'string', 'description': 'one word, as errors of commands begin'}}}}}}


def page_of(spec, route):
    out = ['### %s `%s`' % (route['method'], route['path']), '', route['summary'] + '.']
    if route.get('also'):
        out[-1] += ' Also `%s?%s=...`.' % (route['also'], parameter(route))
    if route.get('about'):
        out += ['', route['about']]
    rows = [('`?%s`' % name, text) for name, (_, text) in route.get('query', {}).items()]
    rows += [('`%s:`' % name, text) for name, text in route.get('headers', {}).items()]
    if 'body' in route:
        rows.append(('body, %s' % route['body'][0], route['body'][1]))
    rows += [('**%s**' % status, text) for status, text in sorted(route['answers'].items())]
    out += ['', '| | |', '|---|---|'] + ['| %s | %s |' % (name, text.replace('|', '\\|')) for name, text in rows]
    rights = 'Anybody may ask.' if 'open' in route.get('flags', []) else 'Needs the rights to ' + ', '.join(route['needs']) + '.'
    return out + ['', rights, '']


def make_page(spec):
    out = ['# HTTP: the routes', '',
           '<!-- Generated from spec/http.yaml by tools/gen_http.py: change that file instead. -->', '',
           'How to use them, who may ask, and what an error looks like: [HTTP](http-guide.md). The same as OpenAPI 3.1: `GET /openapi.json`.', '',
           '`?db=N` chooses the database of any route that asks for data. Every route that is not open to anybody may also answer:', '',
           '| | |', '|---|---|']
    out += ['| **%s** | %s |' % (status, text) for status, text in spec['answers'].items()]
    out.append('')
    for tag in spec['tags']:
        out += ['## ' + tag['name'], '', tag['about'], '']
        for route in spec['routes']:
            if route['tag'] == tag['name']:
                out += page_of(spec, route)
    return '\n'.join(out)


def write(path, text):
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def main(arguments):
    spec = read_spec()
    if arguments[:1] == ['c'] and len(arguments) == 2:
        write(arguments[1], make_c(spec))
    elif arguments == ['page']:
        write(PAGE, make_page(spec))
    elif arguments == ['json']:
        print(json.dumps(open_api(spec), indent=2))
    elif arguments == ['--check']:
        with open(PAGE, encoding='utf-8') as file:
            if file.read() != make_page(spec):
                sys.exit('out of date, run tools/gen_http.py page: docs/http-api.md')
    else:
        sys.exit(__doc__)


if __name__ == '__main__':
    main(sys.argv[1:])
