/**
 * A page that reloads goes on with its session: in virtual time, with the sources of the bundle for any
 * browser.
 */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { createClock } from './clock.mjs'
import { createServer } from './server.mjs'

globalThis.LEGACY = true
globalThis.self = {}
globalThis.document = { createElement: () => ({}) }
const { connect } = await import('../src/api.js')
const { legacyHttp } = await import('../src/http-legacy.js')
const { createReload } = await import('../src/reload.js')
const { decode, encode } = await import('../src/codec.js')

const LAG = 5
const HTTP = { transports: ['xhr-poll'] }
const FIRST = { first: true, waiting: 0 }
const JSONP = { transports: ['jsonp-poll'] }

/** A browser with one tab, and a server. `net.up`: requests arrive; `net.down`: answers arrive. */
const createTab = () => {
  const clock = createClock()
  const server = createServer()
  const storage = { removeItem: (key) => delete storage[key] }
  const net = { up: true, down: true }
  const heads = []
  const soon = (task) => clock.setTimeout(task, LAG)

  const request = (url, frames, credentials, take, done) => {
    const [, name, id] = /live\/([a-z-]+)\?session=([\w.]*)&/.exec(url)
    const body = encode(frames)
    heads.push([name, id, body])
    let over
    const finish = (code, reason) => {
      if (!over) done(code, reason)
      over = true
    }
    const hear = (chunk) => soon(() => over || !net.down || decode(chunk, 0, take, finish))
    const line = { write: hear, end: () => soon(() => net.down && finish(0)), refuse: (status, text) => hear(text) }
    const opens = frames[0][0] === 'o' || frames[0][0] === 't'
    if (net.up) soon(() => server.request(opens ? 'open' : name.replace('jsonp', 'xhr'), body, line))
    return () => (over = true)
  }

  const Socket = class {
    constructor(url) {
      const line = { socket: true, write: (data) => this.later(() => this.onmessage({ data })), end: (code = 1000, reason = '') => this.later(() => this.onclose({ code, reason })) }
      this.line = line
      this.id = /session=([\w.]*)&/.exec(url)[1]
      soon(() => this.over || this.onopen())
    }

    later(task) {
      soon(() => this.over || !net.down || task())
    }

    send(data) {
      if (!this.said) heads.push(['websocket', this.id, (this.said = data)])
      const up = net.up
      soon(() => up && server.receive(data, this.line))
    }

    close() {
      this.over = true
    }
  }

  const poll = (name, uploadName) => ({ name_: name, request_: request, uploadName_: uploadName, upload_: request, room_: name === 'jsonp-poll' && 3000 })
  const load = (more = {}) => {
    const options = { WebSocket: Socket, resume: true, ...more }
    const http = legacyHttp(options, [], [poll('xhr-poll', 'send'), poll('jsonp-poll', 'send')])
    const listeners = {}
    self.sessionStorage = storage
    self.addEventListener = (name, listener) => (listeners[name] = listener)
    self.removeEventListener = (name, listener) => listeners[name] === listener && delete listeners[name]
    const events = []
    const session = connect('ws://host/live', options, () => http, createReload)
    for (const name of ['open', 'message', 'interrupted', 'resumed', 'closed', 'error']) {
      session.on(name, (...details) => events.push([name, ...details.filter((detail) => detail !== undefined)]))
    }
    const named = (name) => events.filter(([one]) => one === name).map(([, ...details]) => details)
    return { session, events, named, listeners, leave: (persisted = false) => listeners.pagehide({ persisted }) }
  }
  return {
    server, storage, net, heads, load, pass: (time = 200) => clock.advance(time), clock,
    get half() {
      return server.sessions.at(-1)
    }
  }
}

const story = (name, run) =>
  test(name, () => {
    const tab = createTab()
    const { random } = Math
    const ours = { setTimeout: tab.clock.setTimeout, clearTimeout: tab.clock.clearTimeout, Date: tab.clock.Date }
    const theirs = Object.fromEntries(Object.keys(ours).map((key) => [key, globalThis[key]]))
    Object.assign(globalThis, ours)
    Math.random = () => 0.5
    try {
      run(tab)
    } finally {
      Object.assign(globalThis, theirs)
      Math.random = random
    }
  })

const opened = (tab, options) => {
  const page = tab.load(options)
  tab.pass()
  assert.equal(page.session.state, 'open')
  return page
}

