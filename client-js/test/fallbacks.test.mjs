/**
 * The requests of old browsers as the build makes them, against fakes of what those browsers have
 * (test/fakes). The fakes are written from documentation and memory: they show that the code does what it
 * means to, not that a browser of 2001 does.
 */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { parseES3 } from '../check.mjs'
import { BODY, FRAMES, PAD, TEXT, URL, called, clean, code, collect, make, pageFor, posted, query, say, scripted } from './fakes/harness.mjs'
import { quote } from './fakes/lines.mjs'
import { part } from './fakes/requests.mjs'

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

    test('an upload arrives unchanged', () => {
      const { line } = open()
      assert.equal(line.method === 'GET' ? query(line).data : line.body, BODY)
      assert.match(line.url, /^\/live\/way\?session=id\.1(&[a-z]+=[^&?]+)*&?$/)
    })

    test('several flushes arrive one by one, and then the end', () => {
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

    test('an answer that arrives byte by byte is the same', () => {
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

    test('the last records come before the end', () => {
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

    test('an answer that ends without a record is a failure', () => {
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

    test('a malformed record ends it, with a reason', () => {
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

    test('an error of the receiver ends it', () => {
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

    test('a request that is cancelled by a record of its answer', () => {
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

    test('its objects are held as long as it runs, and no longer', async () => {
      const at = open()
      await collect()
      at.flow(say('one'))
      at.pass()
      await collect()
      at.flow(say('two'))
      at.pass()
      assert.deepEqual(at.it.texts(), ['one', 'two'])
      at.it.stop()
      at.pass()
      if (way === 'htmlfile') {
        assert.ok(at.page.garbage > 0)
        await collect()
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
