// The server that one engine connects to. It serves the page and the scenario, takes the reports, and
// forwards everything below `/live` and `/sockjs` to an Anywire server. It can cut what it forwards. It listens on two
// ports, so that a page can have its server on another origin.

import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'

const HOST = '127.0.0.1'
const SCRIPTS = Object.fromEntries(['json.js', 'scenario.js', 'sockjs.js'].map((name) => [`/${name}`, readFileSync(new URL(name, import.meta.url))]))

/**
 * The emulator runs no timer while requests follow one another. With this script each request is sent by a
 * timer, so that timers that are due come first; the way to make a request stays that of the emulated
 * version.
 */
const TAKE_TURNS = `
function taking_turns(make) {
  return function (name) {
    var real = make(name), own = this, over
    own.responseText = ''
    own.open = function (method, url, async) { real.open(method, url, async) }
    own.setRequestHeader = function (header, value) { real.setRequestHeader(header, value) }
    own.getResponseHeader = function (header) { return real.getResponseHeader(header) }
    own.abort = function () { over = 1; real.abort() }
    own.send = function (body) {
      setTimeout(function () {
        if (over) return
        real.onreadystatechange = function () {
          if (over) return
          own.readyState = real.readyState
          if (own.readyState === 4) { own.status = real.status; own.responseText = real.responseText }
          if (own.onreadystatechange) own.onreadystatechange()
        }
        real.send(body)
      }, 1)
    }
  }
}
var RealActive = window.ActiveXObject, RealRequest = window.XMLHttpRequest
if (RealRequest) window.XMLHttpRequest = taking_turns(function () { return new RealRequest() })
window.ActiveXObject = taking_turns(function (name) { return new RealActive(name) })`

/** The same for requests by scripts, of clients that ask again within the script that answers. */
const TAKE_TURNS_BY_SCRIPTS = `
var head = document.getElementsByTagName('head')[0], insert = head.insertBefore
head.insertBefore = function (node, next) {
  setTimeout(function () { insert.call(head, node, next) }, 1)
  return node
}`

/** Removes objects and methods that the emulated versions have and the real ones had not. */
const STRIP = `
var all = 'every filter forEach indexOf isArray lastIndexOf map reduce reduceRight some'.split(' '), i
for (i = 0; i < all.length; i++) { delete Array.prototype[all[i]]; delete Array[all[i]] }
all = 'create defineProperty defineProperties freeze getOwnPropertyDescriptor getOwnPropertyNames getPrototypeOf keys seal'.split(' ')
for (i = 0; i < all.length; i++) delete Object[all[i]]
delete Date.now; delete Date.prototype.toISOString; delete String.prototype.trim; delete Function.prototype.bind
JSON = undefined
var Uint8Array, ArrayBuffer, Promise
Uint8Array = ArrayBuffer = Promise = undefined`

/** A page that loads a client and its scenario, and runs it. */
const page = ({ client, scenario, run, turns }, plan, emulated) => `<!doctype html><html><head><title>Anywire</title>${emulated ? `<script>${emulated < 9 ? STRIP : ''}${TAKE_TURNS}${turns}</script>` : ''}
<script src="/json.js"></script><script src="${client}"></script><script src="${scenario}"></script></head>
<body><script>${run}(${JSON.stringify(plan)})</script></body></html>`

const OWN = { client: '/live/client.js', scenario: '/scenario.js', run: 'scenario', turns: '' }
const SOCKJS = { client: '/sockjs.min.js', scenario: '/sockjs.js', run: 'sockjs.run', turns: TAKE_TURNS_BY_SCRIPTS }

export class Front extends EventEmitter {
  #target
  #plan
  #build
  #emulated
  #referer
  #servers
  #sockets = new Set()
  #live = new Map()
  #armed = false

