/* Compiles the pure parts and runs their tests on what came of it: test.mjs */
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'strata-web-'));
await build({ entryPoints: [join(here, 'src/lib/index.ts')], outfile: join(folder, 'lib.mjs'), bundle: true, format: 'esm', platform: 'node', target: 'node18', logLevel: 'warning' });
const tests = readFileSync(join(here, 'test/lib.test.mjs'), 'utf8').replace("'#lib'", "'./lib.mjs'");
writeFileSync(join(folder, 'lib.test.mjs'), tests);
const done = spawnSync(process.execPath, ['--test', '--test-reporter=tap', join(folder, 'lib.test.mjs')], { stdio: 'inherit' });
rmSync(folder, { recursive: true });
process.exit(done.status ?? 1);
