// The example of requests both ways, and the promise of events: each once, in order, over cuts and switches.
// ANYWIRE_REQUESTS=10000 ANYWIRE_CUTS=50 selects the long form.

import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BLOCKED, FaultProxy } from '../proxies/fault-proxy.mjs'
import { launch, visit } from './browser.mjs'
import { start } from './lab.mjs'
import { endAll } from './support.mjs'

const TIMEOUT = { timeout: 90_000 }
const PATIENCE = { timeout: 30_000 }
const OUT = fileURLToPath(new URL('out/', import.meta.url))
const REQUESTS = Number(process.env.ANYWIRE_REQUESTS ?? 0)
const CUTS = Number(process.env.ANYWIRE_CUTS ?? 6)
/** How many requests of the page are without an answer at a time. */
const AT_ONCE = 20
let browser, server

before(async () => {
  await mkdir(OUT, { recursive: true })
  browser = await launch()
  server = await start('rpc', ['0'])
})
after(() => endAll(browser, server))

test('two pages save notes; the slower one is asked before it overwrites', TIMEOUT, async (t) => {
  const [ann, bob] = await Promise.all([1, 2].map(() => visit(browser, `http://127.0.0.1:${server.port}/`)))
  t.after(() => endAll(ann.context(), bob.context()))
  const save = async (page, title, text) => {
    await page.fill('#title', title)
    await page.fill('#text', text)
    await page.click('button')
  }
  const result = (page, text) => page.waitForFunction((text) => document.querySelector('#result').textContent.includes(text), text, PATIENCE)
  await save(ann, 'tea', 'at five')
  await result(ann, 'version 1')
  await bob.waitForSelector('#notes button:has-text("at five")', PATIENCE)
  await save(bob, ' ', 'no title')
  await result(bob, 'a note has a title (title)')
  const asked = []
  bob.on('dialog', (dialog) => (asked.push(dialog.message()), asked.length > 1 ? dialog.accept() : dialog.dismiss()))
  await save(bob, 'tea', 'at six')
  await result(bob, 'the other version was kept (conflict)')
  await save(bob, 'tea', 'at seven')
  await result(bob, 'version 2')
  await ann.waitForSelector('#notes button:has-text("at seven")', PATIENCE)
  assert.equal(asked.length, 2)
  await ann.setInputFiles('#file', { name: 'a', mimeType: 'text/plain', buffer: Buffer.from([250, 10, 3]) })
  await result(ann, '3 bytes, whose sum ends in 7')
  await ann.setViewportSize({ width: 1000, height: 560 })
  await ann.screenshot({ path: `${OUT}rpc.png` })
  assert.deepEqual([...ann.complaints, ...bob.complaints], [])
})

/** Asks in the page, so many at a time; notes how each ends, and what the server asks meanwhile, in order. */
function talk({ requests, atOnce, options }) {
  self.ends = []
  self.asked = []
  self.transports = []
  self.resumed = []
  self.line = self.connect('/live', options)
  self.line.on('open', () => self.transports.push(self.line.transport))
  self.line.on('transport', (name) => self.transports.push(name))
  self.line.on('resumed', ({ outcome }) => self.resumed.push(outcome))
  self.line.on('count back', (number, reply) => {
    self.asked.push(number)
    reply(number)
  })
  let last = 0
  const next = () => {
    if (last === requests) return
    const number = ++last
    const note = (end) => {
      self.ends.push([number, end])
      next()
    }
    self.line.timeout(600_000).request('count', number).then(note, ({ code }) => note(code))
  }
  for (let i = 0; i < atOnce; i++) next()
}

/** The bundle, its transports, and how many requests the short form has. */
const EACH = [
  ['mjs', ['websocket'], 300], ['mjs', ['fetch-stream'], 300], ['mjs', ['xhr-poll'], 300], ['js', ['xhr-stream'], 100], ['js', ['jsonp-poll'], 100],
  ['mjs', ['websocket', 'fetch-stream', 'xhr-poll'], 300]
]
for (const [bundle, transports, short] of EACH) {
  const requests = REQUESTS || short
  const switching = transports.length > 1
  const limit = { timeout: 90_000 + requests * 250 + CUTS * 10_000 }
  test(`${requests} requests each way over ${transports.join(', ')} (${bundle}) and ${CUTS} cuts: each is answered once, in order`, limit, async (t) => {
    const proxy = await FaultProxy.listen({ target: server.port })
    const page = await visit(browser, `${proxy.origin}/`)
    t.after(() => endAll(page.context(), proxy))
    if (bundle === 'js') {
      await page.addScriptTag({ url: `${proxy.origin}/live/client.js` })
      await page.evaluate(() => (self.connect = self.anywire.connect))
    }
    const answered = (least) => page.waitForFunction((least) => self.ends.length >= least, least, limit)
    await page.evaluate(talk, { requests, atOnce: AT_ONCE, options: { transports } })
    for (let cut = 1; cut <= CUTS; cut++) {
      await answered(Math.floor((cut * requests) / (CUTS + 1)))
      // Where there are others, the WebSocket is blocked at every second cut, each time in another way.
      if (switching && cut % 2) proxy.rule('websocket', BLOCKED[(cut >> 1) % BLOCKED.length], { times: 2 })
      for (const connection of proxy.live()) connection.cut(cut % 2 ? 'rst' : 'fin')
    }
    await answered(requests)
    const { ends, asked, state, resumed, taken } = await page.evaluate(() => ({
      ends: self.ends, asked: self.asked, state: self.line.state, resumed: self.resumed, taken: self.transports
    }))
    const all = Array.from({ length: requests }, (_, at) => at + 1)
    t.diagnostic(`cuts ${JSON.stringify(proxy.counts.cuts)}, ${resumed.length} resumed, transports ${[...new Set(taken)]} in ${taken.length} changes`)
    assert.deepEqual(ends, all.map((number) => [number, number]))
    assert.deepEqual(asked, all)
    assert.equal(state, 'open')
    // No session is lost here, so that no request may end as `unknown`.
    assert.deepEqual(resumed.filter((outcome) => outcome !== 'full'), [])
    if (switching) assert.ok(new Set(taken).size > 1, 'transports switched')
  })
}
