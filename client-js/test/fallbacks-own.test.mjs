/** The transports by objects that only some browsers have, and tests that their fakes can fail. */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { BODY, FRAMES, PAD, URL, clean, collect, make, pageFor, posted, query, say } from './fakes/harness.mjs'
import { quote } from './fakes/lines.mjs'
import { createMicrosoftRequest } from './fakes/requests.mjs'

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

  test('no credentials are set', () => {
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

  test('the fake ends one that lacks a handler, and collects one without a reference', async () => {
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
    await collect()
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

  test('credentials are sent if the page asks for it', () => {
    const page = pageFor({})
    assert.equal(make(page, 'eventSource', { credentials: 'include' }).line.credentials, true)
    assert.equal(make(page, 'eventSource').line.credentials, false)
  })

  test('an answer that is no JSON is a failure', () => {
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

  test('the fake forgets a page without a reference', async () => {
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
    await collect()
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
  test('messages of other windows are ignored', () => {
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
