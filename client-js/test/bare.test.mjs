/** The bundles for old browsers, as they ship, where nothing exists that ES3 does not have. */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createContext, runInContext } from 'node:vm'
import { createClock } from './clock.mjs'
import { createServer } from './server.mjs'

const read = (name) => readFileSync(new URL(`../dist/${name}`, import.meta.url), 'utf8')
const script = read('anywire.js')
const ioScript = read('io.js')
const socketScript = read('socket.js')

/** The names that ES3 has; everything else is removed. */
const ES3 = {
  '': 'NaN Infinity undefined parseInt parseFloat isNaN isFinite decodeURI decodeURIComponent encodeURI encodeURIComponent escape unescape eval Object Function Array String Boolean Number Date RegExp Error EvalError RangeError ReferenceError SyntaxError TypeError URIError Math self window setTimeout clearTimeout XMLHttpRequest ActiveXObject document',
  Object: 'prototype length name',
  'Object.prototype': 'constructor toString toLocaleString valueOf hasOwnProperty isPrototypeOf propertyIsEnumerable',
  Array: 'prototype length name',
  'Array.prototype': 'constructor toString toLocaleString concat join pop push reverse shift slice sort splice unshift length',
  String: 'prototype length name fromCharCode',
  'String.prototype':
    'constructor toString valueOf charAt charCodeAt concat indexOf lastIndexOf localeCompare match replace search slice split substring substr toLowerCase toLocaleLowerCase toUpperCase toLocaleUpperCase length',
  'Function.prototype': 'constructor toString apply call length name',
  Number: 'prototype length name MAX_VALUE MIN_VALUE NaN NEGATIVE_INFINITY POSITIVE_INFINITY',
  'Number.prototype': 'constructor toString toLocaleString valueOf toFixed toExponential toPrecision',
  Math: 'E LN10 LN2 LOG2E LOG10E PI SQRT1_2 SQRT2 abs acos asin atan atan2 ceil cos exp floor log max min pow random round sin sqrt tan',
  'RegExp.prototype': 'constructor exec test toString source global ignoreCase multiline lastIndex flags'
}

const strip = (context) => {
  for (const [owner, names] of Object.entries(ES3)) {
    const object = runInContext(owner || 'this', context)
    const kept = new Set(names.split(' '))
    for (const name of Object.getOwnPropertyNames(object)) if (!kept.has(name)) Reflect.deleteProperty(object, name)
    if (owner === 'Array.prototype') for (const symbol of Object.getOwnPropertySymbols(object)) Reflect.deleteProperty(object, symbol)
  }
}

/**
 * @param scripts those that the page has, of which the last is `io.js` and runs instead of `anywire.js`
 * @param face whether `socket.js` runs instead
 */
const bare = ({ activeX, terms, surroundings, scripts, face, url: given = '/live' } = {}) => {
  const clock = createClock()
  const server = createServer(terms)
  const wire = []
  const urls = []

  /** An XMLHttpRequest; as an ActiveX object it shows nothing before the end. */
  const Request = function () {
    const xhr = this
    let text = ''
    let url
    let gone
    const change = (state) => {
      if (gone) return
      xhr.readyState = state
      // From the network, not while the page's code runs.
      xhr.onreadystatechange()
    }
    const end = (status) =>
      clock.setTimeout(() => {
        xhr.status = status
        change(4)
      }, 1)
    const line = {
      write(chunk) {
        text += chunk
        clock.setTimeout(() => change(3), 1)
      },
      end: () => end(200),
      refuse(status, body) {
        text = body
        end(status)
      }
    }
    Object.defineProperty(xhr, 'responseText', {
      get() {
        if (activeX && xhr.readyState < 4) throw Error('not yet')
        return text
      }
    })
    xhr.readyState = 0
    xhr.open = (method, where, async) => {
      assert.deepEqual([method, async], ['POST', true])
      url = where
      urls.push(url)
    }
    xhr.setRequestHeader = () => {}
    xhr.getResponseHeader = () => null
    xhr.abort = () => {
      gone = true
    }
    xhr.send = (body) => {
      wire.push(body)
      clock.setTimeout(() => gone || server.request(/(?:live|anywire)\/([a-z-]+)\?session=/.exec(url)[1], body, line), 5)
    }
  }

  const context = createContext({ setTimeout: clock.setTimeout, clearTimeout: clock.clearTimeout, Date: clock.Date, document: { createElement: () => ({}), getElementsByTagName: () => scripts } })
  runInContext('var self = this, window = this', context)
  if (!activeX) context.XMLHttpRequest = Request
  else {
    context.ActiveXObject = function (name) {
      assert.equal(name, 'Microsoft.XMLHTTP')
      Request.call(this)
    }
  }
  strip(context)
  Object.assign(context, surroundings)
  runInContext(scripts ? ioScript : face ? socketScript : script, context)
  const socket = scripts ? runInContext('io()', context) : face && runInContext(`new anywire.Socket(${JSON.stringify(given)})`, context)
  const session = face ? socket.session : socket ? socket.io.session : runInContext('anywire', context).connect(given, {})
  const story = []
  for (const name of ['open', 'message', 'transport', 'interrupted', 'resumed', 'closed', 'connect_error', 'error']) session.on(name, (...rest) => story.push([name, ...rest]))
  return { session, socket, story, server, wire, urls, clock, context, messages: () => story.filter(([name]) => name === 'message').map(([, message]) => message) }
}

