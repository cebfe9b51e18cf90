/* Bundles the dashboard into a folder: build.mjs FOLDER
 *
 *     index.html  licenses.txt  assets/app-HASH.js  assets/app-HASH.css  assets/icon-HASH.svg
 *
 * Names of assets change with what is in them, so browsers may keep them for good. */
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2];
if (!folder) throw new Error('usage: build.mjs FOLDER');
mkdirSync(join(folder, 'assets'), { recursive: true });

function store(name, ending, contents) {
  const hash = createHash('sha256').update(contents).digest('hex').slice(0, 12);
  const path = `assets/${name}-${hash}.${ending}`;
  writeFileSync(join(folder, path), contents);
  return '/' + path;
}

const bundle = await build({
  entryPoints: [join(here, 'src/main.tsx')],
  outdir: folder,
  bundle: true,
  minify: true,
  write: false,
  metafile: true,
  format: 'iife',
  target: ['chrome111', 'firefox113', 'safari16.4'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  logLevel: 'warning',
});

/* Whose licences have to be shown: the packages of which something is in the bundle. */
const packages = [...new Set(Object.keys(bundle.metafile.inputs).map(path => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]).filter(Boolean))].sort();
const licences = packages.map(name => {
  const place = join(here, 'node_modules', name);
  const about = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'));
  return `${name} ${about.version} (${about.license})\n\n${readFileSync(join(place, 'LICENSE'), 'utf8').trim()}\n`;
});
const rule = '\n' + '-'.repeat(80) + '\n\n';
writeFileSync(join(folder, 'licenses.txt'),
  ['The dashboard of Strata has these packages of others in it.\n', ...licences, ].join(rule));

const output = ending => bundle.outputFiles.find(file => file.path.endsWith(ending)).contents;
const fields = {
  script: store('app', 'js', output('.js')),
  style: store('app', 'css', output('.css')),
  icon: store('icon', 'svg', readFileSync(join(here, 'src/icon.svg'))),
};
const page = readFileSync(join(here, 'src/index.html'), 'utf8');
writeFileSync(join(folder, 'index.html'), page.replace(/\{(\w+)\}/g, (_, name) => fields[name]));
