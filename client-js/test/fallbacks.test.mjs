/**
 * The requests of old browsers as the build makes them, against fakes of what those browsers have (test/fakes). The fakes are written from
 * documentation and memory: they show that the code does what it means to, not that a browser of 2001 does.
 */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { script } from '../build.mjs'
import { parseES3 } from '../check.mjs'
import { quote } from './fakes/lines.mjs'
import { createPage } from './fakes/page.mjs'
import { createEventSource, createMicrosoftRequest, createMultipart, createXDomainRequest, part } from './fakes/requests.mjs'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')

const { code } = await script('test/fakes/transports.js')

const TEXT = 'é€😀\r\n\u2028</script>&"\'\\'
const FRAMES = [['u', 1, 'id.1', 'se-cret', 3], ['n', 1], ['m', TEXT]]
const BODY = `u1,id.1,se-cret,3:n1:m${TEXT.length}:${TEXT}`
const URL = '/live/way?session=id.1&'
const say = (text) => `m${text.length}:${text}`
/** Stands for the padding that a stream begins with. */
const PAD = say(' '.repeat(2100))

const pageFor = (options) => {
  const page = createPage(options)
  Object.assign(page.context, {
    XDomainRequest: options.ie > 7 ? createXDomainRequest(page) : undefined,
    EventSource: createEventSource(page.clock, page.network, options),
    XMLHttpRequest: createMultipart(page.network)
  })
  page.run(code)
  return page
}

/** Makes one request and writes down what is called. */
const make = (page, way, { frames = FRAMES, credentials, take, url = URL } = {}) => {
  const it = { taken: [], ended: [] }
  it.stop = page.context.anywire[way](
    url,
    frames,
    credentials,
    (frame) => {
      if (frame[1] === PAD.slice(6)) return
      // Arrays of another context are not deeply equal to ours.
      it.taken.push(Array.from(frame))
      take?.(it, frame)
    },
    (...rest) => it.ended.push(rest.slice(0, 2).filter((one) => one !== undefined))
  )
  page.clock.advance(0)
  page.clock.advance(1)
  it.line = page.network.last()
  it.texts = () => it.taken.map((frame) => frame[1])
  return it
}

const query = (line) => Object.fromEntries(new globalThis.URL(line.url, 'http://one.example').searchParams)

const posted = '<script>function p(s){parent.postMessage(s,"*")}</script>'
const called = (line) => `<script>function p(s){parent.${query(line).callback}(s)}</script>`
const scripted = { flush: (text) => `<script>p(${quote(text)})</script>` }

/** How each way's server answers: what an answer begins with, and one flush. */
const WAYS = {
  xdr: { way: 'xdr', on: { ie: 9 }, head: () => PAD, flush: (text) => text, plain: true },
  eventSource: { way: 'eventSource', on: {}, head: () => '\r\n', flush: (text) => `data: ${quote(text)}\r\n\r\n`, broken: 0 },
  multipart: { way: 'multipart', on: {}, head: () => '--part', flush: (text) => `\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text}\r\n--part`, last: part('') },
  'htmlfile in 6': { way: 'htmlfile', on: { ie: 6 }, head: called, ...scripted, broken: 0 },
  'htmlfile in 9': { way: 'htmlfile', on: { ie: 9 }, head: called, ...scripted, broken: 0 },
  'iframe with messages': { way: 'iframe', on: {}, head: () => posted, ...scripted, broken: 0 },
  'iframe of another origin': { way: 'iframe', on: { foreign: true }, head: () => posted, ...scripted, broken: 0 },
  'iframe in 8': { way: 'iframe', on: { ie: 8 }, head: () => posted, ...scripted, broken: 0 },
  'iframe with calls': { way: 'iframe', on: { posts: false }, head: called, ...scripted, broken: 0 }
}

test('it is ES3', () => {
  parseES3(code)
  assert.ok(!/,\]/.test(code))
})

/** Nothing is left: no element, no function, no listener, no request, no error. */
const clean = (page) => {
  page.clock.advance(10000)
  assert.deepEqual(page.elements().map(({ tagName }) => tagName), [])
  assert.deepEqual(page.globals(), [])
  assert.equal(page.listeners(), 0)
  assert.deepEqual(page.network.requests.filter(({ open }) => open).map(({ url }) => url), [])
  assert.deepEqual(page.errors, [])
}

