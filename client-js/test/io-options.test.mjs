/** The arguments of `io()`, and the address and options that it makes of them. */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import './current.mjs'
import { connect } from '../src/index.js'
import { createIo } from '../src/facade.js'

const SCRIPT = 'http://host/live/io.mjs'
const THEIRS = 'http://host/socket.io/socket.io.js'

/** The address and the namespace that `io` makes of its arguments. */
const found = (script, ...given) => {
  const calls = []
  const session = { on() {}, channel: (namespace) => ({ ...session, namespace }) }
  const io = createIo((address) => {
    calls.push(address)
    return session
  }, script)
  return [io(...given).nsp, ...calls]
}

describe('the address', () => {
  for (const [what, script, given, address, namespace = '/'] of [
    ['that of the script', SCRIPT, [], 'http://host/live'],
    ['the same of a script for any browser', 'https://host:81/a/b/io.js?v=1#x', [], 'https://host:81/a/b'],
    ['the folder may be the root', 'http://host/io.js', [], 'http://host'],
    ['a relative one, as Internet Explorer has it', '/live/io.js', [], '/live'],
    ['without a folder', 'io.js', [], '/live'],
    ['an address in the query of ours', 'http://host/live/io.js?from=/a/io.js', [], 'http://host/live'],
    ['ours in the query of a bundle', 'http://host/assets/app.js?from=/a/io.js', [], '/live'],
    ['ours in the query of a relative bundle', '/assets/app.js?from=/a/io.js', [], '/live'],
    ['a name of theirs', THEIRS, [], 'http://host/socket.io/anywire'],
    ['the short one', 'https://host:81/a/socket.io/socket.io.min.js?v=4#x', [], 'https://host:81/a/socket.io/anywire'],
    ['the module', 'http://host/socket.io/socket.io.esm.min.js', [], 'http://host/socket.io/anywire'],
    ['the module with its own ending', 'http://host/socket.io/socket.io.mjs', [], 'http://host/socket.io/anywire'],
    ['a name of theirs in the root', 'http://host/socket.io.js', [], 'http://host/anywire'],
    ['a relative name of theirs', '/socket.io/socket.io.js', [], '/socket.io/anywire'],
    ['no name of theirs', 'http://host/assets/socket.io.app.js', [], '/live'],
    ['a longer name', 'http://host/assets/my-socket.io.js', [], '/live'],
    ['a name without its dot', 'http://host/assets/socketxio.js', [], '/live'],
    ['theirs and a path', THEIRS, [{ path: '/my/socket.io' }], 'http://host/my/socket.io/anywire'],
    ['theirs and a path with a slash', THEIRS, [{ path: '/my/socket.io/' }], 'http://host/my/socket.io/anywire'],
    ['theirs and the path of the root', THEIRS, [{ path: '/' }], 'http://host/anywire'],
    ['theirs, a namespace and a query', THEIRS, ['/admin?a=b'], 'http://host/socket.io/anywire?a=b', '/admin'],
    ['theirs and an origin', THEIRS, ['https://other:81/admin'], 'https://other:81/socket.io/anywire', '/admin'],
    ['theirs, an origin and a path', THEIRS, ['https://other', { path: '/ws/' }], 'https://other/ws/anywire'],
    ['a bundle is no script of ours', 'http://host/assets/app-io.js', [], '/live'],
    ['nor is a file', 'file:///home/user/node_modules/anywire/dist/io.mjs', [], '/live'],
    ['no script', undefined, [], '/live'],
    ['options alone', SCRIPT, [{ path: '/other' }], 'http://host/other'],
    ['undefined and options', SCRIPT, [undefined, { path: '/other/' }], 'http://host/other/'],
    ['the empty text', SCRIPT, [''], 'http://host/live'],
    ['a namespace', SCRIPT, ['/admin'], 'http://host/live', '/admin'],
    ['the namespace of all', SCRIPT, ['/'], 'http://host/live'],
    ['a namespace with a query', SCRIPT, ['/admin?token=a'], 'http://host/live?token=a', '/admin'],
    ['an origin', SCRIPT, ['https://other:81'], 'https://other:81/live'],
    ['an origin and a path of its own', SCRIPT, ['https://other/', { path: '/ws' }], 'https://other/ws'],
    ['an origin with a namespace', SCRIPT, ['ws://other/admin/a?b=/c'], 'ws://other/live?b=/c', '/admin/a'],
    ['an origin without a scheme', SCRIPT, ['//other/admin'], '//other/live', '/admin'],
    ['an origin, and no script', undefined, ['http://other/admin'], 'http://other/live', '/admin']
  ]) {
    test(what, () => assert.deepEqual(found(script, ...given), [namespace, address]))
  }

  test('what is no namespace throws', () => {
    for (const url of ['localhost:3000', 'admin', '/a,b']) assert.throws(() => found(SCRIPT, url), /is not like \/admin/)
    assert.throws(() => found(SCRIPT, 'http://host/' + 'x'.repeat(300)), /namespace too large/)
  })
})

