"""Those who load a missing key with real libraries: the functions of docs/leases.md as they stand there. Many ask for one key at once; one of them loads."""

import os
import pathlib
import re
import subprocess

import npm_packages

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs/leases.md"
CALLERS = 30
LIMIT_S = 60

# Behind a function of the page: everybody asks for the same key, twice. `loads` is how often it was loaded, `got` what was answered.
PYTHON = r'''
import json
import sys
import threading

server, loads, got = redis.Redis(port=int(sys.argv[1])), [], []
all_ask = threading.Barrier(CALLERS)

def load(key):
    loads.append(key)
    while server.info("stats")["lease_waiting"] < CALLERS - 1:
        pass
    return "value"

def ask():
    all_ask.wait()
    for _ in range(2):
        value = get_or_load(server, "of python", load)
        got.append(value if isinstance(value, str) else value.decode())

threads = [threading.Thread(target=ask) for _ in range(CALLERS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps([len(loads), sorted(set(got)), len(got)]))
'''
NODE = r'''
(async () => {
  const ready = await open(Number(process.argv[2]));
  let loads = 0;
  const got = [];
  const load = async () => {
    loads++;
    while (Number(/lease_waiting:(\d+)/.exec(await ready.info())[1]) < CALLERS - 1);
    return 'value';
  };
  const ask = async () => { for (let i = 0; i < 2; i++) got.push(await getOrLoad(...ready.first, 'of node', load)); };
  await Promise.all(Array.from({ length: CALLERS }, ask));
  console.log(JSON.stringify([loads, [...new Set(got)], got.length]));
  process.exit(0);
})();
'''
OPENED = {
    "ioredis": r'''
const open = async port => { const redis = new (require('ioredis'))(port); return { first: [redis], info: () => redis.info('stats') }; };
''',
    "redis": r'''
const { createClient, createClientPool } = require('redis');
const open = async port => {
  const client = await createClient({ RESP: 3, socket: { port } }).connect();
  const pool = await createClientPool({ RESP: 3, socket: { port } }, { maximum: CALLERS }).connect();
  return { first: [client, pool], info: () => client.info('stats') };
};
''',
}


def examples():
    """The functions of the page: of Python, and by the package of Node."""
    text = PAGE.read_text()
    python = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    node = [code for code in re.findall(r"^```js\n(.*?)^```", text, re.M | re.S) if "getOrLoad" in code]
    if len(python) != 1 or len(node) != 2:
        raise AssertionError(f"docs/leases.md has {len(python)} functions in Python and {len(node)} in JavaScript")
    by_pool = [code for code in node if "pool" in code]
    return python[0], {"redis": by_pool[0], "ioredis": next(code for code in node if code not in by_pool)}


def run(server, name, program, suffix, code):
    path = pathlib.Path(server.folder) / f"loader_{name}.{suffix}"
    path.write_text(code.replace("CALLERS", str(CALLERS)))
    environment = {**os.environ, "NODE_PATH": str(HERE / "node_modules")}
    done = subprocess.run([program, str(path), str(server.port)], capture_output=True, text=True, env=environment, timeout=LIMIT_S, check=False)
    if done.stdout.strip().replace(" ", "") != f'[1,["value"],{2 * CALLERS}]':
        raise AssertionError(f"{done.stdout}{done.stderr[-800:]}")


def flows(report, server):
    npm_packages.ready()
    python, node = examples()
    with report.case(f"the function of docs/leases.md in Python: of {CALLERS} one loads, and all get it"):
        run(server, "python", "/usr/bin/python3", "py", python + PYTHON)
    for package, code in node.items():
        with report.case(f"the function of docs/leases.md for {package}: of {CALLERS} one loads, and all get it"):
            run(server, package, "node", "js", OPENED[package] + code + NODE)
            server.client().call("DEL", "of node")
