/**
 * Wrong arguments of every public function, and the text that each throws. Nothing is requested, and nothing
 * is queued. Both bundles, as they are built.
 */
import { after, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createContext, runInContext } from 'node:vm'
import * as current from '../dist/anywire.mjs'

/** A page at `http://page.example/app/`, for the bundle that needs one. */
const page = (() => {
  const location = { href: 'http://page.example/app/', host: 'page.example', protocol: 'http:' }
  const requests = []
  const createElement = () => ({
    get href() {
      return this.url
    },
    set href(text) {
      this.url = URL.canParse(text, location.href) ? new URL(text, location.href).href : text
    }
  })
  class XMLHttpRequest {
    open(...request) {
      requests.push(request)
    }
    setRequestHeader() {}
    send() {}
    abort() {}
  }
  const context = createContext({ setTimeout, clearTimeout, document: { createElement }, location, XMLHttpRequest, console })
  runInContext('var self = this, window = this', context)
  runInContext(readFileSync(new URL('../dist/anywire.js', import.meta.url), 'utf8'), context)
  return { connect: context.anywire.connect, requests }
})()

const BUNDLES = { 'anywire.mjs': { connect: current.connect, page: false }, 'anywire.js': { connect: page.connect, page: true } }
const GOOD = 'http://127.0.0.1:1/live'
const circle = {}
circle.self = circle

const ADDRESS = 'is no path and no http or ws address'
const noAddress = (url) => `url "${url}" ${ADDRESS}`
const option = (name) => `options "${name}" is not one of: auth transports WebSocket credentials backoff buffer resume timeout waiting`
const type = (name, got, wanted) => `${name} "${got}" is not one of: ${wanted}`
const range = (name) => `${name} must be a number above 0 and at most 1000000000`
const transport = (name) => `transport "${name}" is not one of: websocket fetch-stream`

/** [what, arguments of `connect`, the beginning of the text] */
const CONNECT = [
  ['no address', [], noAddress('undefined')],
  ['null', [null], noAddress('null')],
  ['a number', [8080], noAddress('8080')],
  ['an object', [{}], noAddress('[object Object]')],
  ['an empty text', [''], noAddress('')],
  ['blanks', [' \n'], noAddress(' \n')],
  ['only a hash', ['#live'], noAddress('#live')],
  ['a host and port', ['localhost:8080/live'], noAddress('localhost:8080/live')],
  ['another scheme', ['ftp://host/live'], noAddress('ftp://host/live')],
  ['a file', ['file:///live'], noAddress('file:///live')],
  ['a script', ['javascript:alert(1)'], noAddress('javascript:alert(1)')],
  ['options null', [GOOD, null], type('options', '', 'object')],
  ['options as a text', [GOOD, 'websocket'], type('options', 'websocket', 'object')],
  ['options as a function', [GOOD, () => {}], type('options', '() => {}', 'object')],
  ['an unknown option', [GOOD, { transport: ['websocket'] }], option('transport')],
  ['an option of Socket.IO', [GOOD, { reconnectionDelay: 1 }], option('reconnectionDelay')],
  ['auth as a number', [GOOD, { auth: 5 }], type('auth', '5', 'string object function')],
  ['auth as a boolean', [GOOD, { auth: true }], type('auth', 'true', 'string object function')],
  ['auth as a symbol', [GOOD, { auth: Symbol('key') }], type('auth', 'Symbol(key)', 'string object function')],
  ['auth without JSON', [GOOD, { auth: { toJSON() {} } }], 'auth has no JSON'],
  ['auth that JSON cannot hold', [GOOD, { auth: circle }], 'Converting circular structure to JSON'],
  ['transports as a text', [GOOD, { transports: 'websocket' }], type('transports', 'websocket', 'object')],
  ['transports as an object', [GOOD, { transports: {} }], transport('[object Object]')],
  ['an unknown transport', [GOOD, { transports: ['websocket', 'websockets'] }], transport('websockets')],
  ['a transport of Socket.IO', [GOOD, { transports: ['polling'] }], transport('polling')],
  ['no transport', [GOOD, { transports: [] }], 'no transport works here: '],
  ['an uplink only', [GOOD, { transports: ['form-post'] }], 'no transport works here: form-post'],
  ['credentials true', [GOOD, { credentials: true }], type('credentials', 'true', 'omit same-origin include')],
  ['unknown credentials', [GOOD, { credentials: 'yes' }], 'credentials "yes" is not one of: omit same-origin include'],
  ['WebSocket as a text', [GOOD, { WebSocket: 'ws' }], type('WebSocket', 'ws', 'function object')],
  ['buffer as a text', [GOOD, { buffer: '1000' }], type('buffer', '1000', 'number')],
  ...[0, -1, NaN, Infinity].map((value) => [`buffer ${value}`, [GOOD, { buffer: value }], range('buffer')]),
  ...[0, -1, NaN, 2e9].map((value) => [`timeout ${value}`, [GOOD, { timeout: value }], range('timeout')]),
  ['backoff as a number', [GOOD, { backoff: 5 }], type('backoff', '5', 'object')],
  ...[0, NaN, Infinity].map((first) => [`backoff from ${first}`, [GOOD, { backoff: { first } }], range('backoff.first')]),
  ['backoff from a text', [GOOD, { backoff: { first: '100' } }], type('backoff.first', '100', 'number')],
  ['an unknown backoff', [GOOD, { backoff: { min: 5 } }], 'backoff "min" is not one of: first max'],
  ['a list as backoff', [GOOD, { backoff: [5] }], 'backoff "0" is not one of: first max'],
  ['a list as options', [GOOD, ['websocket']], option('0')],
  ['backoff up to 0', [GOOD, { backoff: { max: 0 } }], range('backoff.max')],
  ['backoff whose most is below its least', [GOOD, { backoff: { first: 500, max: 400 } }], 'backoff.max is below backoff.first'],
  ['resume as a text', [GOOD, { resume: 'yes' }], type('resume', 'yes', 'boolean')],
  ['waiting true', [GOOD, { waiting: true }], type('waiting', 'true', 'send drop')],
  ['an unknown way to treat what waits', [GOOD, { waiting: 'keep' }], 'waiting "keep" is not one of: send drop']
]

