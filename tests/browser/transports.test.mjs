// Each transport alone, with each bundle, in a page and in a worker: every message comes back as it was sent.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch } from './browser.mjs'
import { startLab } from './lab.mjs'
import { BUNDLES, endAll, openPage, openSession } from './support.mjs'

const TIMEOUT = { timeout: 60_000 }
let browser, lab, origin

before(async () => {
  browser = await launch()
  lab = await startLab()
  origin = `http://127.0.0.1:${lab.port}`
})
after(() => endAll(browser, lab))

/** Runs in the page or worker: sends every kind of message and compares the echoes, in order. */
async function exchange({ lab, anywire, options }) {
  const every = Uint8Array.from({ length: 256 }, (_, i) => i)
  const long = lab.long(1_000_000)
  const sent = [
    'hello', '', 'ñ 漢字 😀 \u{10ffff}', '\u0000\u0001\u001f\r\n\t\u007f\u0085', '\u2028\u2029\ufeff\ufffe', '</script>"\'\\<!--',
    '1:m5:n1:', every.buffer, new ArrayBuffer(0), every.subarray(100, 200), long, new TextEncoder().encode(long), 'end'
  ]
  const watched = lab.open('/live', options, anywire)
  for (const message of sent) if (watched.send(message) === false) throw new Error('refused')
  watched.send('\ud800 alone \udc00')
  await lab.until(() => watched.messages.length === sent.length + 1)
  const bytes = (data) => (data.buffer ? data : new Uint8Array(data))
  const described = (data) => (typeof data === 'string' ? `text ${lab.hash(data)}` : `binary ${lab.hash(bytes(data))}`)
  const received = watched.messages.map((message) => `${message.kind} ${lab.hash(message.data)}`)
  const expected = [...sent.map(described), `text ${lab.hash('\ufffd alone \ufffd')}`]
  const flushed = await watched.session.flush()
  const transport = watched.session.transport
  watched.session.close()
  await lab.until(() => watched.session.state === 'closed')
  return { received, expected, flushed, transport, transports: watched.transports, events: watched.events }
}

function verify(result, transport) {
  assert.deepEqual(result.received, result.expected)
  assert.equal(result.flushed, true)
  assert.equal(result.transport, transport)
  assert.equal(result.events[0].name, 'open')
  assert.deepEqual(result.events.at(-1).detail, { code: 1000, reason: '', unacknowledged: 0 })
}

for (const [bundle, transports] of Object.entries(BUNDLES)) {
  for (const transport of transports) {
    test(`${bundle}: every kind of message over ${transport}`, TIMEOUT, async () => {
      const page = await openPage(browser, origin, bundle)
      // A stream begins after the opening, which is answered like a poll.
      const options = { transports: [transport] }
      const result = await page.evaluate(`(${exchange})({ lab, anywire, options: ${JSON.stringify(options)} })`)
      verify(result, transport)
      assert.deepEqual(page.complaints, [])
      await page.context().close()
    })
  }
}

for (const transport of BUNDLES.module) {
  test(`worker: every kind of message over ${transport}`, TIMEOUT, async () => {
    const page = await openPage(browser, origin, 'module')
    const { default: checks } = await page.evaluate(async () => ({ default: [...document.scripts].at(-1).textContent }))
    const source = `
      import * as anywire from '${origin}/live/client.mjs'
      ${checks}
      const options = { transports: ['${transport}'] }
      try { postMessage(await (${exchange})({ lab, anywire, options })) } catch (error) { postMessage({ error: String(error) }) }`
    const result = await page.evaluate(
      (code) =>
        new Promise((resolve) => {
          const worker = new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })), { type: 'module' })
          worker.onmessage = (event) => resolve(event.data)
          worker.onerror = (event) => resolve({ error: event.message })
        }),
      source.replaceAll("'/live'", `'${origin}/live'`)
    )
    assert.equal(result.error, undefined)
    verify(result, transport)
    await page.context().close()
  })
}

for (const transport of BUNDLES.es3) {
  test(`closed by the server over ${transport}: all before it arrives first; an abort ends at once`, TIMEOUT, async () => {
    const page = await openPage(browser, origin)
    const options = { transports: [transport] }
    const closing = await openSession(page, options, ['one', 'two', '!burst 500', '!close 3005 good night'])
    await closing.call((watched) => self.lab.until(() => watched.session.state === 'closed'))
    const report = await closing.report()
    assert.deepEqual(await closing.texts(), ['one', 'two'])
    assert.equal(report.tally.lost + report.tally.repeated + report.tally.disordered, 0)
    assert.deepEqual(report.events.at(-1).detail, { code: 3005, reason: 'good night', unacknowledged: 0 })

    const aborted = await openSession(page, options, ['!abort'])
    await aborted.call((watched) => self.lab.until(() => watched.session.state === 'closed'))
    assert.equal((await aborted.report()).events.at(-1).detail.code, 4310)
    assert.deepEqual(page.complaints, [])
    await page.context().close()
  })
}

test("the client's own choice is a WebSocket", TIMEOUT, async () => {
  const page = await openPage(browser, origin)
  const session = await openSession(page, {}, ['hello'])
  await session.received('hello')
  await session.call((watched) => self.lab.until(() => watched.session.transport === 'websocket'))
  const report = await session.report()
  assert.deepEqual(report.tally, { received: 0, lost: 0, repeated: 0, disordered: 0, wrong: 0 })
  assert.deepEqual(report.resumed, { full: 0, gap: 0, new: 0 })
  await page.context().close()
})

test('the tally can fail: loss, repetition, disorder and damage are counted', TIMEOUT, async () => {
  const page = await openPage(browser, origin)
  const tally = await page.evaluate(() => {
    const spell = (n) => `#${n} ${'é€😀x'.repeat(n % 13)}`
    const watched = self.lab.open('/live', {})
    for (const n of [1, 3, 2, 2, 7, 8]) watched.tally.take(spell(n))
    watched.tally.take('#9 damaged')
    watched.tally.take(spell(10))
    const { received, lost, repeated, disordered, wrong } = watched.tally
    return { received, lost, repeated, disordered, wrong }
  })
  assert.deepEqual(tally, { received: 8, lost: 3, repeated: 1, disordered: 1, wrong: 2 })
  await page.context().close()
})
