// Firefox with a page that stays, one that reloads and one that goes: it ends WebSockets with 1001 though the
// page stays, and it cuts all that is under way before the page has the event that it goes. The tests only
// give Firefox an address: the pages act by themselves and send reports.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from '../../client-js/dist/anywire.mjs'
import { startLab } from './lab.mjs'

const HOST = '127.0.0.1'
const PROGRAM = [process.env.ANYWIRE_FIREFOX, '/usr/bin/firefox-esr', '/usr/bin/firefox'].find((place) => place && existsSync(place))
const OPTIONS = { timeout: 60_000, skip: PROGRAM ? false : 'no Firefox here' }
const LIMIT = 40_000
/** Longer than any test, so that no session ends by itself. */
const GRACE = { 'grace-ms': 600_000 }

/** Further answers of the server: a file to save, an empty answer, and another page. */
const REST = {
  '/download': [200, { 'Content-Disposition': 'attachment; filename=saved.bin', 'Content-Type': 'application/octet-stream' }, 'saved'],
  '/nothing': [204],
  '/mute': [204],
  '/elsewhere': [200, { 'Content-Type': 'text/plain' }, 'elsewhere'],
  '/later': [200, { 'Content-Type': 'text/plain' }, 'elsewhere']
}

/**
 * Serves the page, takes its reports, and forwards what is below `/live`. The watcher has no page, so
 * requests below `/watch` get this origin.
 */
async function serve(t, lab, html) {
  const reports = []
  const tunnels = []
  const news = new EventEmitter()
  const note = (report) => {
    reports.push(report)
    news.emit('report')
  }
  const front = http.createServer(async (request, response) => {
    const { method, url, rawHeaders } = request
    if (url === '/log') {
      note(JSON.parse(Buffer.concat(await request.toArray())))
      return response.writeHead(204).end()
    }
    // After /mute nothing comes down a WebSocket, not even its end. The answer to /later waits until the page
    // has reported that its WebSocket has ended.
    if (url === '/mute') for (const [socket, up] of tunnels) up.removeAllListeners('close').unpipe(socket).resume()
    if (url === '/later') await until(({ events }) => events?.includes('interrupted'))
    if (!/^\/(live|watch)/.test(url)) {
      const [status, headers, body] = REST[url] ?? (url === '/page' ? [200, { 'Content-Type': 'text/html; charset=utf-8' }, html] : [404])
      return response.writeHead(status, headers).end(body)
    }
    const headers = url.startsWith('/watch') ? [...rawHeaders, 'Origin', origin] : rawHeaders
    const up = http.request({ host: HOST, port: lab.port, method, path: url.replace('/watch', '/live'), headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers).flushHeaders()
      answer.on('error', () => response.destroy()).pipe(response)
    })
    up.on('error', () => response.destroy())
    response.on('close', () => up.destroy())
    request.pipe(up)
  })
  front.on('upgrade', ({ method, url, rawHeaders }, socket, head) => {
    const up = net.connect(lab.port, HOST)
    const lines = rawHeaders.map((word, i) => (i % 2 ? `${word}\r\n` : `${word}: `))
    up.write(`${method} ${url} HTTP/1.1\r\n${lines.join('')}\r\n`)
    up.write(head)
    up.pipe(socket).pipe(up)
    for (const [one, other] of [[up, socket], [socket, up]]) one.on('error', () => {}).on('close', () => other.destroy())
    tunnels.push([socket, up])
  })
  await once(front.listen(0, HOST), 'listening')
  const origin = `http://${HOST}:${front.address().port}`
  t.after(() => {
    for (const [socket] of tunnels) socket.destroy()
    front.close().closeAllConnections()
  })
  /** Waits for the first report for which `wanted` holds. */
  const until = async (wanted) => {
    const signal = AbortSignal.timeout(LIMIT)
    while (!reports.some(wanted)) {
      await once(news, 'report', { signal }).catch(() => assert.fail(`last reported: ${JSON.stringify(reports.at(-1))}`))
    }
    return reports.find(wanted)
  }
  return { origin, note, until }
}

/**
 * A page in a Firefox of its own, which calls `run` once it has the client. A watcher of the lab reports the
 * ends of sessions, as `gone`.
 */
async function visit(t, run, argument) {
  const lab = await startLab(GRACE)
  t.after(() => lab.stop())
  const script = `(${prepare})(), (${run})(${JSON.stringify(argument)})`
  const page = `<!doctype html><meta charset=utf-8><title>page</title><a href=/elsewhere>away</a><script src=/live/client.js></script><script>${script}</script>`
  const { origin, note, until } = await serve(t, lab, page)
  const watcher = connect(`${origin}/watch`, { transports: ['fetch-stream', 'xhr-poll'] })
  t.after(() => watcher.abort())
  watcher.on('message', (gone) => note({ gone }))
  watcher.send('!watch')
  await until(({ gone }) => gone === 'watching')

  const profile = await mkdtemp(join(tmpdir(), 'anywire-firefox-'))
  const env = { ...process.env, HOME: profile, XDG_RUNTIME_DIR: profile }
  const flags = ['--headless', '--no-remote', '--profile', profile, `${origin}/page`]
  const firefox = spawn(PROGRAM, flags, { stdio: 'ignore', detached: true, env })
  t.after(async () => {
    // The whole process group ends, since Firefox has further processes.
    if (firefox.exitCode === null && process.kill(-firefox.pid, 'SIGKILL')) await once(firefox, 'exit')
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  })
  return until
}

