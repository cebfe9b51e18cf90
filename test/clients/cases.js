// The ok / not ok lines of a client's program, and a bounded wait.
'use strict';
const assert = require('node:assert');

let failed = 0;

async function testCase(name, body) {
  let timer;
  try {
    const limit = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('not done after 20 s')), 20000); });
    await Promise.race([body(), limit]);
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`not ok ${name} - ${String(error && error.message || error).replace(/\s+/g, ' ').slice(0, 600)}`);
  } finally {
    clearTimeout(timer);
  }
}

// Asks until `condition` holds, for some seconds at most.
async function settle(condition, seconds = 10) {
  const deadline = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not come about');
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

// 60 KB of all byte values; and a large value.
const binary = Buffer.from(Array.from({ length: 60000 }, (_, i) => (i * 7 + (i >> 8)) & 255));
const large = Buffer.alloc(3 * 1024 * 1024, 'strata ');

function finish() {
  process.exit(failed ? 1 : 0);
}

module.exports = { assert, testCase, settle, binary, large, finish };