  static async listen(options) {
    const front = new Front(options)
    for (const server of front.#servers) await new Promise((resolve, reject) => server.once('error', reject).listen(0, HOST, resolve))
    const [origin, elsewhere] = front.#servers.map((server) => `http://${HOST}:${server.address().port}`)
    return Object.assign(front, { origin, elsewhere })
  }

  /** With `referer`, requests of an engine without pages get the `Referer` of the page. */
  constructor({ emulated, referer }) {
    super()
    this.#emulated = emulated
    this.#referer = referer
    this.#servers = [this.#server(), this.#server()]
  }

  #server() {
    const server = http.createServer((request, response) => this.#answer(request, response))
    server.on('upgrade', (request, socket, head) => this.#tunnel(request, socket, head))
    server.on('connection', (socket) => {
      socket.setNoDelay(true).setMaxListeners(0)
      socket.on('error', () => {})
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    return server
  }

  /**
   * Begins a run: `target` is the Anywire server's port, `plan` is the page's plan. With `build`, the script of a client
   * of SockJS, the page runs that one's scenario.
   */
  begin(target, plan, build) {
    this.#target = target
    this.#plan = { base: '', here: this.origin, elsewhere: this.elsewhere, ...plan }
    this.#build = build
  }

  #answer(request, response) {
    const path = request.url.split('?')[0]
    const reply = (type, body) => response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(body)
    if (/^\/(live|sockjs)(\/|$)/.test(path)) this.#forward(request, response, path)
    else if (path === '/page') reply('text/html; charset=utf-8', page(this.#build ? SOCKJS : OWN, this.#plan, this.#emulated))
    else if (path === '/sockjs.min.js' && this.#build) reply('text/javascript; charset=utf-8', this.#build)
    else if (SCRIPTS[path]) reply('text/javascript; charset=utf-8', SCRIPTS[path])
    else if (path === '/plan.js') reply('text/javascript; charset=utf-8', `var plan = ${JSON.stringify(this.#plan)}`)
    else if (path === '/cut') reply('text/plain', this.#cut())
    else if (path === '/report') this.#report(request, () => reply('text/plain', 'ok'))
    // A host without timers of its own waits for this answer in place of a timer.
    else if (path === '/pump') setTimeout(() => reply('text/plain', ''), 500)
    else response.writeHead(404).end()
  }

  #report(request, done) {
    const pieces = []
    request.on('data', (piece) => pieces.push(piece))
    request.on('end', () => {
      done()
      this.emit('report', JSON.parse(Buffer.concat(pieces).toString()))
    })
  }

  /**
   * Cuts everything under way. If nothing is, because the engine makes one request at a time, it cuts the
   * next downlink.
   */
  #cut() {
    const count = [...this.#live.values()].filter((cut) => cut()).length
    this.#armed = count === 0
    return String(count)
  }

  /** Whether the request goes on; `cut` cuts it now or later, and returns false if it has its whole answer. */
  #carry(socket, path, cut) {
    if (/\/(send|form-post|jsonp-send|client\.js)$/.test(path)) return true
    if (this.#armed) {
      this.#armed = false
      cut()
      return false
    }
    this.#live.set(socket, cut)
    return true
  }

  #forward(request, response, path) {
    const { method, url, socket } = request
    const cut = () => {
      // The cut is within the answer: engines themselves repeat a request that has no answer at all.
      if (!response.headersSent) response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 100 })
      if (!response.writableEnded) response.write('a', () => socket.destroy())
      return !response.writableEnded
    }
    if (!this.#carry(socket, path, cut)) return
    const headers = this.#referer ? [...request.rawHeaders, 'Referer', `${this.origin}/page`] : request.rawHeaders
    const options = { host: HOST, port: this.#target, method, path: url, headers, agent: false }
    const up = http.request(options, (answer) => {
      if (response.headersSent) return
      response.writeHead(answer.statusCode, answer.rawHeaders.filter((_, i, all) => !/^connection$/i.test(all[i - (i % 2)])))
      response.flushHeaders()
      answer.pipe(response)
      answer.on('error', () => socket.destroy())
    })
    up.on('error', () => socket.destroy())
    // A request that has its full answer can no longer be cut.
    response.on('finish', () => this.#live.delete(socket))
    response.on('close', () => {
      this.#live.delete(socket)
      up.destroy()
    })
    request.pipe(up)
  }

  #tunnel(request, socket, head) {
    if (!this.#carry(socket, request.url.split('?')[0], () => socket.resetAndDestroy())) return
    const up = net.connect(this.#target, HOST)
    const lines = [`${request.method} ${request.url} HTTP/1.1`]
    for (let i = 0; i < request.rawHeaders.length; i += 2) lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`)
    up.setNoDelay(true)
    up.write(`${lines.join('\r\n')}\r\n\r\n`)
    up.write(head)
    up.pipe(socket).pipe(up)
    up.on('error', () => socket.destroy())
    up.on('close', () => socket.destroy())
    socket.on('close', () => {
      this.#live.delete(socket)
      up.destroy()
    })
  }

  async close() {
    for (const socket of this.#sockets) socket.destroy()
    for (const server of this.#servers) await new Promise((resolve) => server.close(resolve))
  }
}