describe('options', () => {
  const made = (options) => {
    let ours
    const session = { on() {} }
    createIo((address, given) => {
      ours = given
      return session
    })('http://host', options)
    delete ours.auth
    return JSON.parse(JSON.stringify(ours))
  }
  const NONE = { buffer: 1e9, backoff: null }
  const HTTP = ['fetch-stream', 'xhr-stream', 'multipart', 'eventsource', 'htmlfile', 'iframe', 'xhr-poll', 'jsonp-poll', 'poll']
  for (const [what, options, wanted] of [
    ['none', undefined, {}],
    ['unknown ones are ignored', { reconnection: true, upgrade: false, parser: {}, retries: 3 }, {}],
    ['only WebSockets', { transports: ['websocket'] }, { transports: ['websocket'] }],
    ['only polling', { transports: ['polling'] }, { transports: HTTP }],
    ['all', { transports: ['polling', 'websocket', 'webtransport'] }, { transports: [...HTTP, 'websocket', 'websocket'] }],
    ['our names', { transports: ['xhr-poll'] }, { transports: ['xhr-poll'] }],
    ['cookies', { withCredentials: true }, { credentials: 'include' }],
    ['a time', { timeout: 5000 }, { timeout: 5000 }],
    ['a wait', { reconnectionDelay: 1000 }, { backoff: { first: 1000, max: 5000 } }],
    ['waits', { reconnectionDelay: 1000, reconnectionDelayMax: 2000 }, { backoff: { first: 1000, max: 2000 } }],
    ['a long wait', { reconnectionDelay: 9000 }, { backoff: { first: 9000, max: 9000 } }],
    ['no wait', { reconnectionDelay: 0 }, {}]
  ]) {
    test(what, () => assert.deepEqual(made(options), { ...NONE, ...wanted }))
  }

  for (const [what, options, text] of [
    ['transports as a text', { transports: 'websocket' }, 'transports "websocket" is not one of: object'],
    ['an unknown transport', { transports: ['pigeon'] }, 'transport "pigeon" is not one of: websocket'],
    ['a time that is none', { timeout: 'soon' }, 'timeout "soon" is not one of: number'],
    ['a time below 0', { timeout: -1 }, 'timeout must be a number above 0'],
    ['a wait that is none', { reconnectionDelay: 'x' }, 'backoff.first "x" is not one of: number'],
    ['auth as a number', { auth: 5 }, 'auth "5" is not one of: string object'],
    ['auth without JSON', { auth: { toJSON() {} } }, 'auth has no JSON']
  ]) {
    test(`${what} throws`, () => {
      const io = createIo(connect, SCRIPT)
      assert.throws(() => io(options), (error) => error.message.startsWith(text) || assert.fail(error.message))
    })
  }

  test('listeners that are none throw', () => {
    const socket = createIo(connect, SCRIPT)({ autoConnect: false })
    for (const method of ['onAny', 'prependAny']) assert.throws(() => socket[method]('x'), /callback "x" is not one of: function/)
    for (const method of ['on', 'once']) assert.throws(() => socket[method]('a', undefined), /callback "undefined"/)
  })
})