for (const [name, { way, on, head, flush, plain, last = '', broken = -1 }] of Object.entries(WAYS)) {
  describe(name, () => {
    const open = (more) => {
      const page = pageFor(on)
      const it = make(page, way, more)
      it.line.write(head(it.line))
      return { page, it, line: it.line, flow: (text) => it.line.write(flush(text)), pass: (time = 60) => page.clock.advance(time) }
    }
    const finish = ({ line }, status) => {
      if (last) line.write(last)
      line.end(status)
    }

    test('what goes up is whole', () => {
      const { line } = open()
      assert.equal(line.method === 'GET' ? query(line).data : line.body, BODY)
      assert.match(line.url, /^\/live\/way\?session=id\.1(&[a-z]+=[^&?]+)*&?$/)
    })

    test('several flushes come as they are said, and an end is an end', () => {
      const at = open()
      at.flow(say('one') + say(TEXT))
      at.pass()
      assert.deepEqual(at.it.texts(), ['one', TEXT])
      at.flow('n3:' + say(''))
      at.flow(say('last'))
      at.pass()
      assert.deepEqual(at.it.taken.slice(2), [['n', 3], ['m', ''], ['m', 'last']])
      assert.deepEqual(at.it.ended, [])
      finish(at)
      at.pass()
      assert.deepEqual(at.it.ended, [[0]])
      clean(at.page)
    })

    test('what arrives byte by byte is the same', () => {
      const at = open()
      for (const byte of Buffer.from(flush(say(TEXT) + 'n2:' + say(TEXT)))) {
        at.line.write([byte])
        at.pass(2)
      }
      finish(at)
      at.pass()
      assert.deepEqual(at.it.taken, [['m', TEXT], ['n', 2], ['m', TEXT]])
      assert.deepEqual(at.it.ended, [[0]])
    })

    test('the last words come before the end', () => {
      const at = open()
      at.flow(say('last'))
      finish(at)
      at.pass()
      assert.deepEqual([at.it.texts(), at.it.ended], [['last'], [[0]]])
    })

    test('a refusal ends it with its code', () => {
      const at = open()
      at.flow('x4100,4:gone')
      finish(at)
      at.pass()
      assert.deepEqual(at.it.ended, [[4100, 'gone']])
      clean(at.page)
    })

    test('an end without a word is none', () => {
      const page = pageFor(on)
      const it = make(page, way)
      if (last) it.line.write(part('', true))
      it.line.end()
      page.clock.advance(60)
      assert.deepEqual(it.ended, [[-1]])
      clean(page)
    })

    test('a break', () => {
      const at = open()
      at.line.break()
      at.pass()
      // A text that has come already, if only padding.
      assert.deepEqual(at.it.ended, [[-1]])
      clean(at.page)
      const later = open()
      later.flow(say('one'))
      later.line.break()
      later.pass()
      assert.deepEqual([later.it.texts(), later.it.ended], [['one'], [[broken]]])
      clean(later.page)
    })

    test('a record that is cut off is broken', () => {
      const at = open()
      at.flow('m9:half')
      finish(at)
      at.pass()
      assert.deepEqual(at.it.ended, [[-1]])
    })

    test('what is no record ends it, with a reason', () => {
      const at = open()
      at.flow(say('one') + '<!doctype:')
      at.flow(say('two'))
      at.pass()
      assert.deepEqual(at.it.texts(), ['one'])
      assert.equal(at.it.ended.length, 1)
      assert.equal(at.it.ended[0][0], -1)
      assert.equal(typeof at.it.ended[0][1], 'string')
      clean(at.page)
    })

    test('an error of who takes ends it', () => {
      const at = open({
        take: () => {
          throw Error('violation')
        }
      })
      at.flow(say('one') + say('two'))
      at.pass()
      assert.deepEqual([at.it.texts(), at.it.ended], [['one'], [[-1, 'violation']]])
      clean(at.page)
    })

    test('stopped in any state nothing is called any more', () => {
      const states = [
        () => {},
        (at) => at.pass(),
        (at) => at.flow(say('one')),
        (at) => (at.flow(say('one')), at.pass()),
        (at) => at.line.write(flush(say('one')).slice(0, 9)),
        (at) => (at.flow(say('one')), finish(at)),
        (at) => (at.flow(say('one')), at.line.break())
      ]
      for (const [number, prepare] of states.entries()) {
        const at = open()
        prepare(at)
        at.it.stop()
        const before = at.it.taken.length
        at.flow(say('late') + 'x4100,0:')
        finish(at)
        at.pass()
        at.it.stop()
        at.it.stop()
        assert.deepEqual([at.it.taken.length, at.it.ended], [before, []], `${number}`)
        clean(at.page)
      }
    })

    test('stopped at once', () => {
      const page = pageFor(on)
      const calls = []
      const stop = page.context.anywire[way](URL, FRAMES, undefined, () => calls.push(1), () => calls.push(2))
      stop()
      page.clock.advance(60)
      page.network.last()?.end()
      assert.deepEqual(calls, [])
      clean(page)
    })

    test('stopped by what it brings', () => {
      const at = open({ take: (it) => it.stop() })
      at.flow(say('one') + say('two') + 'x4100,0:')
      at.flow(say('three'))
      at.pass()
      assert.deepEqual([at.it.texts(), at.it.ended], [['one'], []])
      clean(at.page)
    })

    test('stopped after the end', () => {
      const at = open()
      at.flow(say('one'))
      finish(at)
      at.pass()
      at.it.stop()
      at.pass()
      assert.deepEqual(at.it.ended, [[0]])
      clean(at.page)
    })

    test('two at once', () => {
      const page = pageFor(on)
      const one = make(page, way)
      const two = make(page, way)
      assert.notEqual(one.line, two.line)
      for (const it of [one, two]) it.line.write(head(it.line))
      one.line.write(flush(say('a')))
      two.line.write(flush(say('b')))
      page.clock.advance(60)
      one.line.write(flush(say('c')))
      finish(one)
      page.clock.advance(60)
      two.line.write(flush(say('d')))
      page.clock.advance(60)
      assert.deepEqual([one.texts(), two.texts()], [['a', 'c'], ['b', 'd']])
      assert.deepEqual([one.ended, two.ended], [[[0]], []])
      two.stop()
      clean(page)
    })

    test('a hundred of them leave nothing behind', () => {
      const page = pageFor(on)
      for (let i = 0; i < 100; i++) {
        const it = make(page, way)
        if (i % 4) it.line.write(head(it.line) + flush(say(`${i}`)))
        if (i % 3 === 0) finish(it)
        if (i % 3 === 1) it.line.break()
        if (i % 5 !== 0 || i % 3 === 2) {
          page.clock.advance(3)
          it.stop()
        }
        page.clock.advance(60)
      }
      clean(page)
      if (!on.ie) assert.deepEqual(page.leftNames(), [])
    })

    test('what it goes by is held as long as it runs, and no longer', async () => {
      const at = open()
      const settle = async () => {
        await new Promise(setImmediate)
        collect()
        await new Promise(setImmediate)
      }
      await settle()
      at.flow(say('one'))
      at.pass()
      await settle()
      at.flow(say('two'))
      at.pass()
      assert.deepEqual(at.it.texts(), ['one', 'two'])
      at.it.stop()
      at.pass()
      if (way === 'htmlfile') {
        assert.ok(at.page.garbage > 0)
        await settle()
        assert.equal(at.page.documents[0].deref(), undefined)
      }
    })

    if (!plain) return

    test('a text that grows is read from where it was', () => {
      const at = open()
      for (let i = 0; i < 50; i++) at.flow(say(`${i}`))
      at.pass()
      assert.deepEqual(at.it.texts(), Array.from({ length: 50 }, (_, i) => `${i}`))
    })
  })
}

