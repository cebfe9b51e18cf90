// ioredis 5: argv is PORT, PASSWORD_PORT, UNIX_PATH.
'use strict';
const Redis = require('ioredis');
const { assert, testCase, settle, binary, large, finish } = require('./cases');
const [port, passwordPort, unixPath] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];

const silent = client => { client.on('error', () => {}); return client; };

async function main() {
  const redis = silent(new Redis(port, '127.0.0.1', { connectionName: 'io', db: 3 }));
  await testCase('ioredis connects, with a name and a database', async () => {
    await new Promise((resolve, reject) => { redis.once('ready', resolve); redis.once('end', () => reject(new Error('ended'))); });
    assert.equal(await redis.client('GETNAME'), 'io');
    assert.match(await redis.client('INFO'), / db=3 /);
    assert.equal(await redis.flushall(), 'OK');
  });
  await testCase('ioredis strings', async () => {
    assert.equal(await redis.set('a', 'ü€'), 'OK');
    assert.equal(await redis.get('a'), 'ü€');
    assert.equal(await redis.get('none'), null);
    assert.equal(await redis.set('a', 'x', 'NX'), null);
    assert.equal(await redis.set('a', 'y', 'EX', 100, 'GET'), 'ü€');
    assert.equal(await redis.incrby('n', 5), 5);
    assert.equal(await redis.incrbyfloat('f', 1.5), '1.5');
    assert.deepEqual(await redis.mget('a', 'none', 'n'), ['y', null, '5']);
    assert.equal(await redis.mset(new Map([['m1', '1'], ['m2', '2']])), 'OK');
    assert.equal(await redis.getdel('m1'), '1');
    await assert.rejects(redis.incr('a'), /value is not an integer or out of range/);
    await assert.rejects(redis.call('NOSUCH', 'x'), /unknown command 'NOSUCH'/);
  });
  await testCase('ioredis passes versions through', async () => {
    assert.equal(await redis.set('row', 'new', 'IFNEWER', 5), 'OK');
    assert.equal(await redis.set('row', 'old', 'IFNEWER', 4, 'EX', 100), null);
    assert.equal(await redis.call('CVERSION', 'row'), 5);
    assert.deepEqual(await redis.call('CGET', 'row', 'VERSION'), ['HIT', 'new', 5]);
  });
  await testCase('ioredis binary and large values', async () => {
    assert.equal(await redis.set(binary.subarray(0, 300), binary), 'OK');
    assert.deepEqual(await redis.getBuffer(binary.subarray(0, 300)), binary);
    assert.equal(await redis.set('large', large), 'OK');
    assert.ok((await redis.getBuffer('large')).equals(large));
    assert.equal(await redis.strlen('large'), large.length);
  });
  await testCase('ioredis hears of keys that expire', async () => {
    const listener = silent(redis.duplicate());
    const heard = [];
    listener.on('pmessage', (pattern, channel, key) => heard.push([channel, key]));
    assert.equal(await listener.psubscribe('__keyevent@3__:*'), 1);
    assert.equal(await redis.config('SET', 'notify-keyspace-events', 'Exg'), 'OK');
    assert.deepEqual(await redis.config('GET', 'notify-keyspace-events'), ['notify-keyspace-events', 'gxE']);
    await redis.set('soon', '1', 'PX', 20);
    await settle(() => heard.length === 2);
    assert.deepEqual(heard, [['__keyevent@3__:expire', 'soon'], ['__keyevent@3__:expired', 'soon']]);
    await redis.config('SET', 'notify-keyspace-events', '');
    listener.disconnect();
  });
  await testCase('ioredis pipeline of 2,000', async () => {
    const pipeline = redis.pipeline();
    for (let i = 0; i < 1000; i++) pipeline.set(`p${i}`, i).get(`p${i}`);
    const results = await pipeline.exec();
    assert.equal(results.length, 2000);
    results.forEach(([error, value], i) => { assert.equal(error, null); assert.equal(value, i % 2 ? String(i >> 1) : 'OK'); });
  });
  await testCase('ioredis automatic pipelining', async () => {
    const auto = silent(new Redis(port, '127.0.0.1', { enableAutoPipelining: true, db: 3 }));
    const values = await Promise.all(Array.from({ length: 300 }, (_, i) => auto.get(`p${i}`)));
    values.forEach((value, i) => assert.equal(value, String(i)));
    auto.disconnect();
  });
  await testCase('ioredis transactions', async () => {
    const results = await redis.multi().set('t', 1).incr('t').incr('a').get('t').exec();
    assert.deepEqual([results[0], results[1], results[3]], [[null, 'OK'], [null, 2], [null, '2']]);
    assert.match(results[2][0].message, /not an integer/);
    const other = redis.duplicate();
    await redis.watch('t');
    await other.set('t', 'changed');
    assert.equal(await redis.multi().set('t', 'mine').exec(), null);
    assert.equal(await redis.get('t'), 'changed');
    await redis.watch('t');
    assert.deepEqual(await redis.multi().set('t', 'mine').exec(), [[null, 'OK']]);
    other.disconnect();
  });
  await testCase('ioredis expiry', async () => {
    await redis.set('e', '1', 'PX', 50);
    assert.ok(await redis.pttl('e') <= 50);
    await settle(async () => (await redis.get('e')) === null);
    assert.equal(await redis.ttl('e'), -2);
    await redis.set('e', '1');
    assert.equal(await redis.expire('e', 100, 'NX'), 1);
    assert.ok(Math.abs(await redis.expiretime('e') - Date.now() / 1000 - 100) < 3);
    assert.equal(await redis.persist('e'), 1);
  });
  await testCase('ioredis scan stream', async () => {
    const seen = new Set();
    for await (const keys of redis.scanStream({ match: 'p*', count: 50 })) keys.forEach(key => seen.add(key));
    assert.equal(seen.size, 1000);
  });
  await testCase('ioredis publish and subscribe', async () => {
    const listener = silent(redis.duplicate());
    const seen = [];
    listener.on('message', (channel, text) => seen.push(['message', channel, text]));
    listener.on('pmessage', (pattern, channel, text) => seen.push([pattern, channel, text]));
    assert.equal(await listener.subscribe('io.a', 'io.b'), 2);
    assert.equal(await listener.psubscribe('io.*'), 3);
    assert.equal(await redis.publish('io.a', 'ü€'), 2);
    assert.equal(await redis.publish('io.c', 'x'), 1);
    await settle(async () => seen.length === 3);
    assert.deepEqual(seen, [['message', 'io.a', 'ü€'], ['io.*', 'io.a', 'ü€'], ['io.*', 'io.c', 'x']]);
    assert.deepEqual((await redis.pubsub('CHANNELS', 'io.*')).sort(), ['io.a', 'io.b']);
    // After a lost connection it subscribes again by itself.
    assert.equal(await redis.client('KILL', 'TYPE', 'PUBSUB'), 1);
    await settle(async () => (await redis.publish('io.b', 'again')) === 2);
    await settle(async () => seen.some(one => one[2] === 'again'));
    assert.equal(await listener.unsubscribe('io.a', 'io.b'), 1);
    assert.equal(await listener.punsubscribe('io.*'), 0);
    assert.equal(await listener.get('a'), await redis.get('a'));
    listener.disconnect();
  });
  await testCase('ioredis reconnects after CLIENT KILL', async () => {
    const other = redis.duplicate();
    const id = await redis.client('ID');
    assert.equal(await other.client('KILL', 'ID', id), 1);
    await settle(async () => redis.status === 'ready' && (await redis.client('ID')) !== id);
    assert.equal(await redis.get('a'), 'y');
    assert.equal(await redis.client('GETNAME'), 'io');
    other.disconnect();
  });
  await testCase('ioredis with a password', async () => {
    const good = silent(new Redis(passwordPort, '127.0.0.1', { password: 'secret' }));
    assert.equal(await good.set('a', 1), 'OK');
    const named = silent(new Redis(passwordPort, '127.0.0.1', { username: 'default', password: 'secret' }));
    assert.equal(await named.get('a'), '1');
    const wrong = silent(new Redis(passwordPort, '127.0.0.1', { password: 'no', retryStrategy: null, maxRetriesPerRequest: 0 }));
    await assert.rejects(wrong.get('a'));
    [good, named, wrong].forEach(client => client.disconnect());
  });
  await testCase('ioredis as a user with some rights', async () => {
    const master = silent(new Redis(passwordPort, '127.0.0.1', { password: 'secret' }));
    assert.equal(await master.acl('SETUSER', 'io', 'on', '>pw', '~io:*', '+@read', '+@write', '+@transaction', '-@dangerous', '+info'), 'OK');
    const user = silent(new Redis(passwordPort, '127.0.0.1', { username: 'io', password: 'pw' }));
    assert.equal(await user.set('io:1', 'x'), 'OK');
    await assert.rejects(user.get('other'), /NOPERM this user has no permissions to access one of the keys/);
    await assert.rejects(user.flushall(), /NOPERM this user has no permissions to run the 'flushall' command/);
    await assert.rejects(user.multi().set('io:1', 'y').set('other', 'y').exec(), /EXECABORT/);
    assert.equal(await user.get('io:1'), 'x');
    [master, user].forEach(client => client.disconnect());
  });
  await testCase('ioredis over a Unix socket', async () => {
    const local = silent(new Redis(unixPath, { db: 3 }));
    assert.equal(await local.get('a'), 'y');
    local.disconnect();
  });
  await testCase('ioredis tracks keys, with a second connection that is told', async () => {
    const [listener, reader] = [redis.duplicate(), redis.duplicate()].map(silent);
    const told = [];
    listener.on('message', (channel, message) => told.push(`${channel} ${message}`));
    const id = await listener.client('ID');
    await listener.subscribe('__redis__:invalidate');
    assert.equal(await reader.client('TRACKING', 'ON', 'REDIRECT', id), 'OK');
    assert.equal(await reader.client('GETREDIR'), id);
    await reader.mget('tracked', 'a');
    await redis.set('tracked', '1');
    await redis.set('tracked', '2');
    await redis.set('not tracked', '1');
    await listener.ping();
    assert.deepEqual(told, ['__redis__:invalidate tracked']);
    await reader.call('CLIENT', 'TRACKING', 'OFF');
    [listener, reader].forEach(client => client.disconnect());
  });
  await testCase('ioredis hears the invalidation stream as a channel, and where it begins again after a lost connection', async () => {
    const listener = silent(redis.duplicate());
    const told = [];
    listener.on('message', (channel, text) => told.push(JSON.parse(text)));
    await listener.subscribe('__stream__');
    await redis.del('of the stream');
    await settle(() => told.length === 2);
    assert.deepEqual(told.map(({ kind, name }) => [kind, name]), [['here', undefined], ['deleted', 'of the stream']]);
    assert.equal(told[1].position, told[0].position + 1);
    await redis.client('KILL', 'TYPE', 'PUBSUB');
    await settle(() => told.length === 3);
    assert.deepEqual([told[2].kind, told[2].run, told[2].position], ['here', told[0].run, told[1].position]);
    await redis.del('missed?');
    await settle(() => told.length === 4);
    assert.equal(told[3].name, 'missed?');
    listener.disconnect();
  });
  await testCase('ioredis quits', async () => { assert.equal(await redis.quit(), 'OK'); });
  finish();
}

main();
