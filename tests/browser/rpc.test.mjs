// The example of requests both ways, and the promise of events: each once, in order, over cuts.

import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { FaultProxy } from '../proxies/fault-proxy.mjs'
import { launch, visit } from './browser.mjs'
import { start } from './lab.mjs'
import { endAll } from './support.mjs'

const TIMEOUT = { timeout: 90_000 }
const PATIENCE = { timeout: 30_000 }
const OUT = fileURLToPath(new URL('out/', import.meta.url))
const CUTS = 6
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

/** Asks in the page; notes what comes back, and what the server asks meanwhile, in order. */
function talk(requests) {
  self.ends = []
  self.asked = []
  self.line = self.connect('/live', self.options)
  self.line.on('count back', (number, reply) => {
    self.asked.push(number)
    reply(number)
  })
  const next = (number) => {
    self.line.timeout(60_000).request('count', number).then(
      (answer) => self.ends.push([number, answer]),
      ({ code }) => self.ends.push([number, code])
    )
    if (number < requests) setTimeout(next, 10, number + 1)
  }
  next(1)
}

const EACH = [['mjs', 'websocket', 300], ['mjs', 'fetch-stream', 300], ['mjs', 'xhr-poll', 300], ['js', 'xhr-stream', 100], ['js', 'jsonp-poll', 100]]
for (const [bundle, transport, REQUESTS] of EACH) {
  test(`${REQUESTS} requests each way over ${transport} (${bundle}) and ${CUTS} cuts: each is answered once, in order`, TIMEOUT, async (t) => {
    const proxy = await FaultProxy.listen({ target: server.port })
    const page = await visit(browser, `${proxy.origin}/`)
    t.after(() => endAll(page.context(), proxy))
    if (bundle === 'js') {
      await page.addScriptTag({ url: `${proxy.origin}/live/client.js` })
      await page.evaluate(() => (self.connect = self.anywire.connect))
    }
    await page.evaluate((transports) => (self.options = { transports }), [transport])
    await page.evaluate(talk, REQUESTS)
    for (let cut = 1; cut <= CUTS; cut++) {
      await page.waitForFunction((least) => self.ends.length >= least, (cut * REQUESTS) / (CUTS + 1), PATIENCE)
      for (const connection of proxy.live()) connection.cut(cut % 2 ? 'rst' : 'fin')
    }
    await page.waitForFunction((requests) => self.ends.length >= requests, REQUESTS, PATIENCE)
    const { ends, asked, state } = await page.evaluate(() => ({ ends: self.ends, asked: self.asked, state: self.line.state }))
    const all = Array.from({ length: REQUESTS }, (_, at) => at + 1)
    assert.deepEqual(ends, all.map((number) => [number, number]))
    assert.deepEqual(asked, all)
    assert.equal(state, 'open')
  })
}
