// redis 5 (node-redis), RESP2 and RESP3: argv is PORT, PASSWORD_PORT, UNIX_PATH.
'use strict';
const { createClient, RESP_TYPES, BasicClientSideCache } = require('redis');
const { assert, testCase, settle, binary, large, finish } = require('./cases');
const [port, passwordPort, unixPath] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];

async function connected(options) {
  const client = createClient({ socket: { host: '127.0.0.1', port }, ...options });
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function flows(RESP) {
  const name = `redis RESP${RESP}`;
  let client;
  await testCase(`${name} connects, with a name and a database`, async () => {
    client = await connected({ RESP, name: 'nr', database: 2 });
    assert.equal(await client.clientGetName(), 'nr');
    assert.equal((await client.clientInfo()).db, 2);
    assert.equal(await client.flushAll(), 'OK');
  });
  if (!client) return;
  await testCase(`${name} strings`, async () => {
    assert.equal(await client.set('a', 'ü€'), 'OK');
    assert.equal(await client.get('a'), 'ü€');
    assert.equal(await client.get('none'), null);
    assert.equal(await client.set('a', 'x', { NX: true }), null);
    assert.equal(await client.set('a', 'y', { expiration: { type: 'EX', value: 100 }, GET: true }), 'ü€');
    assert.equal(await client.incrBy('n', 5), 5);
    assert.equal(await client.incrByFloat('f', 1.5), '1.5');
    assert.deepEqual(await client.mGet(['a', 'none', 'n']), ['y', null, '5']);
    assert.equal(await client.mSet({ m1: '1', m2: '2' }), 'OK');
    assert.equal(await client.getDel('m1'), '1');
    assert.equal(await client.copy('m2', 'm3'), 1);
    assert.deepEqual(await client.bitField('bits', [{ operation: 'SET', encoding: 'u8', offset: 0, value: 200 }]), [0]);
    assert.equal(await client.lcsLen('m2', 'm3'), 1);
    await assert.rejects(client.incr('a'), /value is not an integer or out of range/);
    await assert.rejects(client.sendCommand(['NOSUCH']), /unknown command 'NOSUCH'/);
  });
  await testCase(`${name} binary and large values`, async () => {
    const buffers = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    assert.equal(await client.set('binary', binary), 'OK');
    assert.ok((await buffers.get('binary')).equals(binary));
    assert.equal(await client.set('large', large), 'OK');
    assert.ok((await buffers.get('large')).equals(large));
  });
  await testCase(`${name} many requests at once`, async () => {
    await Promise.all(Array.from({ length: 1000 }, (_, i) => client.set(`p${i}`, i.toString())));
    const values = await Promise.all(Array.from({ length: 1000 }, (_, i) => client.get(`p${i}`)));
    values.forEach((value, i) => assert.equal(value, String(i)));
  });
  await testCase(`${name} publish and subscribe`, async () => {
    const listener = await connected({ RESP });
    const seen = [];
    const listen = (text, channel) => seen.push(`${channel}: ${text}`);
    await listener.subscribe(['nr.a', 'nr.b'], listen);
    await listener.pSubscribe('nr.*', listen);
    await listener.sSubscribe('nr.shard', listen);
    assert.equal(await client.publish('nr.a', 'ü€'), 2);
    assert.equal(await client.sPublish('nr.shard', 'x'), 1);
    await settle(async () => seen.length === 3);
    assert.deepEqual(seen.slice(0, 2), ['nr.a: ü€', 'nr.a: ü€']);
    assert.equal(seen[2], 'nr.shard: x');
    assert.deepEqual((await client.pubSubChannels('nr.*')).sort(), ['nr.a', 'nr.b']);
    assert.equal(await client.pubSubNumPat(), 1);
    if (RESP === 3) assert.equal(await listener.echo('between'), 'between');
    await listener.unsubscribe(['nr.a', 'nr.b']);
    await listener.pUnsubscribe('nr.*');
    await listener.sUnsubscribe('nr.shard');
    assert.equal(await client.publish('nr.a', 'x'), 0);
    assert.equal(await listener.echo('after'), 'after');
    listener.destroy();
  });
  await testCase(`${name} transactions`, async () => {
    assert.deepEqual(await client.multi().set('t', '1').incr('t').get('t').exec(), ['OK', 2, '2']);
    const other = await connected({ RESP, database: 2 });
    await client.watch('t');
    await other.set('t', 'changed');
    await assert.rejects(client.multi().set('t', 'mine').exec(), /watched/i);
    assert.equal(await client.get('t'), 'changed');
    await client.watch('t');
    assert.deepEqual(await client.multi().set('t', 'mine').exec(), ['OK']);
    other.destroy();
  });
  await testCase(`${name} expiry`, async () => {
    await client.set('e', '1', { expiration: { type: 'PX', value: 50 } });
    await settle(async () => (await client.get('e')) === null);
    await client.set('e', '1');
    assert.equal(await client.expire('e', 100, 'NX'), 1);
    assert.ok(Math.abs(await client.expireTime('e') - Date.now() / 1000 - 100) < 3);
    assert.equal(await client.getEx('e', { type: 'PERSIST' }), '1');
    assert.equal(await client.ttl('e'), -1);
  });
  await testCase(`${name} scan iterator`, async () => {
    const seen = new Set();
    for await (const keys of client.scanIterator({ MATCH: 'p*', COUNT: 50, TYPE: 'string' })) keys.forEach(key => seen.add(key));
    assert.equal(seen.size, 1000);
  });
  await testCase(`${name} server commands`, async () => {
    assert.match(await client.info('server'), /redis_version:7\./);
    assert.deepEqual({ ...(await client.configGet('databases')) }, { databases: '16' });
    assert.equal(await client.configSet('timeout', '0'), 'OK');
    assert.ok((await client.commandCount()) > 50);
    assert.equal((await client.commandInfo(['get']))[0].arity, 2);
    assert.ok(await client.memoryUsage('large') > large.length);
    assert.ok((await client.clientList()).some(one => one.name === 'nr'));
    assert.equal(await client.dbSize() > 1000, true);
    assert.equal((await client.time()).length, 2);
  });
  await testCase(`${name} reconnects after CLIENT KILL`, async () => {
    const other = await connected({ RESP });
    const id = await client.clientId();
    assert.equal(await other.sendCommand(['CLIENT', 'KILL', 'ID', String(id)]), 1);
    await settle(async () => client.isReady && (await client.clientId().catch(() => id)) !== id);
    assert.equal(await client.get('a'), 'y');
    assert.equal(await client.clientGetName(), 'nr');
    other.destroy();
  });
  await testCase(`${name} with a password`, async () => {
    const good = await connected({ RESP, socket: { host: '127.0.0.1', port: passwordPort }, password: 'secret' });
    assert.equal(await good.ping(), 'PONG');
    good.destroy();
    const wrong = createClient({ RESP, socket: { host: '127.0.0.1', port: passwordPort, reconnectStrategy: false }, password: 'no' });
    wrong.on('error', () => {});
    await assert.rejects(wrong.connect(), /WRONGPASS/);
  });
  await testCase(`${name} as a user with some rights`, async () => {
    const master = await connected({ RESP, socket: { host: '127.0.0.1', port: passwordPort }, password: 'secret' });
    assert.equal(await master.aclSetUser('nr', ['reset', 'on', '>pw', '~nr:*', '+@read', '+@write', '+@connection', '-@dangerous']), 'OK');
    assert.deepEqual((await master.aclGetUser('nr')).keys, '~nr:*');
    const user = await connected({ RESP, socket: { host: '127.0.0.1', port: passwordPort }, username: 'nr', password: 'pw' });
    assert.equal(await user.set('nr:1', 'x'), 'OK');
    await assert.rejects(user.get('other'), /NOPERM this user has no permissions to access one of the keys/);
    await assert.rejects(user.flushAll(), /NOPERM this user has no permissions to run the 'flushall' command/);
    assert.equal((await master.aclLog())[0].object, 'flushall');
    user.destroy();
    master.destroy();
  });
  await testCase(`${name} over a Unix socket`, async () => {
    const local = await connected({ RESP, socket: { path: unixPath }, database: 2 });
    assert.equal(await local.get('a'), 'y');
    local.destroy();
  });
  await testCase(`${name} closes`, async () => { await client.close(); });
}

// The library keeps what it has read, and forgets it when the server says so.
async function cachingFlows() {
  const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 0 });
  const writer = await connected({});
  await testCase('redis with a cache of its own reads each value once, until somebody changes it', async () => {
    const reader = await connected({ RESP: 3, clientSideCache: cache });
    for (let round = 0; round < 20; round++) {
      const key = `csc${round % 3}`;
      await writer.set(key, `value ${round}`);
      await reader.ping(); // what was told before this is known
      const before = cache.stats();
      for (let i = 0; i < 5; i++) assert.equal(await reader.get(key), `value ${round}`);
      assert.equal(cache.stats().missCount - before.missCount, 1);
      assert.equal(cache.stats().hitCount - before.hitCount, 4);
    }
    reader.destroy();
  });
  await testCase('redis passes versions through', async () => {
    assert.equal(await writer.sendCommand(['SET', 'row', 'new', 'IFNEWER', '5']), 'OK');
    assert.equal(await writer.sendCommand(['SET', 'row', 'old', 'IFNEWER', '4', 'EX', '100']), null);
    assert.deepEqual(await writer.sendCommand(['CGET', 'row', 'VERSION']), ['HIT', 'new', 5]);
  });
  await testCase('redis with a cache of its own forgets by tag, by expiry, by FLUSHALL and with what it wrote itself', async () => {
    const reader = await connected({ RESP: 3, clientSideCache: cache });
    const expectAfter = async (change, wanted) => {
      await writer.sendCommand(['SET', 'csc', 'here', 'TAGS', '1', 'group']);
      await reader.ping();
      assert.equal(await reader.get('csc'), 'here');
      await change();
      await reader.ping();
      assert.equal(await reader.get('csc'), wanted);
    };
    await expectAfter(() => writer.sendCommand(['TAG', 'INVALIDATE', 'group']), null);
    await expectAfter(() => writer.sendCommand(['PEXPIRE', 'csc', '-1']), null);
    await expectAfter(() => writer.sendCommand(['RENAME', 'csc', 'other']), null);
    await expectAfter(() => reader.set('csc', 'mine'), 'mine');
    await expectAfter(() => writer.flushAll(), null);
    reader.destroy();
  });
  await testCase('redis with a cache of its own forgets what rules take away or make stale', async () => {
    const reader = await connected({ RESP: 3, clientSideCache: cache });
    const manifest = JSON.stringify({ version: 1, keys: {
      'csc:source:{id}': { ttl: '1h', invalidates: ['csc:hard:{id}', { soft: 'csc:soft:{id}' }, 'csc:many:{id}:*'] },
      'csc:hard:{id}': { ttl: '1h' }, 'csc:soft:{id}': { ttl: '1h', stale: '1m' }, 'csc:many:{id}:{n}': { ttl: '1h' } } });
    assert.equal(await writer.sendCommand(['RULES', 'LOAD', manifest]), 'OK');
    const keys = ['csc:hard:1', 'csc:soft:1', 'csc:many:1:1', 'csc:hard:2'];
    for (const change of [['SET', 'csc:source:1', 'x'], ['DEL', 'csc:source:1'], ['INVALIDATE', 'KEY', 'csc:source:1', 'SOFT']]) {
      for (const key of keys) await writer.set(key, 'v');
      await reader.ping();
      for (const key of keys) assert.equal(await reader.get(key), 'v');
      await writer.sendCommand(change);
      await reader.ping();
      const before = cache.stats();
      assert.deepEqual(await Promise.all(keys.map(key => reader.get(key))), [null, null, null, 'v']);
      assert.equal(cache.stats().hitCount - before.hitCount, 1);
    }
    assert.equal(await writer.sendCommand(['RULES', 'LOAD', 'version: 1']), 'OK');
    reader.destroy();
  });
  writer.destroy();
}

flows(2).then(() => flows(3)).then(cachingFlows).then(finish);