describe('XDomainRequest', () => {
  const begun = (more) => {
    const page = pageFor({ ie: 9 })
    return { page, it: make(page, 'xdr', more) }
  }

  test('it asks for padding and for status 200', () => {
    const { it } = begun()
    assert.deepEqual(query(it.line), { session: 'id.1', soft: '1', pad: '2048' })
    assert.equal(it.line.method, 'POST')
  })

  test('no credentials, and nobody tries', () => {
    const { it } = begun({ credentials: 'include' })
    assert.equal(it.line.body, BODY)
  })

  test('a short answer is read at its end', () => {
    const { page, it } = begun()
    it.line.write('a7:')
    it.line.end()
    page.clock.advance(3)
    assert.deepEqual([it.taken, it.ended], [[['a', 7]], [[0]]])
  })

  test('any status but 200 is a break', () => {
    const { page, it } = begun()
    it.line.write('x4100,0:')
    it.line.end(410)
    page.clock.advance(3)
    assert.deepEqual([it.taken, it.ended], [[], [[-1]]])
  })

  test('two in one go are both sent', () => {
    const page = pageFor({ ie: 8 })
    for (let i = 0; i < 2; i++) page.context.anywire.xdr(URL, FRAMES, undefined, () => {}, () => {})
    page.clock.advance(1)
    page.clock.advance(1)
    assert.equal(page.network.requests.length, 2)
  })

  test('one that has run for ten minutes goes on by another', () => {
    const { page, it } = begun()
    it.line.write(PAD)
    page.clock.advance(599000)
    assert.deepEqual(it.ended, [])
    page.clock.advance(2000)
    assert.deepEqual(it.ended, [[0]])
  })

  test('the fake gives up one that lacks a handler, and collects one that nobody holds', async () => {
    const page = pageFor({ ie: 9 })
    const story = []
    const ask = (names) => {
      const request = new page.context.XDomainRequest()
      page.turn++
      for (const name of names) request[name] = () => story.push(name)
      request.open('POST', '/x')
      request.send('')
      return page.network.last()
    }
    const lacking = ask(['onload', 'onerror', 'ontimeout'])
    page.clock.advance(1)
    lacking.write(PAD)
    page.clock.advance(2)
    assert.deepEqual(story, ['onerror'])
    const lost = ask(['onload', 'onerror', 'ontimeout', 'onprogress'])
    await new Promise(setImmediate)
    collect()
    await new Promise(setImmediate)
    lost.write(PAD)
    page.clock.advance(2)
    assert.deepEqual(story, ['onerror'])
    assert.equal(lost.open, false)
  })
})