/** Errors that only the one or the other throws. */
const OWN = {
  'anywire.mjs': [
    ['resume', [GOOD, { resume: true }], 'resume works only in anywire.js'],
    ['a path without a page', ['/live'], noAddress('/live')],
    ['a host without a scheme', ['localhost/live'], noAddress('localhost/live')],
    ['no host', ['http://'], noAddress('http://')],
    ['only transports of the other bundle', [GOOD, { transports: ['jsonp-poll', 'iframe'] }], 'no transport works here: jsonp-poll,iframe']
  ],
  'anywire.js': [['a transport of the other bundle', [GOOD, { transports: ['fetch-stream'] }], 'no transport works here: fetch-stream']]
}

const CODE = 'code must be 1000 or from 3000 to 3999'
const EVENT = (name) => `event "${name}" is not one of: open message transport interrupted resumed gap connect_error error closed`
const NAME = (name) => `the name "${name}" is reserved`
const NAMESPACE = (name) => `namespace "${name}" is not like /admin, without comma and ?`
const CALLBACK = (got) => type('callback', got, 'function')
const REASON = 'reason too large: 124 of 123 bytes'
const TYPE = 'a message is text, an ArrayBuffer or a view of one; read a Blob first'

/** [method, arguments, text] */
const METHODS = [
  ...[undefined, null, 5, true, {}, [1], new Date(), new Blob(['x']), Promise.resolve('x'), { byteLength: 5 }, { byteLength: 0, length: 1 }].map((data) => ['send', [data], TYPE]),
  ...[true, 'droppable', 5].map((options) => ['send', ['x', options], type('send options', options, 'object')]),
  ['send', ['x', { dropable: true }], 'send options "dropable" is not one of: droppable'],
  ['send', ['x', { droppable: 'yes' }], type('droppable', 'yes', 'boolean')],
  ...['bye', '1000', null, NaN, 3000.5, -1, 0, 999, 1001, 1005, 1006, 2999, 4000, Infinity, {}, true].map((code) => ['close', [code], CODE]),
  ['close', [3000, 'x'.repeat(124)], REASON],
  ...[null, {}, 5].map((reason) => ['close', [1000, reason], type('reason', reason, 'string')]),
  ['close', [1000, 'é'.repeat(62)], REASON],
  ['abort', ['é'.repeat(62)], REASON],
  ...['connect', 'disconnect', 'disconnecting', 'newListener', 'removeListener', ''].flatMap((name) => [
    ['on', [name, () => {}], EVENT(name)],
    ['off', [name], EVENT(name)],
    ['emit', [name], NAME(name)],
    ['request', [name], NAME(name)]
  ]),
  ...['open', 'message', 'closed'].map((name) => ['emit', [name], NAME(name)]),
  ...[undefined, null, 5].flatMap((name) => ['on', 'off', 'emit', 'request'].map((method) => [method, [name, () => {}], type('event', name, 'string')])),
  ...[undefined, null, 'x', {}].map((listener) => ['on', ['open', listener], CALLBACK(listener)]),
  ...['x', null, 0, false, ''].map((listener) => ['off', ['open', listener], CALLBACK(listener)]),
  ...['', '/', 'admin', ' /admin', '/a,b', '/a?token=1', '/?'].map((namespace) => ['channel', [namespace], NAMESPACE(namespace)]),
  ...[undefined, null, 5, {}].map((namespace) => ['channel', [namespace], type('namespace', namespace, 'string')]),
  ['channel', ['/' + 'é'.repeat(128)], 'namespace too large: 257 of 256 bytes'],
  ...[5, true, () => 5].map((auth) => ['channel', ['/a', auth], type('auth', typeof auth === 'function' ? '5' : auth, 'string object')]),
  ['channel', ['/a', { toJSON() {} }], 'auth has no JSON'],
  ['channel', ['/a', circle], 'Converting circular structure to JSON'],
  ['flush', ['x'], CALLBACK('x')],
  ['flush', [5], CALLBACK('5')]
]

