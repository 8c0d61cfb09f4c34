// The node-zookeeper-client scenario: prints one JSON line per step; argument: host:port.
// With "orphan" as first argument it makes an ephemeral node in a short session and dies without closing it.
'use strict';

const { spawnSync } = require('child_process');
const readline = require('readline');
const zookeeper = require('node-zookeeper-client');

const { CreateMode, ACL, Id, Permission } = zookeeper;
const LIMIT_MS = 30000;

function emit(step, result) {
  process.stdout.write(JSON.stringify({ step, result }) + '\n');
}

const answers = [];
const askers = [];
let input = null;

// Asks the test to "restart" or "kill" the server and waits until it serves again.
function control(what) {
  if (!input) {
    input = readline.createInterface({ input: process.stdin });
    input.on('line', (line) => (askers.length ? askers.shift()(line) : answers.push(line)));
  }
  process.stdout.write(JSON.stringify({ control: what }) + '\n');
  return new Promise((resolve) => (answers.length ? resolve(answers.shift()) : askers.push(resolve)));
}

function number(buffer) {
  if (!Buffer.isBuffer(buffer)) return buffer;
  return buffer.length === 8 ? buffer.readBigInt64BE(0) : buffer;
}

// Stats get the field names that all scenarios share; 64-bit fields arrive as buffers.
function stat(s) {
  const out = {};
  for (const name of ['czxid', 'mzxid', 'ctime', 'mtime', 'ephemeralOwner', 'pzxid']) out[name] = Number(number(s[name]));
  for (const name of ['version', 'cversion', 'aversion', 'dataLength', 'numChildren']) out[name] = s[name];
  return out;
}

function plain(v) {
  if (v === undefined || v === null) return null;
  if (v instanceof Error) return { error: v.name, code: v.code, path: v.path };
  if (Buffer.isBuffer(v)) return v.toString('latin1');
  if (v.czxid !== undefined) return stat(v);
  if (Array.isArray(v)) return v.map(plain);
  if (v.permission !== undefined) return [v.permission, v.id.scheme, v.id.id];
  if (v.type !== undefined) return { type: v.type, path: v.path, err: v.err, stat: v.stat && stat(v.stat) };
  return v;
}

// Calls a method with a callback, emits what it calls back with and returns it.
function attempt(step, target, method, ...args) {
  return new Promise((resolve) => {
    const done = (err, ...results) => {
      if (method === 'getChildren' && !err) results[0].sort();
      emit(step, err ? { ...plain(err), results: err.results } : results.map(plain));
      resolve(results);
    };
    try {
      target[method](...args, done);
    } catch (err) {
      emit(step, { thrown: err.message });
      resolve([]);
    }
  });
}

