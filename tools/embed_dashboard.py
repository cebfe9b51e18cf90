#!/usr/bin/python3
"""Makes a table in C of the files of the dashboard.

embed_dashboard.py auto|enabled|disabled FOLDER OUTPUT

FOLDER is what `./dev dashboard` has made: files, and `complete`, an empty one that is made last. With `auto` the table is empty where that is not there; with
`enabled` it is an error. OUTPUT is written only if it changes.
"""
import gzip
import hashlib
import os
import sys

BYTES_IN_LINE = 28
TYPES = {'.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
         '.svg': 'image/svg+xml', '.txt': 'text/plain; charset=utf-8'}


def read_files(folder):
    """(path, bytes) of every file, in the order of their paths."""
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            if os.path.splitext(name)[1] not in TYPES:
                continue
            full = os.path.join(place, name)
            with open(full, 'rb') as file:
                found.append(('/' + os.path.relpath(full, folder), file.read()))
    return sorted(found)


def c_bytes(name, data):
    lines = ['static const uint8_t %s[] = {' % name]
    for at in range(0, len(data), BYTES_IN_LINE):
        lines.append('    ' + ' '.join('%d,' % byte for byte in data[at:at + BYTES_IN_LINE]))
    return lines + ['};']


def etag(data):
    return '"\\"' + hashlib.sha256(data).hexdigest()[:32] + '\\""'


def make(files):
    out = ['/* Made by tools/embed_dashboard.py. */', '#include "app/dashboard/files.h"', '']
    rows = []
    for number, (path, data) in enumerate(files):
        zipped = gzip.compress(data, 9, mtime=0)
        if len(zipped) >= len(data):
            zipped = b''
        out += c_bytes('bytes_%d' % number, data)
        if zipped:
            out += c_bytes('zipped_%d' % number, zipped)
        rows.append('    {"%s", "%s", %s, %s, {bytes_%d, sizeof bytes_%d}, %s, %s},' % (
            '/' if path == '/index.html' else path, TYPES[os.path.splitext(path)[1]], etag(data), etag(zipped), number, number,
            '{zipped_%d, sizeof zipped_%d}' % (number, number) if zipped else '{NULL, 0}',
            'true' if path.startswith('/assets/') else 'false'))
    # C has no arrays without members.
    out += ['', 'const struct dashboard_file dashboard_files[] = {'] + (rows or ['    {.path = ""},']) + ['};']
    return '\n'.join(out + ['const uint32_t dashboard_file_count = %d;' % len(rows), ''])


def main(arguments):
    if len(arguments) != 3 or arguments[0] not in ('auto', 'enabled', 'disabled'):
        sys.exit(__doc__)
    wanted, folder, output = arguments
    complete = os.path.exists(os.path.join(folder, 'complete'))
    if wanted == 'enabled' and not complete:
        sys.exit('the dashboard is not there; ./dev dashboard makes it')
    text = make(read_files(folder) if complete and wanted != 'disabled' else [])
    if os.path.exists(output):
        with open(output, encoding='utf-8') as file:
            if file.read() == text:
                return
    with open(output, 'w', encoding='utf-8') as file:
        file.write(text)


if __name__ == '__main__':
    main(sys.argv[1:])