const begins = (text) => (error) => {
  assert.equal(error.message.slice(0, text.length), text)
  return true
}

for (const [name, { connect }] of Object.entries(BUNDLES)) {
  describe(name, () => {
    for (const [what, given, text] of [...CONNECT, ...OWN[name]]) test(`connect: ${what}`, () => assert.throws(() => connect(...given), begins(text)))

    const sessions = []
    const session = connect(GOOD)
    sessions.push(session)
    for (const [method, given, text] of METHODS) {
      test(`${method}: ${given.map((one) => (typeof one === 'string' && one.length > 20 ? `${one.length} characters` : String(one))).join()}`, () => {
        assert.throws(() => session[method](...given), begins(text))
        assert.deepEqual([session.state, session.unacknowledged, session.bufferedAmount], ['connecting', 0, 0])
      })
    }

    test('what is not wrong is taken', () => {
      const good = [
        [new URL(GOOD)], ['ws://127.0.0.1:1/live'], ['WSS://127.0.0.1:1/live'], [`${GOOD}#hash`], ['http://user:pass@127.0.0.1:1/live?a=b'],
        [GOOD, {}], [GOOD, undefined], [GOOD, { auth: null, transports: undefined, WebSocket: null, credentials: null }],
        [GOOD, { auth: { token: 1 } }], [GOOD, { auth: ['token'] }], [GOOD, { transports: ['xhr-poll', 'jsonp-poll'], waiting: 'drop' }]
      ]
      for (const given of good) sessions.push(connect(...given))
      Object.prototype.polluted = 1
      try {
        sessions.push(connect(GOOD, {}))
      } finally {
        delete Object.prototype.polluted
      }
      const closed = connect(GOOD)
      closed.close(3999, 'é'.repeat(61))
      assert.equal(closed.state, 'closed')
    })

    after(() => {
      for (const one of sessions) one.abort()
    })
  })
}

test('a page of old has an address for a path, and nothing was requested by what threw', () => {
  assert.doesNotThrow(() => page.connect('/live').close())
  assert.doesNotThrow(() => page.connect('live#hash').close())
  assert.deepEqual(page.requests, [])
})
