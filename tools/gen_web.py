#!/usr/bin/python3
"""Writes what the dashboard has to know of the specs as JSON: gen_web.py OUTPUT

The settings with their defaults and whether they can be changed while the server runs, of spec/config.yaml; and which commands read, write or invalidate, of
spec/commands.
"""
import glob
import json
import os
import re
import sys

import yaml

import gen_config

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def setting(key):
    text = re.sub(r'\[([^]]+)\]\([^)]+\)', r'\1', key['description']).replace('`', '')
    return {'name': key['name'], 'section': key['section'], 'type': key['type'], 'unit': key['unit'], 'fallback': key['default'],
            'running': key['running'], 'secret': key['secret'], 'choices': [gen_config.word(choice) for choice in key['choices']],
            'about': text}


def kind_of(command, categories):
    if 'invalidation' in command.get('categories', categories):
        return 'invalidate'
    flags = command.get('flags', [])
    return 'write' if 'write' in flags else 'read' if 'readonly' in flags else None


def commands():
    """As INFO commandstats names them: tag|invalidate."""
    kinds = {}
    for path in sorted(glob.glob(os.path.join(ROOT, 'spec/commands/*.yaml'))):
        with open(path, encoding='utf-8') as file:
            family = yaml.safe_load(file)
        for name, command in family['commands'].items():
            kinds[name] = kind_of(command, family.get('categories', []))
            for sub, inner in (command.get('subcommands') or {}).items():
                kinds['%s|%s' % (name, sub)] = kind_of(inner, command.get('categories', family.get('categories', [])))
    return {name: kind for name, kind in kinds.items() if kind}


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    spec = {'settings': [setting(key) for key in gen_config.read_keys()], 'commands': commands()}
    os.makedirs(os.path.dirname(arguments[0]), exist_ok=True)
    with open(arguments[0], 'w', encoding='utf-8') as file:
        json.dump(spec, file, ensure_ascii=True)


if __name__ == '__main__':
    main(sys.argv[1:])