const TEXTS = ['hello', '', '\u0000', '\ud83d\ude00 m5:', '\u2028\u2029\r\n', '\uffff\ufeff', 'ä€:,']

test('nothing newer than ES3 is there', () => {
  const { context } = bare()
  const has = (code) => runInContext(`typeof ${code}`, context) !== 'undefined'
  for (const code of ['JSON', 'Promise', 'Uint8Array', 'ArrayBuffer', 'Symbol', 'globalThis', 'fetch', 'WebSocket', 'Map', 'crypto', 'localStorage']) assert.ok(!has(code), code)
  for (const code of ['[].forEach', '[].map', '[].indexOf', 'Object.keys', 'Object.create', 'Object.defineProperty', 'Array.isArray', 'Date.now', '"".trim', 'has.bind']) {
    assert.ok(!has(code.replace('has', 'isNaN')), code)
  }
  assert.ok(has('anywire.connect'))
})

test('chance is asked of an engine that fills the array and returns nothing', () => {
  const crypto = { getRandomValues: (numbers) => void numbers.fill(7) }
  const it = bare({ surroundings: { crypto, Uint32Array } })
  it.clock.advance(3000)
  assert.equal(it.session.state, 'open')
  assert.match(it.wire[0], /^o1,\d+,7\.7\.7\.7,0,ping\.rotate\.events:/)
})

/** Without an element or a `URL` that parses an address: the workers of Internet Explorer, and engines without a page. */
for (const [what, document] of [['no document', undefined], ['a document without elements', {}]]) {
  const location = { protocol: 'https:', host: 'one.example:81' }
  for (const [url, requested] of [
    ['/live', 'https://one.example:81/live'],
    ['https://user:pass@one.example:81/live#hash', 'https://one.example:81/live'],
    ['live', 'live']
  ]) {
    test(`with ${what}, ${url} is reached`, () => {
      const it = bare({ url, surroundings: { document, location } })
      it.clock.advance(3000)
      assert.equal(it.session.state, 'open')
      assert.equal(it.urls[0].split('/open?')[0], requested)
    })
  }
  for (const url of ['ftp://two.example/live', 'localhost:8080/live', 'file:///live']) {
    test(`with ${what}, ${url} throws`, () => {
      assert.throws(() => bare({ url, surroundings: { document, location } }), /is no path and no http or ws address/)
    })
  }
}

test('a worker that loses its session goes on', () => {
  const it = bare({ surroundings: { document: undefined, location: {} } })
  it.clock.advance(3000)
  assert.equal(it.session.state, 'open')
  it.server.sessions[0].forgotten = true
  it.clock.advance(60000)
  assert.notEqual(it.session.state, 'closed')
})

