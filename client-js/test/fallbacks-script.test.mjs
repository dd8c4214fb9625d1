/** Requests by scripts and by forms, against fakes. */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { BODY, FRAMES, TEXT, URL, clean, code, make, pageFor, query, say } from './fakes/harness.mjs'
import { quote } from './fakes/lines.mjs'

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

    test('an element that has ended holds nothing', () => {
      for (const act of ['end', 'break']) {
        const at = open('jsonp')
        const [element] = at.page.elements()
        assert.equal(typeof element.onreadystatechange, 'function')
        at.line[act]()
        at.pass()
        assert.deepEqual([element.onload, element.onerror, element.onreadystatechange], [null, null, null])
      }
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

    test('a script that does not come, and one without an answer', () => {
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

    test('a request that is cancelled by a record of its answer', () => {
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
      let parts
      for (let k = 0; ; k++) {
        const line = at.page.network.last()
        const { part, session, secret, data, ...rest } = query(line)
        upload ??= rest.upload
        const [, now, count] = /^(\d+)\.(\d+)$/.exec(part)
        assert.deepEqual([Number(now), session, secret, rest.upload], [k, 'id.1', 'se-cret', upload])
        assert.ok(line.url.length < 1900, `${line.url.length}`)
        assert.equal(at.page.network.requests.length, k + 1)
        text += data
        parts = Number(count)
        const lastOne = k + 1 === parts
        at.answer(lastOne ? 'a1:' : '', line)
        at.pass()
        if (lastOne) break
        assert.deepEqual(at.it.ended, [])
      }
      assert.equal(text, whole)
      // The answer to each part is a sign of life.
      assert.deepEqual([at.it.taken, at.it.ended], [[...Array(parts - 1).fill(['i']), ['a', 1]], [[0]]])
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

    test('a request that is cancelled between its parts, or during one', () => {
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
    test('an upload arrives unchanged, whatever forms do to line ends and the page to characters', () => {
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
      page.clock.advance(60)
      clean(page)
    })

    test('the next upload need not wait until the frame is removed', () => {
      const page = pageFor(on)
      const it = make(page, 'formPost')
      page.clock.advance(100)
      it.line.end()
      page.clock.advance(10)
      assert.deepEqual(it.ended, [[0]])
      assert.notEqual(page.elements().length, 0)
      page.clock.advance(60)
      clean(page)
    })
  })
}

test('the fake form changes line ends, and characters that are not in its charset', () => {
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
