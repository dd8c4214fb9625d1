// A page reloads again and again in the middle of a conversation: it keeps its session, and every loss is
// reported.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch, visit } from './browser.mjs'
import { startLab } from './lab.mjs'
import { endAll } from './support.mjs'

const TIMEOUT = { timeout: 60_000 }
const RELOADS = 5
const DOWN = 600
const MS = 4000
let browser, lab

before(async () => {
  browser = await launch()
  lab = await startLab()
})
after(() => endAll(browser, lab))

/**
 * Runs in each page before anything else. Everything that must outlive the page is in localStorage by the
 * time that a listener returns.
 */
function converse({ transports, down, ms }) {
  if (self !== top) return
  const add = (key, what) => (localStorage[key] = (localStorage[key] ?? '') + what)
  const spell = (n) => `#${n} ${'é€😀x'.repeat(n % 13)}`
  const sendNext = () => {
    const n = Number(localStorage.sent ?? 0) + 1
    if (self.session.send(n % 10 ? spell(n) : new TextEncoder().encode(spell(n)))) localStorage.sent = n
  }
  addEventListener('DOMContentLoaded', () => {
    const session = (self.session = self.anywire.connect('/live', { transports, resume: true }))
    session.on('open', () => add('ids', `${session.id} `))
    session.on('resumed', ({ outcome, gap }) => add('resumed', `${JSON.stringify([outcome, gap])}\n`))
    session.on('message', (data) => {
      const text = typeof data === 'string' ? data : new TextDecoder().decode(data)
      if (text[0] === '#') add('received', `${/\d+/.exec(text)[0]} `)
      else self.answer = text
    })
    if (!localStorage.sent) session.send(`!burst ${down} over ${ms}`)
    self.sending = setInterval(sendNext, 7)
    // The last message of a page is sent when it goes.
    addEventListener('beforeunload', sendNext)
  })
}

/** Connects while the page is still loading, for as long as its image is under way. */
function connectEarly() {
  if (self !== top) return
  addEventListener('DOMContentLoaded', () => {
    document.documentElement.append(Object.assign(new Image(), { src: '/slow.png' }))
    self.session = self.anywire.connect('/live', { transports: ['jsonp-poll'] })
    self.session.on('open', () => (self.opened = true))
  })
}

test('a poll by script that waits does not keep the load event back', TIMEOUT, async (t) => {
  const page = await visit(browser, `http://127.0.0.1:${lab.port}/live/client.js`)
  t.after(() => page.context().close())
  await page.addInitScript(connectEarly)
  await page.route('**/slow.png', async (route) => {
    await until(page, () => self.opened)
    await route.fulfill({ body: '' })
  })
  // The server holds a poll for 25 seconds.
  await page.goto(`http://127.0.0.1:${lab.port}/page`, { waitUntil: 'load', timeout: 20_000 })
  await page.evaluate(
    () =>
      new Promise((resolve) => {
        self.session.on('message', resolve)
        self.session.send('!check')
      })
  )
})

const until = (page, test) => page.waitForFunction(test, null, { timeout: 30_000 })

for (const transport of ['', 'websocket', 'xhr-stream', 'xhr-poll', 'jsonp-poll']) {
  test(`${RELOADS} reloads over ${transport || 'all transports'}`, TIMEOUT, async (t) => {
    const page = await visit(browser, `http://127.0.0.1:${lab.port}/live/client.js`)
    t.after(() => page.context().close())
    await page.evaluate(() => localStorage.clear())
    await page.addInitScript(converse, { transports: transport ? [transport] : undefined, down: DOWN, ms: MS })
    await page.goto(`http://127.0.0.1:${lab.port}/page`)
    for (let i = 1; i <= RELOADS; i++) {
      // The third reload is during an opening, the others are during the conversation.
      if (i !== 3) await until(page, () => self.session?.state === 'open')
      await page.waitForTimeout(i === 3 ? 0 : 300 + 77 * i)
      await page.reload()
    }
    await until(page, () => / 600 $/.test(localStorage.received))
    await page.evaluate(() => clearInterval(self.sending))
    assert.equal(await page.evaluate(() => self.session.flush()), true)
    await page.evaluate(() => void self.session.send('!check'))
    await until(page, () => self.answer)
    const stored = await page.evaluate(() => ({ ...localStorage, answer: self.answer, transport: self.session.transport }))

    const ids = stored.ids.trim().split(' ')
    const resumed = stored.resumed.trim().split('\n').map((line) => JSON.parse(line))
    const server = JSON.parse(stored.answer)
    assert.equal(new Set(ids).size, 1, 'one session')
    assert.ok(ids.length >= RELOADS, `${ids.length} pages had it`)
    assert.deepEqual(stored.received.trim().split(' ').map(Number), Array.from({ length: DOWN }, (_, i) => i + 1), 'what the pages received')
    const gaps = resumed.filter(([how]) => how === 'gap').map(([, gap]) => gap)
    assert.ok(resumed.every(([how]) => how !== 'new') && gaps.every((gap) => gap.sent), stored.resumed)
    const lost = gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0)
    t.diagnostic(`${stored.sent} sent, ${lost} lost in ${gaps.length} reloads; ${ids.length} openings; at last ${stored.transport}`)
    assert.deepEqual(
      { ...server, lost: Number(stored.sent) - server.received },
      { received: Number(stored.sent) - lost, lost, repeated: 0, disordered: 0, wrong: 0 },
      'what the server received'
    )
    assert.deepEqual(page.complaints, [])
  })
}