describe('EventSource', () => {
  test('it does not come back by itself', () => {
    const page = pageFor({})
    const it = make(page, 'eventSource')
    it.line.write(`data: ${quote(say('one'))}\n\n`)
    it.line.end()
    page.clock.advance(60000)
    assert.deepEqual([it.ended, page.network.requests.length], [[[0]], 1])
  })

  test('credentials go along where they are asked for', () => {
    const page = pageFor({})
    assert.equal(make(page, 'eventSource', { credentials: 'include' }).line.credentials, true)
    assert.equal(make(page, 'eventSource').line.credentials, false)
  })

  test('what is no JSON is broken', () => {
    const page = pageFor({})
    const it = make(page, 'eventSource')
    it.line.write('data: {"\n\n')
    page.clock.advance(3)
    assert.equal(it.ended[0][0], -1)
    clean(page)
  })

  test('where other origins are forbidden it is a break, a moment later', () => {
    const page = pageFor({ strict: true })
    const it = { ended: [] }
    page.context.anywire.eventSource('http://two.example/x?', FRAMES, undefined, () => {}, (...rest) => it.ended.push(rest))
    assert.deepEqual(it.ended, [])
    page.clock.advance(1)
    assert.equal(it.ended.length, 1)
    assert.equal(it.ended[0][0], -1)
    assert.match(it.ended[0][1], /SECURITY/)
    page.context.anywire.eventSource('http://two.example/x?', FRAMES, undefined, () => {}, (...rest) => it.ended.push(rest))()
    page.clock.advance(1)
    assert.equal(it.ended.length, 1)
  })
})

describe('multipart', () => {
  test('it is asked for before the request is opened', () => {
    const page = pageFor({})
    const it = make(page, 'multipart', { credentials: 'include' })
    assert.deepEqual([it.line.multipart, it.line.credentials, it.line.async], [true, true, true])
    assert.equal(it.line.headers['Content-Type'], 'text/plain;charset=UTF-8')
  })

  test('an answer of one piece, as a refusal is', () => {
    const page = pageFor({})
    const it = make(page, 'multipart')
    it.line.write('x4101,5:wrong')
    it.line.end(410)
    page.clock.advance(3)
    assert.deepEqual(it.ended, [[4101, 'wrong']])
  })
})