for (const activeX of [false, true]) {
  describe(activeX ? 'an ActiveX object' : 'XMLHttpRequest', () => {
    const open = (terms) => {
      const it = bare({ activeX, terms })
      it.clock.advance(3000)
      assert.equal(it.session.state, 'open')
      return it
    }

    test(`opens, and goes on by ${activeX ? 'polls, since a stream shows nothing' : 'streaming'}`, () => {
      const it = open()
      it.server.sessions[0].send('one')
      it.clock.advance(10)
      assert.equal(it.session.transport, activeX ? 'xhr-poll' : 'xhr-stream')
      assert.equal(it.story[0][0], 'open')
      assert.deepEqual(it.messages(), ['one'])
      assert.equal(it.server.sessions.length, 1)
      assert.equal(it.session.id, 'id1')
      assert.ok(!it.story.some(([name]) => name === 'interrupted' || name === 'resumed'))
    })

    test('messages go both ways as they are', () => {
      const it = open()
      for (const text of TEXTS) {
        assert.equal(it.session.send(text), true)
        it.server.sessions[0].send(text)
      }
      it.clock.advance(100)
      assert.deepEqual(it.server.sessions[0].messages, TEXTS)
      assert.deepEqual(it.messages(), TEXTS)
      assert.equal(it.session.unacknowledged, 0)
      for (const text of TEXTS) it.server.sessions[0].send(text)
      it.clock.advance(100)
      assert.deepEqual(it.messages(), [...TEXTS, ...TEXTS])
    })

    test('messages that are sent before it is open go with the opening', () => {
      const it = bare({ activeX })
      it.session.send('first')
      it.clock.advance(4)
      assert.match(it.wire[0], /^o1,\d+,[\w.-]+,0,ping\.rotate\.events:n1:m5:first$/)
    })

    test('half a surrogate pair becomes U+FFFD', () => {
      const it = open()
      it.session.send('a\ud800b\udc00c\ud83d\ude00')
      it.clock.advance(100)
      assert.deepEqual(it.server.sessions[0].messages, ['a\ufffdb\ufffdc\ud83d\ude00'])
    })

    test('bytes come as an array of numbers without ArrayBuffer, and only text can be sent', () => {
      const it = open()
      it.server.sessions[0].send(Buffer.from([0, 127, 128, 255]))
      it.server.sessions[0].send(Buffer.from([]))
      it.clock.advance(100)
      assert.deepEqual(it.messages().map((bytes) => Array.prototype.join.call(bytes)), ['0,127,128,255', ''])
      assert.throws(() => it.session.send([1, 2]))
      assert.throws(() => it.session.send({}))
    })

    test('the limit counts UTF-8', () => {
      const it = open({ limit: 10 })
      assert.throws(() => it.session.send('€€€€'))
      assert.equal(it.session.send('€€€'), true)
    })

    test('a flush calls back', () => {
      const it = open()
      const answers = []
      it.session.send('one')
      it.session.flush((done) => answers.push(done, it.server.sessions[0].messages.length))
      it.clock.advance(1)
      assert.deepEqual(answers, [])
      it.clock.advance(100)
      assert.deepEqual(answers, [true, 1])
    })

    test('it closes behind its messages', () => {
      const it = open()
      it.session.send('last')
      it.session.close(3001, 'done \u20ac')
      it.clock.advance(100)
      assert.deepEqual(it.server.sessions[0].messages, ['last'])
      assert.deepEqual(it.server.sessions[0].closed, [3001, 'done \u20ac'])
      assert.equal(it.session.state, 'closed')
      const [name, how] = it.story.at(-1)
      assert.deepEqual([name, how.code, how.reason, how.unacknowledged], ['closed', 3001, 'done \u20ac', 0])
      assert.throws(() => it.session.send('late'))
    })

    test('it is closed by the server behind its messages, and acknowledges that', () => {
      const it = open()
      it.server.sessions[0].send('last')
      it.server.sessions[0].close(3002, 'bye')
      it.clock.advance(100)
      assert.deepEqual(it.messages(), ['last'])
      const [name, how] = it.story.at(-1)
      assert.deepEqual([name, how.code, how.reason], ['closed', 3002, 'bye'])
      assert.equal(it.server.sessions[0].acked, 2)
    })

    test('a server that has forgotten the session gets a new one, which goes on by itself', () => {
      const it = open()
      it.server.sessions[0].forgotten = true
      it.session.send('lost')
      it.clock.advance(5000)
      const resumed = it.story.find(([name]) => name === 'resumed')
      assert.equal(resumed[1].outcome, 'new')
      assert.equal(Array.prototype.join.call(resumed[1].unknown), 'lost')
      it.session.send('after')
      it.clock.advance(100)
      assert.deepEqual(it.server.sessions[1].messages, ['after'])
    })
  })
}

