// The example `everyone`: clients of every kind hear each other in one room.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import { connect } from '../../client-js/dist/anywire.mjs'
import { launch, visit } from '../browser/browser.mjs'
import { start } from '../browser/lab.mjs'
import { CLIENTS, Peer } from './socketio-clients.mjs'
import { PATIENCE, Queue, closing, here } from './support.mjs'

const require = createRequire(import.meta.url)
const LIMIT = { timeout: 3 * PATIENCE }
let server

before(async () => {
  server = await start('everyone', ['0'])
})
after(() => server?.stop())

const at = (path) => `http://127.0.0.1:${server.port}${path}`

/** A socket of Socket.IO's client. */
function socketIo(client, later) {
  const peer = Peer.connect(client, at(''), ['websocket'])
  later(() => peer.close())
  const lines = peer.heard('said')
  const kind = client.hasAuth ? 'Socket.IO 3 or 4' : 'Socket.IO 1 or 2'
  return { kind, lines, say: (text) => peer.socket.send(text), ready: () => peer.heard('connect').next() }
}

/** A session of the native client. */
function native(later) {
  const session = connect(at('/live'), { transports: ['fetch-stream'] })
  later(() => session.abort())
  const [lines, opened] = [new Queue('said'), new Queue('open')]
  session.on('said', (...values) => lines.push(values))
  session.on('open', () => opened.push(true))
  return { kind: 'Anywire', transport: 'fetch-stream', lines, say: (text) => session.send(text), ready: () => opened.next() }
}

/** Puts the values of the event `said` into a queue: to a client without events each is the JSON of its name and values. */
const taking = (lines) => (text) => {
  const [name, ...values] = JSON.parse(text)
  if (name === 'said') lines.push(values)
}

/** A socket of Engine.IO's client. */
function engineIo(later) {
  const { Socket } = require('engine.io-client-6')
  const socket = new Socket(at(''), { path: '/engine.io/', transports: ['websocket'] })
  later(() => socket.close())
  const [lines, opened] = [new Queue('said'), new Queue('open')]
  socket.on('open', () => opened.push(true))
  socket.on('message', taking(lines))
  return { kind: 'Engine.IO', lines, say: (text) => socket.send(text), ready: () => opened.next() }
}

/** A socket of SockJS's client. */
function sockJs(later) {
  const SockJS = require('sockjs-client')
  const socket = new SockJS(at('/sockjs'), undefined, { transports: ['xhr-streaming'] })
  later(() => socket.close())
  const [lines, opened] = [new Queue('said'), new Queue('open')]
  const take = taking(lines)
  socket.onopen = () => opened.push(true)
  socket.onmessage = ({ data }) => take(data)
  return { kind: 'SockJS', transport: 'xhr-stream', lines, say: (text) => socket.send(text), ready: () => opened.next() }
}

/** A client of STOMP, by SockJS. */
function stomp(later) {
  const { Client } = require('@stomp/stompjs')
  const SockJS = require('sockjs-client')
  const client = new Client({ webSocketFactory: () => new SockJS(at('/stomp'), undefined, { transports: ['websocket'] }) })
  later(() => client.deactivate())
  const [lines, opened] = [new Queue('said'), new Queue('the subscription')]
  client.onConnect = () => {
    client.subscribe('/topic/lobby', ({ headers, body }) => headers.event === 'said' && lines.push(JSON.parse(body)), { receipt: 'subscribed' })
    client.watchForReceipt('subscribed', () => opened.push(true))
  }
  client.activate()
  const say = (body) => client.publish({ destination: '/app/message', body, headers: { 'content-type': 'text/plain' } })
  return { kind: 'STOMP', lines, say, ready: () => opened.next() }
}

test('everyone hears everyone', LIMIT, () =>
  closing(async (later) => {
    const voices = [...CLIENTS.map((client) => socketIo(client, later)), native(later), engineIo(later), sockJs(later), stomp(later)]
    for (const voice of voices) await voice.ready()
    for (const [nth, speaker] of voices.entries()) {
      speaker.say(`line ${nth}`)
      for (const voice of voices) {
        assert.deepEqual(await voice.lines.next(), [speaker.kind, speaker.transport ?? 'websocket', `line ${nth}`])
      }
    }
  })
)

/** The scripts that a user may name in the page, and the line by which each client is known. */
const SCRIPTS = {
  'socket.io-client-4/dist/socket.io.js': /^Socket\.IO 3 or 4, [a-z-]+: /,
  'sockjs-client/dist/sockjs.js': /^SockJS, websocket: /,
  '@stomp/stompjs/bundles/stomp.umd.js': /^STOMP, websocket: /
}

test('a page speaks by any script that its user names', LIMIT, () =>
  closing(async (later) => {
    const browser = await launch()
    later(() => browser.close())
    const pages = []
    for (const script of Object.keys(SCRIPTS)) {
      const page = await visit(browser, at('/other'))
      await page.route('**/the-script.js', (route) => route.fulfill({ contentType: 'text/javascript; charset=utf-8', path: here(`node_modules/${script}`) }))
      await page.fill('#script', '/the-script.js')
      await page.click('[value=script]')
      await page.waitForFunction(() => document.querySelector('#lines').textContent === 'page: connected', null, { timeout: PATIENCE })
      pages.push(page)
    }
    for (const [nth, page] of pages.entries()) {
      await page.fill('#input', `line ${nth}`)
      await page.press('#input', 'Enter')
      for (const each of pages) {
        await each.waitForFunction((nth) => document.querySelector('#lines li').textContent.endsWith(`: line ${nth}`), nth, { timeout: PATIENCE })
        assert.match(await each.textContent('#lines li'), Object.values(SCRIPTS)[nth])
      }
    }
    assert.deepEqual(pages.flatMap((page) => page.complaints), [])
  })
)