describe('htmlfile', () => {
  test('its frame is in no page that is seen, and goes with the page', () => {
    const page = pageFor({ ie: 7 })
    const it = make(page, 'htmlfile')
    assert.equal(page.elements().length, 0)
    assert.equal(page.listeners(), 1)
    page.tell('unload')
    assert.equal(it.line.open, false)
    it.stop()
    clean(page)
    assert.equal(page.garbage, 1)
  })

  test('the fake forgets a page that nobody holds', async () => {
    const page = pageFor({ ie: 7 })
    const ask = () => {
      const made = new page.context.ActiveXObject('htmlfile')
      made.write('')
      made.parentWindow.p = () => assert.fail()
      const frame = made.createElement('iframe')
      frame.src = '/x'
      made.body.appendChild(frame)
      return page.network.last()
    }
    const line = ask()
    await new Promise(setImmediate)
    collect()
    await new Promise(setImmediate)
    line.write('<script>parent.p()</script>')
    page.clock.advance(2)
    assert.equal(line.open, false)
  })

  test('where ActiveX is turned off it is a break', () => {
    const page = pageFor({})
    const it = make(page, 'htmlfile')
    assert.equal(it.ended[0][0], -1)
    clean(page)
  })
})

describe('iframe', () => {
  test('other windows are not heard', () => {
    const page = pageFor({})
    const it = make(page, 'iframe')
    page.post(say('forged'), {})
    page.post(say('forged'), page.run('this'))
    page.clock.advance(3)
    it.line.write(`${posted}<script>p(${quote(say('true'))})</script>`)
    page.clock.advance(3)
    assert.deepEqual(it.texts(), ['true'])
  })

  test('a page without a body yet', () => {
    const page = pageFor({})
    const html = page.document.documentElement
    html.removeChild(html.lastChild)
    const it = make(page, 'iframe')
    it.line.write(`${posted}<script>p(${quote(say('one'))})</script>`)
    page.clock.advance(3)
    assert.deepEqual(it.texts(), ['one'])
    it.stop()
    clean(page)
  })

  test('it is hidden', () => {
    const page = pageFor({})
    make(page, 'iframe')
    assert.equal(page.elements()[0].style.display, 'none')
  })
})

const SCRIPTS = { 'scripts elsewhere': {}, 'scripts in 6': { ie: 6 }, 'scripts in 8, state before run': { ie: 8, early: true }, 'scripts in 9': { ie: 9 } }