/**
 * Runs in the page: `begin` opens a session whose events are kept and reported. Messages are in
 * `sessionStorage`, so that they survive a reload.
 */
function prepare() {
  self.pages = sessionStorage.pages = Number(sessionStorage.pages ?? 0) + 1
  self.received = JSON.parse(sessionStorage.received ?? '[]')
  self.begin = (options) => {
    const events = []
    const session = (self.session = self.anywire.connect('/live', options))
    self.report = (more) => {
      const { id, state, transport } = session
      navigator.sendBeacon('/log', JSON.stringify({ page: self.pages, id, state, transport, events, received: self.received, trace: session.trace(), ...more }))
    }
    for (const name of ['open', 'interrupted', 'resumed', 'closed', 'error']) {
      session.on(name, (first) => {
        events.push(first?.outcome ? `${name} ${first.outcome}` : name)
        self.report()
      })
    }
    session.on('message', (data) => {
      self.received.push(typeof data === 'string' ? data : new TextDecoder().decode(data))
      sessionStorage.received = JSON.stringify(self.received)
    })
    return session
  }
}

/**
 * Sends lines all the time. After 20 echoes it makes Firefox cut the WebSocket; 20 lines after the session
 * has resumed it asks the server for its count.
 */
function converse(link) {
  const session = self.begin({ transports: ['websocket'] })
  let sent = 0
  let last = Infinity
  const sending = setInterval(() => {
    if (sent < last) return session.send(`line ${++sent}`)
    clearInterval(sending)
    session.send('!count')
  }, 5)
  session.on('resumed', () => (last = sent + 20))
  session.on('closed', () => clearInterval(sending))
  session.on('message', (data) => {
    if (data === 'line 20') link ? Object.assign(document.links[0], { href: link }).click() : self.stop()
    if (!/^line/.test(data)) self.report({ done: true })
  })
}

for (const [what, link] of [['a link that is saved', '/download'], ['a link answered 204', '/nothing'], ['stop()', '']]) {
  test(`${what}: Firefox cuts the WebSocket, the page and its session go on`, OPTIONS, async (t) => {
    const until = await visit(t, converse, link)
    const { state, events, received, trace } = await until((report) => report.done || report.state === 'closed')
    assert.deepEqual([state, ...events], ['open', 'open', 'interrupted', 'resumed full'])
    assert.match(trace[0].outcome, /^1001 /)
    const sent = received.length - 1
    t.diagnostic(`${sent} messages; ${trace.map((each) => each.outcome ?? 'carries').join(', ')}`)
    assert.ok(sent >= 40)
    assert.deepEqual(received, [...Array.from({ length: sent }, (_, i) => `line ${i + 1}`), String(sent + 1)])
  })
}

/** Reloads in the middle of the messages that it receives. */
function reload() {
  const session = self.begin({ transports: ['websocket'], resume: true })
  if (self.pages === 1) session.send('!burst 200 over 1000')
  session.on('message', () => {
    if (self.pages === 1 && self.received.length === 20) location.reload()
    if (self.received.at(-1).startsWith('#200 ')) self.report({ done: true })
  })
}

test('a reload: the next page has the same session, and receives what the first one did not', OPTIONS, async (t) => {
  const until = await visit(t, reload)
  const first = await until(({ events }) => events?.[0] === 'open')
  const { page, id, events, received } = await until((report) => report.done)
  assert.deepEqual([page, ...events], [2, 'open', 'resumed full'])
  assert.equal(id, first.id)
  assert.deepEqual(received.map((text) => parseInt(text.slice(1))), Array.from({ length: 200 }, (_, i) => i + 1))
})

/**
 * Follows a link once the session has the wanted transport. The page is not kept in the browser's memory,
 * since it listens to `unload`.
 */
function go({ transport, mute, link }) {
  const sockets = []
  const Socket = self.WebSocket
  self.WebSocket = function (url) {
    return (sockets[sockets.length] = new Socket(url))
  }
  addEventListener('unload', () => {})
  // This listener comes before the client's, which may close what is open.
  addEventListener('pagehide', ({ persisted }) => self.report({ kept: persisted, sockets: sockets.map((each) => each.readyState) }))
  const session = self.begin({ transports: [transport] })
  const ready = async () => {
    if (!self.received.length || session.transport !== transport) return
    if (mute) await fetch('/mute')
    Object.assign(document.links[0], { href: link }).click()
  }
  for (const name of ['message', 'transport']) session.on(name, () => setTimeout(ready))
  session.send('hello')
}

const CLOSING = 2
const CLOSED = 3
for (const [how, transport, socket, link, mute] of [
  ['a WebSocket that is cut and has ended', 'websocket', CLOSED, '/later'],
  ['a WebSocket that is cut and has not ended yet', 'websocket', CLOSING, '/elsewhere', true],
  ['xhr-poll', 'xhr-poll', undefined, '/elsewhere'],
  ['xhr-stream', 'xhr-stream', undefined, '/elsewhere']
]) {
  test(`a page that goes ends its session, over ${how}`, OPTIONS, async (t) => {
    const until = await visit(t, go, { transport, mute, link })
    const last = await until(({ kept }) => kept !== undefined)
    // A second WebSocket may be under way by then.
    assert.deepEqual([last.kept, last.trace[0].transport, last.received, last.sockets[0]], [false, transport, ['hello'], socket])
    const { gone } = await until((report) => /^gone/.test(report.gone))
    assert.equal(gone, 'gone 1001')
  })
}