for (const [name, options] of [['websocket', {}], ['xhr-poll', HTTP], ['jsonp-poll', JSONP]]) {
  describe(`over ${name}`, () => {
    story('a reload goes on with the session', (tab) => {
      const first = opened(tab, options)
      tab.half.send('one')
      first.session.send('up one')
      tab.pass()
      first.leave()
      tab.half.send('meanwhile')
      tab.pass()
      const second = opened(tab, options)
      assert.equal(tab.server.sessions.length, 1)
      assert.equal(second.session.id, first.session.id)
      assert.equal(second.session.transport, name)
      assert.deepEqual(second.events, [['open', FIRST], ['resumed', { outcome: 'full' }], ['message', 'meanwhile']])
      second.session.send('up two')
      second.session.flush(() => {})
      tab.half.send('two')
      tab.pass()
      assert.deepEqual(tab.half.messages, ['up one', 'up two'])
      assert.deepEqual(second.named('message'), [['meanwhile'], ['two']])
      assert.equal(second.session.unacknowledged, 0)
      assert.deepEqual(first.events, [['open', FIRST], ['message', 'one']], 'the page that goes is told nothing')
      assert.throws(() => first.session.send('late'), /closed/)
    })

    story('again and again', (tab) => {
      let page = opened(tab, options)
      for (let round = 1; round <= 5; round++) {
        page.session.send(`up ${round}`)
        tab.pass()
        page.leave()
        tab.half.send(`down ${round}`)
        page = opened(tab, options)
        assert.deepEqual(page.events, [['open', FIRST], ['resumed', { outcome: 'full' }], ['message', `down ${round}`]])
      }
      assert.deepEqual(tab.half.messages, [1, 2, 3, 4, 5].map((round) => `up ${round}`))
      assert.equal(tab.server.sessions.length, 1)
    })

    story('messages that had not arrived are reported by their numbers', (tab) => {
      const first = opened(tab, options)
      first.session.send('one')
      tab.pass()
      tab.net.up = tab.net.down = false
      first.session.send('two')
      first.session.send('three')
      first.leave()
      tab.pass()
      tab.net.up = tab.net.down = true
      const second = tab.load(options)
      second.session.send('mine')
      tab.pass()
      assert.deepEqual(second.events, [['open', FIRST], ['resumed', { outcome: 'gap', gap: { from: 2, to: 3, sent: true } }]])
      assert.deepEqual(tab.half.messages, ['one', 'mine'])
    })

    story('messages that had arrived without an answer are not reported', (tab) => {
      const first = opened(tab, options)
      tab.net.down = false
      first.session.send('one')
      tab.pass()
      first.leave()
      tab.net.down = true
      const second = opened(tab, options)
      assert.deepEqual(second.events, [['open', FIRST], ['resumed', { outcome: 'full' }]])
      assert.deepEqual(tab.half.messages, ['one'])
    })

    story('a session that the server has lost is opened again', (tab) => {
      const first = opened(tab, options)
      tab.half.send('one')
      tab.pass()
      first.leave()
      tab.half.forgotten = true
      const second = tab.load({ ...options, auth: name === 'jsonp-poll' ? '' : 'me' })
      second.session.send('mine')
      const flushed = []
      second.session.flush((done) => flushed.push(done))
      tab.pass(1500)
      assert.deepEqual(second.events, [['open', FIRST]])
      assert.equal(tab.server.sessions.length, 2)
      assert.equal(tab.half.auth, name === 'jsonp-poll' ? '' : 'me', 'which is asked for then')
      tab.half.send('welcome')
      tab.pass()
      assert.deepEqual([tab.half.messages, second.named('message'), flushed], [['mine'], [['welcome']], [true]])
    })
  })
}

story('a note counts once', (tab) => {
  opened(tab).leave()
  const pages = [tab.load(), tab.load()]
  tab.pass()
  assert.deepEqual(pages.map((page) => page.events), [[['open', FIRST], ['resumed', { outcome: 'full' }]], [['open', FIRST]]])
  assert.equal(tab.server.sessions.length, 2)
  assert.notEqual(pages[0].session.id, pages[1].session.id)
})

story('a copy of a note is worth nothing once the first has taken over', (tab) => {
  opened(tab).leave()
  const copy = { ...tab.storage }
  const second = opened(tab)
  Object.assign(tab.storage, copy)
  const third = opened(tab)
  assert.deepEqual(third.events, [['open', FIRST]])
  assert.equal(second.session.state, 'open')
  assert.equal(tab.server.sessions.length, 2)
})