for (const [name, on] of Object.entries(SCRIPTS)) {
  describe(name, () => {
    const open = (way, more) => {
      const page = pageFor(on)
      const it = make(page, way, more)
      const answer = (text, line = it.line) => {
        line.write(`/**/${query(line).callback}(${quote(text)});`)
        line.end()
      }
      return { page, it, line: it.line, answer, pass: (time = 60) => page.clock.advance(time) }
    }

    test('a poll', () => {
      const at = open('jsonp')
      assert.equal(query(at.line).data, BODY)
      assert.match(query(at.line).callback, /^[A-Za-z_]\w{0,63}$/)
      assert.equal(at.line.async, true)
      at.answer('sfull,0:' + say(TEXT))
      at.pass()
      assert.deepEqual(at.it.texts(), ['full', TEXT])
      assert.deepEqual(at.it.ended, [[0]])
      clean(at.page)
    })

    test('a refusal, a piece of a record, an empty answer, something else', () => {
      for (const [text, code] of [['x4301,2:no', 4301], ['m5:abc', -1], ['', -1], ['<!doctype:', -1]]) {
        const at = open('jsonp')
        at.answer(text)
        at.pass()
        assert.equal(at.it.ended.length, 1)
        assert.equal(at.it.ended[0][0], code, text)
        clean(at.page)
      }
    })

    test('a script that does not come, and one that says nothing', () => {
      for (const act of [(line) => line.break(), (line) => line.end(404), (line) => line.end()]) {
        const at = open('jsonp')
        act(at.line)
        at.pass()
        assert.deepEqual(at.it.ended, [[-1]])
        clean(at.page)
      }
    })

    test('stopped, and called all the same', () => {
      const at = open('jsonp')
      at.it.stop()
      assert.deepEqual(at.page.elements(), [])
      at.pass()
      at.answer(say('late'))
      at.pass()
      assert.deepEqual([at.it.taken, at.it.ended], [[], []])
      clean(at.page)
    })

    test('stopped, and it breaks', () => {
      const at = open('jsonp')
      at.it.stop()
      at.line.break()
      at.pass()
      assert.deepEqual(at.it.ended, [])
      clean(at.page)
    })

    test('stopped by what it brings', () => {
      const at = open('jsonp', { take: (it) => it.stop() })
      at.answer(say('one') + say('two'))
      at.pass()
      assert.deepEqual([at.it.texts(), at.it.ended], [['one'], []])
      clean(at.page)
    })

    test('two at once, and two clients in one page', () => {
      const at = open('jsonp')
      at.page.run(code)
      const other = make(at.page, 'jsonp')
      assert.notEqual(query(at.line).callback, query(other.line).callback)
      at.answer(say('b'), other.line)
      at.answer(say('a'))
      at.pass()
      assert.deepEqual([at.it.texts(), other.texts()], [['a'], ['b']])
      clean(at.page)
    })

    test('a hundred of them leave nothing behind', () => {
      const page = pageFor(on)
      for (let i = 0; i < 100; i++) {
        const it = make(page, 'jsonp')
        if (i % 5 === 0) it.stop()
        if (i % 3 === 0) it.line.break()
        else it.line.write(`${query(it.line).callback}("a1:")`)
        it.line.end()
        page.clock.advance(60)
        if (i % 5) assert.equal(it.ended.length, 1)
      }
      clean(page)
      if (!on.ie || on.ie > 8) assert.deepEqual(page.leftNames(), [])
    })

    test('an upload in one', () => {
      const at = open('jsonp')
      assert.deepEqual(Object.keys(query(at.line)), ['session', 'data', 'callback'])
      assert.equal(query(at.line).data, BODY)
      at.answer('a4:')
      at.pass()
      assert.deepEqual([at.it.taken, at.it.ended], [[['a', 4]], [[0]]])
      clean(at.page)
    })

    const LONG = 'é€😀 {"a":1} plain'.repeat(400)
    const long = { frames: [FRAMES[0], ['n', 1], ['m', LONG]] }
    const whole = `u1,id.1,se-cret,3:n1:m${LONG.length}:${LONG}`

    test('an upload in parts, one after the other', () => {
      const at = open('jsonp', long)
      let text = ''
      let upload
      for (let k = 0; ; k++) {
        const line = at.page.network.last()
        const { part, session, secret, data, ...rest } = query(line)
        upload ??= rest.upload
        const [, now, count] = /^(\d+)\.(\d+)$/.exec(part)
        assert.deepEqual([Number(now), session, secret, rest.upload], [k, 'id.1', 'se-cret', upload])
        assert.ok(line.url.length < 1900, `${line.url.length}`)
        assert.equal(at.page.network.requests.length, k + 1)
        text += data
        const lastOne = k + 1 === Number(count)
        at.answer(lastOne ? 'a1:' : '', line)
        at.pass()
        if (lastOne) break
        assert.deepEqual(at.it.ended, [])
      }
      assert.equal(text, whole)
      assert.deepEqual([at.it.taken, at.it.ended], [[['a', 1]], [[0]]])
      assert.match(upload, /^[1-9]\d*$/)
      const next = make(at.page, 'jsonp', long)
      assert.ok(Number(query(next.line).upload) > Number(upload))
    })

    test('a part that is refused, and one that does not come', () => {
      for (const refuse of [true, false]) {
        const at = open('jsonp', long)
        at.answer('')
        at.pass()
        const line = at.page.network.last()
        assert.match(query(line).part, /^1\./)
        if (refuse) at.answer('x4004,5:order', line)
        else line.break()
        at.pass()
        assert.deepEqual(at.it.ended, [refuse ? [4004, 'order'] : [-1]])
        assert.equal(at.page.network.requests.length, 2)
        clean(at.page)
      }
    })

    test('stopped between parts, or while one is under way', () => {
      for (const late of [true, false]) {
        const at = open('jsonp', long)
        at.answer('')
        at.pass()
        if (late) at.answer('', at.page.network.last())
        at.it.stop()
        if (!late) at.answer('', at.page.network.last())
        at.pass()
        assert.deepEqual([at.it.ended, at.page.network.requests.length], [[], 2])
        clean(at.page)
      }
    })
  })
}

test('pieces end between characters, and are short, whatever the text', () => {
  const page = pageFor({})
  for (const unit of ['a', 'é', '€', '😀', 'a€', ':a', '::', 'ab😀', '{"k":"v"},', '%', 'aaaé']) {
    for (const length of [1400, 1500, 1501, 5000]) {
      const text = unit.repeat(Math.ceil(length / unit.length))
      const it = make(page, 'jsonp', { frames: [FRAMES[0], ['m', text]] })
      let whole = ''
      for (let line = it.line; ; line = page.network.last()) {
        const { data, part = '0.1', callback } = query(line)
        assert.ok(/(?:&|\?)data=([^&]*)/.exec(line.url)[1].length <= 1500)
        // A piece that were cut within a character would not be what it was.
        assert.ok(!data.includes('\ufffd'))
        whole += data
        const [k, n] = part.split('.').map(Number)
        line.write(`${callback}("${k + 1 === n ? 'a1:' : ''}")`)
        line.end()
        page.clock.advance(60)
        if (k + 1 === n) break
      }
      assert.equal(whole, `u1,id.1,se-cret,3:m${text.length}:${text}`)
      assert.deepEqual(it.ended, [[0]])
    }
  }
})

