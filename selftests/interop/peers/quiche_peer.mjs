// SPDX-License-Identifier: GPL-2.0-or-later
// quiche as the stranger at the other end, driven packet by packet through its binding for node.
//
// Its argument is where the package is. Each line of standard input is a task, see Task in quiche_peer.py. A server says its port;
// for each connection that is over, a client's or one of a server, one line of JSON tells of it. All bear the task's number.

import dgram from 'node:dgram';
import fs from 'node:fs';
import crypto from 'node:crypto';
import readline from 'node:readline';

const quiche = (await import(`${process.argv[2]}/dist/native/quiche.js`)).default;
const HOST = '127.0.0.1';

function say(task, what) {
  console.log(JSON.stringify({ number: task.number, ...what }));
}

function configure(task) {
  const pem = (path) => fs.readFileSync(path);
  const config = quiche.Config.withBoringSslCtx(
    !task.server, false, task.ca ? pem(task.ca) : undefined,
    task.key ? [pem(task.key)] : undefined, task.cert ? [pem(task.cert)] : undefined,
    'ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256:ed25519',
  );
  config.setApplicationProtos([task.alpn, ...task.more_alpns]);
  config.setMaxIdleTimeout(task.idle);
  config.setInitialMaxData(10 << 20);
  config.setInitialMaxStreamDataBidiLocal(1 << 20);
  config.setInitialMaxStreamDataBidiRemote(1 << 20);
  config.setInitialMaxStreamDataUni(1 << 20);
  config.setInitialMaxStreamsBidi(100);
  config.setInitialMaxStreamsUni(100);
  config.setActiveConnectionIdLimit(4);
  config.setDisableActiveMigration(false);
  config.enableDgram(true, 64, 64);
  if (task.early) config.enableEarlyData();
  if (task.server) config.setTicketKey(new Uint8Array(48).fill(7));
  return config;
}

function socket() {
  return new Promise((resolve) => {
    const made = dgram.createSocket('udp4');
    made.bind(0, HOST, () => resolve(made));
  });
}

const at = (made) => ({ host: HOST, port: made.address().port });
const id = (length) => new Uint8Array(crypto.randomBytes(length));

class End {
  constructor(task, conn, sockets, done) {
    this.task = task;
    this.body = task.body ? fs.readFileSync(task.body) : Buffer.alloc(0);
    this.conn = conn;
    this.sockets = sockets;
    this.done = done;
    this.streams = new Map();
    this.unsent = new Set();
    this.datagrams = 0;
    this.early = false;
    this.opened = 0;
    this.buffer = new Uint8Array(65536);
    this.out = new Uint8Array(1500);
  }

  takes(data, from, to) {
    try {
      this.conn.recv(data, { from: { host: from.address, port: from.port }, to });
    } catch (failure) {
      if (failure.message !== 'Done') this.trouble = failure.message;
    }
    if (this.task.session && this.conn.session() != null) this.ticketed ??= Date.now();
    this.turn();
  }

  turn() {
    if (this.over) return;
    this.early ||= this.conn.isInEarlyData();
    if (this.conn.isEstablished() || this.conn.isInEarlyData()) this.work();
    this.flush();
    if (!this.early && this.conn.isInEarlyData()) {
      this.early = true;
      this.work();
      this.flush();
    }
    if (this.conn.isClosed()) {
      this.over = true;
      clearTimeout(this.timer);
      this.done(this);
      return;
    }
    clearTimeout(this.timer);
    const wait = this.conn.timeout();
    if (wait != null) this.timer = setTimeout(() => { this.conn.onTimeout(); this.turn(); }, wait + 1);
  }

  flush() {
    if (this.over) return;
    for (;;) {
      const sent = this.conn.send(this.out);
      if (sent == null) return;
      const [length, info] = sent;
      const way = this.sockets.find((s) => s.address().port === info.from.port) ?? this.sockets[0];
      way.send(Buffer.from(this.out.slice(0, length)), info.to.port, info.to.host);
    }
  }

  work() {
    if (!this.task.server && this.move()) {
      while (this.opened < this.task.streams && this.conn.peerStreamsLeftBidi() > 0) {
        this.stream(4 * this.opened).rest = this.body;
        this.push(4 * this.opened);
        this.opened += 1;
      }
      for (; !this.task.server && this.conn.isEstablished() && this.told !== true; this.told = true)
        for (let n = 0; n < this.task.datagrams; n += 1) this.conn.dgramSend(Buffer.from(`datagram ${n}`));
    }
    for (let got = this.conn.dgramRecvVec(); got != null; got = this.conn.dgramRecvVec()) {
      this.datagrams += 1;
      if (this.task.server) this.conn.dgramSend(got);
    }
    for (const number of this.conn.readable()) this.pull(number);
    for (const number of [...this.unsent]) this.push(number);
    if (!this.task.server) this.leave();
  }

  // Whether that is done, or was not asked for. A path takes a spare connection ID of each end; quiche fails when it is told to
  // retire one twice, in a packet that was repeated, and has but one left.
  move() {
    if (!this.task.move || this.moved) return true;
    if (!this.conn.isEstablished() || this.conn.availableDcids() === 0) return false;
    while (this.conn.sourceCidsLeft() > 0)
      this.conn.newSourceCid(id(this.task.id_length), BigInt(`0x${crypto.randomBytes(16).toString('hex')}`), false);
    this.conn.migrateSource(at(this.sockets[1]));
    this.moved = true;
    return true;
  }

  stream(number) {
    if (!this.streams.has(number)) {
      this.unsent.add(number);
      this.streams.set(number, { hash: crypto.createHash('sha256'), size: 0, ended: false, rest: Buffer.alloc(0), finned: false });
    }
    return this.streams.get(number);
  }