story('an older page that still lives opens a session of its own', (tab) => {
  const first = opened(tab)
  first.leave()
  const copy = { ...tab.storage }
  const second = opened(tab)
  Object.assign(tab.storage, copy, { anywirehttp: '' })
  // As if the second had been copied, note and all, when it came.
  const [id] = copy['anywirehttp://host/live'].split(',')
  tab.storage['anywirehttp://host/live'] = [id, tab.half.secret, 0, 0, 33].join()
  const third = opened(tab)
  tab.pass(2000)
  assert.equal(third.session.id, id)
  assert.notEqual(second.session.id, id)
  assert.deepEqual(second.events.slice(2), [['interrupted'], ['resumed', { outcome: 'new', unknown: [], dropped: [] }], ['open', { first: false, waiting: 0 }]])
})

story('messages that are sent and flushed before the answer are numbered behind those of the older page', (tab) => {
  const first = opened(tab)
  first.session.send('one')
  first.session.send('two')
  tab.pass()
  first.leave()
  const second = tab.load()
  const flushed = []
  second.session.send('three')
  second.session.flush((done) => flushed.push(done))
  second.session.close(3000, 'enough')
  tab.pass(LAG)
  assert.deepEqual(flushed, [])
  tab.pass()
  assert.deepEqual([tab.half.messages, tab.half.closed, flushed], [['one', 'two', 'three'], [3000, 'enough'], [true]])
  assert.deepEqual(second.named('closed').map(([how]) => [how.code, how.unacknowledged]), [[3000, 0]])
})

story('a page that goes before it was answered leaves its note and its name to the next', (tab) => {
  const first = opened(tab)
  first.session.send('one')
  tab.pass()
  first.leave()
  const second = tab.load()
  second.session.send('never said')
  tab.pass(2 * LAG + 1)
  second.leave()
  assert.equal(second.session.id, '')
  tab.pass()
  const third = opened(tab)
  assert.equal(third.session.id, first.session.id)
  assert.deepEqual(third.events, [['open', FIRST], ['resumed', { outcome: 'gap', gap: { from: 2, to: 2, sent: true } }]])
  const names = tab.heads.filter(([, , head]) => head[0] === 't').map(([, , head]) => head.split(',')[2])
  assert.equal(names.length, 2)
  assert.equal(names[0], names[1])
  third.session.send('two')
  tab.pass()
  assert.deepEqual(tab.half.messages, ['one', 'two'])
})

story('both kinds of link may race', (tab) => {
  opened(tab).leave()
  tab.net.down = false
  const second = tab.load()
  tab.pass(1500)
  tab.net.down = true
  tab.pass(15000)
  const [one, other] = tab.heads.filter(([, , head]) => head[0] === 't').map(([name, id, head]) => [name, id, head.split(',')])
  assert.deepEqual([one[0], other[0], one[1], other[1]], ['websocket', 'open', 'id1', 'id1'])
  assert.equal(one[2][2], other[2][2], 'one name')
  assert.ok(one[2][1] > 18 && other[2][1] > 18 && one[2][1] !== other[2][1], 'ordinals above those of the page before')
  assert.deepEqual(second.events, [['open', FIRST], ['resumed', { outcome: 'full' }]])
  assert.equal(tab.server.sessions.length, 1)
})

describe('no note is left', () => {
  const none = (name, options, act) =>
    story(name, (tab) => {
      const page = opened(tab, options)
      act(page, tab)
      tab.pass()
      assert.deepEqual(Object.keys(tab.storage), ['removeItem'])
      if (!tab.half.closed) return
      assert.deepEqual(opened(tab).events, [['open', FIRST]])
      assert.equal(tab.server.sessions.length, 2)
    })

  none('by a page that was not asked to', { resume: false }, (page) => page.leave())
  none('of a session that is closing', {}, (page) => {
    page.session.close(3000)
    page.leave()
  })
  none('by a page that only rests', {}, (page) => page.leave(true))
  none('where none can be kept', {}, (page) => {
    self.sessionStorage = null
    page.leave()
  })

  story('before there is a session', (tab) => {
    tab.load().leave()
    assert.deepEqual(Object.keys(tab.storage), ['removeItem'])
  })
})

story('a note that makes no sense is none', (tab) => {
  for (const note of ['', 'x', 'id1,secret,1,2', 'id1,secret,a,b,c', ',,0,0,0', 'id1,se:cret,0,0,0']) {
    tab.storage['anywirehttp://host/live'] = note
    const page = opened(tab)
    assert.deepEqual(page.events, [['open', FIRST]], note)
    page.session.abort()
  }
  assert.ok(tab.heads.every(([, , head]) => head[0] !== 't'))
})
