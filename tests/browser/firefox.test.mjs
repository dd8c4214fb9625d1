// What Firefox does to a page that stays, to one that reloads and to one that goes: it ends WebSockets with 1001 though the page lives on, and
// cuts whatever is under way before the page hears that it goes. Driven by addresses alone: the pages act by themselves and report.

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
/** Longer than any test: a session that ends was told to. */
const GRACE = { 'grace-ms': 600_000 }

/** What the pages may ask for besides themselves: what a browser saves, what it makes nothing of, and another page. */
const REST = {
  '/download': [200, { 'Content-Disposition': 'attachment; filename=saved.bin', 'Content-Type': 'application/octet-stream' }, 'saved'],
  '/nothing': [204],
  '/mute': [204],
  '/elsewhere': [200, { 'Content-Type': 'text/plain' }, 'elsewhere'],
  '/later': [200, { 'Content-Type': 'text/plain' }, 'elsewhere']
}

/** Serves the page, takes its reports, and passes on what is below `/live`. Who watches has no page: below `/watch` it is lent this origin. */
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
    // from now on nothing comes down a WebSocket, not even its end; or a page that is left only when it knows that its WebSocket has ended
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
  /** The first report that is as wanted, as soon as it is there. */
  const until = async (wanted) => {
    const signal = AbortSignal.timeout(LIMIT)
    while (!reports.some(wanted)) {
      await once(news, 'report', { signal }).catch(() => assert.fail(`last reported: ${JSON.stringify(reports.at(-1))}`))
    }
    return reports.find(wanted)
  }
  return { origin, note, until }
}

/** A page in a Firefox of its own, which does `run` once it has the client. Who watches the lab reports the ends of sessions, as `gone`. */
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
    // the whole group: it has processes of its own
    if (firefox.exitCode === null && process.kill(-firefox.pid, 'SIGKILL')) await once(firefox, 'exit')
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  })
  return until
}

/** In the page: `begin` makes a session whose events are kept and reported. What survives a reload is in `sessionStorage`. */
function prepare() {
  self.pages = sessionStorage.pages = Number(sessionStorage.pages ?? 0) + 1
  self.heard = JSON.parse(sessionStorage.heard ?? '[]')
  self.begin = (options) => {
    const events = []
    const session = (self.session = self.anywire.connect('/live', options))
    self.report = (more) => {
      const { id, state, transport } = session
      navigator.sendBeacon('/log', JSON.stringify({ page: self.pages, id, state, transport, events, heard: self.heard, trace: session.trace(), ...more }))
    }
    for (const name of ['open', 'interrupted', 'resumed', 'closed', 'error']) {
      session.on(name, (first) => {
        events.push(typeof first === 'string' ? `${name} ${first}` : name)
        self.report()
      })
    }
    session.on('message', (data) => {
      self.heard.push(typeof data === 'string' ? data : new TextDecoder().decode(data))
      sessionStorage.heard = JSON.stringify(self.heard)
    })
    return session
  }
}

/** Speaks all the time; after 20 answers Firefox is made to cut, and 20 messages after the session goes on the last word is a question. */
function speak(link) {
  const session = self.begin({ transports: ['websocket'] })
  let said = 0
  let last = Infinity
  const saying = setInterval(() => {
    if (said < last) return session.send(`say ${++said}`)
    clearInterval(saying)
    session.send('!count')
  }, 5)
  session.on('resumed', () => (last = said + 20))
  session.on('closed', () => clearInterval(saying))
  session.on('message', (data) => {
    if (data === 'say 20') link ? Object.assign(document.links[0], { href: link }).click() : self.stop()
    if (!/^say/.test(data)) self.report({ done: true })
  })
}

for (const [what, link] of [['a link that is saved', '/download'], ['a link answered 204', '/nothing'], ['stop()', '']]) {
  test(`${what}: Firefox cuts the WebSocket, the page and its session go on`, OPTIONS, async (t) => {
    const until = await visit(t, speak, link)
    const { state, events, heard, trace } = await until((report) => report.done || report.state === 'closed')
    assert.deepEqual([state, ...events], ['open', 'open', 'interrupted', 'resumed full'])
    assert.match(trace[0].outcome, /^1001 /)
    const said = heard.length - 1
    t.diagnostic(`${said} messages; ${trace.map((each) => each.outcome ?? 'carries').join(', ')}`)
    assert.ok(said >= 40)
    assert.deepEqual(heard, [...Array.from({ length: said }, (_, i) => `say ${i + 1}`), String(said + 1)])
  })
}

/** Reloads in the middle of what it is sent. */
function reload() {
  const session = self.begin({ transports: ['websocket'], resume: true })
  if (self.pages === 1) session.send('!burst 200 over 1000')
  session.on('message', () => {
    if (self.pages === 1 && self.heard.length === 20) location.reload()
    if (self.heard.at(-1).startsWith('#200 ')) self.report({ done: true })
  })
}

test('a reload: the next page has the same session, and hears what the first one did not', OPTIONS, async (t) => {
  const until = await visit(t, reload)
  const first = await until(({ events }) => events?.[0] === 'open')
  const { page, id, events, heard } = await until((report) => report.done)
  assert.deepEqual([page, ...events], [2, 'open', 'resumed full'])
  assert.equal(id, first.id)
  assert.deepEqual(heard.map((text) => parseInt(text.slice(1))), Array.from({ length: 200 }, (_, i) => i + 1))
})

/** Follows a link when the session is carried as it should be, for good: who listens to `unload` is not kept in the browser's memory. */
function go({ transport, mute, link }) {
  const sockets = []
  const Socket = self.WebSocket
  self.WebSocket = function (url) {
    return (sockets[sockets.length] = new Socket(url))
  }
  addEventListener('unload', () => {})
  // before the client, which may close what it finds open
  addEventListener('pagehide', ({ persisted }) => self.report({ kept: persisted, sockets: sockets.map((each) => each.readyState) }))
  const session = self.begin({ transports: [transport] })
  const ready = async () => {
    if (!self.heard.length || session.transport !== transport) return
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
  test(`a page that goes says so, over ${how}`, OPTIONS, async (t) => {
    const until = await visit(t, go, { transport, mute, link })
    const last = await until(({ kept }) => kept !== undefined)
    // a second WebSocket may be under way by then
    assert.deepEqual([last.kept, last.transport, last.heard, last.sockets[0]], [false, transport, ['hello'], socket])
    const { gone } = await until((report) => /^gone/.test(report.gone))
    assert.equal(gone, 'gone 1001')
  })
}