async function until(what, condition) {
  const end = Date.now() + LIMIT_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error('waited in vain for ' + what);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function collector() {
  const events = [];
  const watch = (event) => events.push([event.getType(), event.getName(), event.getPath()]);
  watch.emit = async (step, count) => {
    await until(step, () => events.length >= count);
    emit(step, events.splice(0));
  };
  return watch;
}

function connect(hosts, sessionTimeout) {
  return new Promise((resolve, reject) => {
    const client = zookeeper.createClient(hosts, { sessionTimeout, spinDelay: 100, retries: 0 });
    const timer = setTimeout(() => reject(new Error('no connection')), LIMIT_MS);
    client.once('connected', () => {
      clearTimeout(timer);
      resolve(client);
    });
    client.connect();
  });
}

async function nodes(zk) {
  await attempt('create', zk, 'create', '/n', Buffer.from('data'));
  await attempt('create again', zk, 'create', '/n', Buffer.from('data'));
  await attempt('create without parent', zk, 'create', '/no/parent', Buffer.from(''));
  await attempt('create without data', zk, 'create', '/n/null');
  await attempt('create ephemeral', zk, 'create', '/n/e', Buffer.from('e'), CreateMode.EPHEMERAL);
  await attempt('create below ephemeral', zk, 'create', '/n/e/x', Buffer.from('e'));
  await attempt('create sequential 0', zk, 'create', '/n/s-', Buffer.from('s'), CreateMode.PERSISTENT_SEQUENTIAL);
  await attempt('create sequential 1', zk, 'create', '/n/s-', Buffer.from('s'), CreateMode.PERSISTENT_SEQUENTIAL);
  await attempt('create ephemeral sequential', zk, 'create', '/n/es-', Buffer.from('s'), CreateMode.EPHEMERAL_SEQUENTIAL);
  await attempt('mkdirp', zk, 'mkdirp', '/n/deep/er/est');
  await attempt('getData', zk, 'getData', '/n');
  await attempt('getData of null', zk, 'getData', '/n/null');
  await attempt('getData of ephemeral', zk, 'getData', '/n/e');
  await attempt('getData missing', zk, 'getData', '/missing');
  await attempt('exists', zk, 'exists', '/n');
  await attempt('exists missing', zk, 'exists', '/missing');
  await attempt('setData', zk, 'setData', '/n', Buffer.from('v1'));
  await attempt('setData version', zk, 'setData', '/n', Buffer.from('v2'), 1);
  await attempt('setData bad version', zk, 'setData', '/n', Buffer.from('v3'), 1);
  await attempt('getChildren', zk, 'getChildren', '/n');
  await attempt('getChildren missing', zk, 'getChildren', '/missing');
  await attempt('remove not empty', zk, 'remove', '/n');
  await attempt('remove bad version', zk, 'remove', '/n/null', 4);
  await attempt('remove', zk, 'remove', '/n/null', 0);
  await attempt('remove missing', zk, 'remove', '/n/null');
}

async function watches(zk, other) {
  const watch = collector();
  await attempt('watched node', other, 'create', '/w');
  await attempt('watch exists', zk, 'exists', '/w/new', watch);
  await attempt('watch getData', zk, 'getData', '/w', watch);
  await attempt('watch getChildren', zk, 'getChildren', '/w', watch);
  await attempt('create watched', other, 'create', '/w/new');
  await watch.emit('watch create', 2);
  await attempt('set watched', other, 'setData', '/w', Buffer.from('1'));
  await watch.emit('watch set', 1);
  await attempt('watch getData new', zk, 'getData', '/w/new', watch);
  await attempt('watch getChildren again', zk, 'getChildren', '/w', watch);
  await attempt('remove watched', other, 'remove', '/w/new');
  await watch.emit('watch remove', 2);
  await attempt('set unwatched', other, 'setData', '/w', Buffer.from('2'));
  await attempt('read after it', zk, 'getData', '/w');
  await watch.emit('no event left', 0);
}

async function acls(zk, hosts) {
  const alice = await connect(hosts, 10000);
  alice.addAuthInfo('digest', Buffer.from('alice:secret'));
  const all = (scheme, id) => [new ACL(Permission.ALL, new Id(scheme, id))];
  await attempt('acl auth', alice, 'create', '/a', Buffer.from('s'), ACL.CREATOR_ALL_ACL);
  await attempt('acl expanded', alice, 'getACL', '/a');
  await attempt('acl allowed', alice, 'getData', '/a');
  await attempt('acl denied getData', zk, 'getData', '/a');
  await attempt('acl denied setData', zk, 'setData', '/a', Buffer.from('x'));
  await attempt('acl denied exists', zk, 'exists', '/a');
  await attempt('acl denied getACL', zk, 'getACL', '/a');
  await attempt('acl denied create', zk, 'create', '/a/x');
  await attempt('acl denied setACL', zk, 'setACL', '/a', ACL.OPEN_ACL_UNSAFE);
  await attempt('acl auth of nobody', zk, 'create', '/nobody', ACL.CREATOR_ALL_ACL);
  await attempt('acl ip', zk, 'create', '/ip', all('ip', '127.0.0.1'));
  await attempt('acl ip allows', zk, 'setData', '/ip', Buffer.from('1'));
  await attempt('acl other ip', zk, 'create', '/ip2', all('ip', '10.0.0.0/8'));
  await attempt('acl other ip denies', zk, 'setData', '/ip2', Buffer.from('1'));
  await attempt('acl world read', zk, 'create', '/ro', ACL.READ_ACL_UNSAFE);
  await attempt('acl world read denies', zk, 'setData', '/ro', Buffer.from('1'));
  await attempt('acl invalid', zk, 'create', '/bad', all('nosuch', 'x'));
  await attempt('setACL bad version', alice, 'setACL', '/a', ACL.READ_ACL_UNSAFE, 9);
  await attempt('setACL', alice, 'setACL', '/a', ACL.READ_ACL_UNSAFE, 0);
  await attempt('acl after setACL', zk, 'getACL', '/a');
  alice.close();
}

async function transactions(zk) {
  const good = zk.transaction().create('/t').create('/t/x', Buffer.from('1')).setData('/t', Buffer.from('2'), 0).check('/t', 1).remove('/t/x', 0);
  await attempt('transaction', good, 'commit');
  const bad = zk.transaction().setData('/t', Buffer.from('never')).check('/t', 7).remove('/t');
  await attempt('transaction failed', bad, 'commit');
  await attempt('after transactions', zk, 'getData', '/t');
}

// Requests sent around a restart may be lost with the old connection, and this client then never calls back; they are
// repeated until one is answered.
async function settled(zk) {
  const end = Date.now() + LIMIT_MS;
  for (;;) {
    const err = await new Promise((resolve) => {
      zk.exists('/', resolve);
      setTimeout(() => resolve(new Error('no answer')), 1000);
    });
    if (!err) return;
    if (Date.now() > end) throw err;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function restarts(zk) {
  const session = zk.getSessionId().toString('hex');
  await attempt('live', zk, 'create', '/live', CreateMode.EPHEMERAL);
  for (const how of ['restart', 'kill']) {
    const watch = collector();
    await attempt(how + ' watch', zk, 'getData', '/live', watch);
    await control(how);
    await settled(zk);
    emit(how + ' keeps the session', zk.getSessionId().toString('hex') === session);
    await attempt(how + ' keeps ephemerals', zk, 'exists', '/live');
    await attempt(how + ' accepts writes', zk, 'setData', '/live', Buffer.from(how));
    await watch.emit(how + ' keeps watches', 1);
  }
}

async function expiry(zk, hosts) {
  const watch = collector();
  await attempt('no orphan', zk, 'exists', '/orphan', watch);
  const child = spawnSync(process.execPath, [__filename, 'orphan', hosts], { stdio: ['ignore', 'ignore', 'inherit'] });
  emit('orphan ran', child.status);
  await watch.emit('orphan created', 1);
  await attempt('orphan', zk, 'exists', '/orphan', watch);
  await watch.emit('orphan expired', 1);
  await attempt('orphan gone', zk, 'exists', '/orphan');
}

async function orphan(hosts) {
  const zk = await connect(hosts, 1000);
  zk.create('/orphan', CreateMode.EPHEMERAL, (err) => process.exit(err ? 1 : 0));
}

async function main() {
  if (process.argv[2] === 'orphan') return orphan(process.argv[3]);
  const hosts = process.argv[2];
  const zk = await connect(hosts, 10000);
  const other = await connect(hosts, 10000);
  emit('timeout', zk.getSessionTimeout());
  await nodes(zk);
  await watches(zk, other);
  await acls(zk, hosts);
  await transactions(zk);
  await restarts(zk);
  await expiry(zk, hosts);
  const closed = new Promise((resolve) => zk.once('disconnected', resolve));
  zk.close();
  await closed;
  other.close();
  const late = await connect(hosts, 10000);
  await attempt('ephemerals after close', late, 'getChildren', '/n');
  late.close();
  if (input) input.close();
  setTimeout(() => process.exit(0), 100);
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