for (const activeX of [false, true]) {
  test(`io connects to where its script came from, and exchanges events, ${activeX ? 'by ActiveX' : 'by XMLHttpRequest'}`, () => {
    const it = bare({ activeX, scripts: [{ src: '/other/jquery.js' }, { src: '/live/io.js' }], surroundings: { JSON } })
    const heard = []
    for (const name of ['connect', 'chat message', 'disconnect']) it.socket.on(name, (...values) => heard.push([name, ...values]))
    it.socket.emit('chat message', 'hi', (answer) => heard.push(answer))
    it.clock.advance(3000)
    assert.equal(it.urls[0].split('/open?')[0], '/live')
    assert.deepEqual(it.server.sessions[0].packets, [['21["chat message","hi"]']])
    it.server.sessions[0].packet('2["chat message","you"]')
    it.server.sessions[0].packet('31["ok"]')
    it.server.sessions[0].close(1000, '')
    it.clock.advance(3000)
    assert.deepEqual(heard.map(([...values]) => values.slice(0, 2)), [['connect'], ['chat message', 'you'], ['o', 'k'], ['disconnect', 'io server disconnect']])
  })
}

for (const activeX of [false, true]) {
  test(`a socket exchanges messages and closes, ${activeX ? 'by ActiveX' : 'by XMLHttpRequest'}`, () => {
    const it = bare({ activeX, face: true })
    const heard = []
    const listener = ({ type, data, code, reason, wasClean }) => heard.push([type, data, code, reason, wasClean].filter((value) => value !== undefined))
    for (const type of ['open', 'error', 'close']) it.socket[`on${type}`] = listener
    it.socket.addEventListener('message', listener, { once: true })
    assert.throws(() => it.socket.send('early'), { name: 'InvalidStateError' })
    it.clock.advance(3000)
    assert.equal(it.urls[0].split('/open?')[0], '/live/anywire')
    assert.deepEqual([it.socket.readyState, it.socket.bufferedAmount, runInContext('anywire.Socket.CLOSED', it.context)], [1, 0, 3])
    for (const text of TEXTS) it.socket.send(text)
    it.server.sessions[0].send(Buffer.from([7]))
    it.server.sessions[0].send('unheard')
    it.clock.advance(3000)
    it.socket.close(3000, 'done')
    it.clock.advance(60000)
    assert.deepEqual([it.server.sessions[0].messages, it.server.sessions[0].closed], [TEXTS, [3000, 'done']])
    assert.deepEqual(JSON.parse(JSON.stringify(heard)), [['open'], ['message', [7]], ['close', 3000, 'done', true]])
  })
}

test('io has a script that runs, or one that is not its own, or none', () => {
  for (const [scripts, surroundings, requested] of [
    [[{ src: 'http://host/live/io.js' }, { src: '/late.js' }], { location: { protocol: 'http:', host: 'two' }, document: { createElement: () => ({}), currentScript: { src: 'http://two/a/live/io.js' }, getElementsByTagName: () => [] } }, 'http://two/a/live'],
    [[{ src: '/socket.io/socket.io.js' }], {}, '/socket.io/anywire'],
    [[{ src: '/app.js' }], {}, '/live'],
    [[], {}, '/live'],
    [[], { document: undefined, location: { protocol: 'https:', host: 'host' } }, 'https://host/live'],
    [[], { document: {}, location: { protocol: 'https:', host: 'host' } }, 'https://host/live']
  ]) {
    const it = bare({ scripts, surroundings })
    it.clock.advance(3000)
    assert.equal(it.urls[0].split('/open?')[0], requested)
  }
})