const FORMS = { 'a form elsewhere': {}, 'a form in Gecko': { slowBlank: true }, 'a form in 6': { ie: 6 }, 'a form in 8': { ie: 8 }, 'a form in 9': { ie: 9 } }

for (const [name, on] of Object.entries(FORMS)) {
  describe(name, () => {
    test('what goes up comes through whole, whatever forms do to line ends and the page to characters', () => {
      const page = pageFor(on)
      const it = make(page, 'formPost')
      assert.deepEqual(page.popups, [])
      assert.deepEqual([it.line.method, it.line.url, it.line.kind], ['POST', URL, 'form'])
      const fields = new URLSearchParams(it.line.body)
      assert.deepEqual([...fields.keys()], ['data'])
      assert.equal(decodeURIComponent(fields.get('data')), BODY)
      assert.ok(page.elements()[0].style.display === 'none')
      page.clock.advance(100)
      assert.deepEqual(it.ended, [])
      it.line.end()
      page.clock.advance(60)
      assert.deepEqual([it.taken, it.ended], [[], [[0]]])
      clean(page)
    })

    test('stopped before and after the answer, and two at once', () => {
      const page = pageFor(on)
      const one = make(page, 'formPost')
      const two = make(page, 'formPost')
      const three = make(page, 'formPost')
      one.stop()
      one.line.end()
      two.line.end()
      page.clock.advance(60)
      two.stop()
      three.line.break()
      page.clock.advance(60)
      assert.deepEqual([one.ended, two.ended, three.ended], [[], [[0]], [[0]]])
      assert.deepEqual(page.popups, [])
      clean(page)
    })

    test('a hundred of them leave nothing behind', () => {
      const page = pageFor(on)
      for (let i = 0; i < 100; i++) {
        const it = make(page, 'formPost')
        if (i % 2) it.line.end()
        page.clock.advance(60)
        it.stop()
      }
      // Internet Explorer lets a frame's request go on without the frame.
      for (const line of page.network.requests) line.end()
      clean(page)
    })
  })
}

test('the fake form changes line ends and characters that its page cannot say', () => {
  const page = pageFor({})
  page.document.body.appendChild(page.document.createElement('div')).innerHTML =
    '<form method="post" action="/x" target="t"><input name="data"/></form><iframe name="t"></iframe>'
  const form = page.document.body.firstChild.firstChild
  form.firstChild.value = 'a\nb€'
  form.submit()
  assert.equal(new URLSearchParams(page.network.last().body).get('data'), 'a\r\nb&#8364;')
})

test('the fake of Internet Explorer 7 does not find a frame whose name is not in the markup', () => {
  const page = pageFor({ ie: 7 })
  const body = page.document.body
  const form = body.appendChild(page.document.createElement('form'))
  const frame = body.appendChild(page.document.createElement('iframe'))
  Object.assign(form, { target: 't', method: 'post', action: '/x' })
  frame.name = 't'
  form.submit()
  assert.equal(page.popups.length, 1)
  body.appendChild(page.document.createElement('<iframe name="t">'))
  form.submit()
  assert.equal(page.popups.length, 1)
})

test('Microsoft.XMLHTTP shows nothing before the end, and then all', () => {
  const page = pageFor({ ie: 6 })
  const Microsoft = createMicrosoftRequest(page.network)
  page.context.XMLHttpRequest = undefined
  page.context.ActiveXObject = function (name) {
    assert.equal(name, 'Microsoft.XMLHTTP')
    return new Microsoft()
  }
  const it = make(page, 'xhr')
  it.line.write(say('one'))
  page.clock.advance(2)
  assert.deepEqual(it.taken, [])
  it.line.write(say('two'))
  it.line.end()
  page.clock.advance(2)
  assert.deepEqual([it.texts(), it.ended], [['one', 'two'], [[0]]])
})