  pull(number) {
    const known = this.streams.has(number);
    const stream = this.stream(number);
    if (!known && this.task.server && !(number & 2)) stream.rest = this.body;
    for (;;) {
      let got;
      try {
        got = this.conn.streamRecv(number, this.buffer);
      } catch (failure) {
        this.trouble = failure.message;
        stream.ended = true;
        return;
      }
      if (got == null) return;
      stream.hash.update(this.buffer.subarray(0, got[0]));
      stream.size += got[0];
      stream.ended ||= got[1];
      if (got[1]) return;
    }
  }

  push(number) {
    const stream = this.streams.get(number);
    let sent;
    this.unsent.delete(number);
    if (number & 2 || stream.finned) return;
    try {
      sent = this.conn.streamSend(number, stream.rest, true);
    } catch (failure) {
      this.trouble = failure.message;
      stream.finned = true;
      stream.rest = Buffer.alloc(0);
      return;
    }
    stream.rest = stream.rest.subarray(sent ?? 0);
    stream.finned = sent != null && stream.rest.length === 0;
    if (!stream.finned) this.unsent.add(number);
  }

  leave() {
    if (this.left || this.opened < this.task.streams || this.datagrams < this.task.datagrams) return;
    if (this.task.stay || ![...this.streams.values()].every((stream) => stream.ended && stream.finned)) return;
    if (this.task.session && this.conn.session() == null) return;
    this.left = true;
    if (this.task.session) {
      fs.writeFileSync(this.task.session, this.conn.session());
      fs.utimesSync(this.task.session, this.ticketed / 1000, this.ticketed / 1000);
    }
    this.conn.close(true, this.task.code, Buffer.from('gone'));
  }
}

function tell(end) {
  const shown = [...end.streams].map(([number, s]) => [number, s.size, s.hash.digest('hex'), s.ended]);
  const peer = end.conn.peerError();
  say(end.task, {
    streams: shown, datagrams: end.datagrams, early: end.early, resumed: end.conn.isResumed(),
    alpn: Buffer.from(end.conn.applicationProto()).toString(), timed_out: end.conn.isTimedOut(), trouble: end.trouble ?? '',
    retried: end.retried ?? false, paths: end.conn.stats().pathsCount,
    closed: peer && { application: peer.isApp, code: peer.errorCode, reason: Buffer.from(peer.reason).toString() },
  });
}

/*
 * BoringSSL tells a ticket's age in whole seconds, as the difference of two times cut off; GnuTLS takes no early data with an
 * age above the real one. So begin where the difference is not larger than the age.
 */
async function untilAgeIsNotLarger(session) {
  const ticketed = fs.statSync(session).mtimeMs % 1000;
  while (Date.now() % 1000 < ticketed) await new Promise((resolve) => setTimeout(resolve, 1));
}

async function client(task) {
  const ours = await socket();
  const sockets = task.move ? [ours, await socket()] : [ours];
  const there = { host: HOST, port: task.port };
  const conn = quiche.Connection.connect('localhost', id(task.id_length), at(ours), there, configure(task));
  if (task.session && fs.existsSync(task.session)) {
    conn.setSession(fs.readFileSync(task.session));
    await untilAgeIsNotLarger(task.session);
  }
  const end = new End(task, conn, sockets, (ended) => {
    tell(ended);
    for (const open of ended.sockets) open.close();
  });
  for (const open of sockets)
    open.on('message', (data, from) => {
      if ((data[0] & 0xf0) === 0xf0) end.retried = true; // version 1, long header, Retry
      if (!end.over) end.takes(data, from, at(open));
    });
  end.turn();
}

async function server(task) {
  const ours = await socket();
  const config = configure(task);
  const ends = new Map();
  say(task, { port: at(ours).port });
  ours.on('message', (data, from) => {
    const header = quiche.Header.fromSlice(data, 16);
    const key = Buffer.from(header.dcid).toString('hex');
    let end = ends.get(key);
    if (!end) {
      if (header.ty !== quiche.Type.Initial && header.ty !== quiche.Type.ZeroRTT) return;
      const out = new Uint8Array(1500);
      if (!quiche.versionIsSupported(header.version)) {
        const length = quiche.negotiateVersion(header.scid, header.dcid, out);
        ours.send(Buffer.from(out.slice(0, length)), from.port, from.address);
        return;
      }
      let original;
      if (task.retry) {
        if (!header.token?.length) {
          const length = quiche.retry(header.scid, header.dcid, id(16), Buffer.from(header.dcid), header.version, out);
          ours.send(Buffer.from(out.slice(0, length)), from.port, from.address);
          return;
        }
        original = header.token;
      }
      const source = original ? header.dcid : id(16);
      const there = { host: from.address, port: from.port };
      const conn = quiche.Connection.accept(source, original, at(ours), there, config);
      end = new End(task, conn, [ours], tell);
      end.retried = original != null;
      for (const name of [header.dcid, source]) ends.set(Buffer.from(name).toString('hex'), end);
      end.fresh = () => {
        while (conn.isEstablished() && conn.sourceCidsLeft() > 0) {
          const more = id(16);
          conn.newSourceCid(more, BigInt(`0x${crypto.randomBytes(16).toString('hex')}`), false);
          ends.set(Buffer.from(more).toString('hex'), end);
        }
      };
    }
    end.takes(data, from, at(ours));
    end.fresh();
    end.turn();
  });
}

function ask(task) {
  const shape = (name) => Object.getOwnPropertyNames(quiche[name].prototype);
  const versions = [0x00000001, 0x6b3343cf].filter((version) => quiche.versionIsSupported(version));
  say(task, { versions, connection: shape('Connection'), config: shape('Config') });
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  await (task.ask ? ask : task.server ? server : client)(task);
}
process.exit(0);
