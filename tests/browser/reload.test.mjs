// A page reloads again and again in the middle of a conversation: it is the same session, and whatever is lost is told.

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

/** Runs in each page before anything else. What must outlive the page is in localStorage by the time that a listener returns. */
function converse({ transports, down, ms }) {
  if (self !== top) return
  const add = (key, what) => (localStorage[key] = (localStorage[key] ?? '') + what)
  const spell = (n) => `#${n} ${'é€😀x'.repeat(n % 13)}`
  const say = () => {
    const n = Number(localStorage.said ?? 0) + 1
    if (self.session.send(n % 10 ? spell(n) : new TextEncoder().encode(spell(n)))) localStorage.said = n
  }
  addEventListener('DOMContentLoaded', () => {
    const session = (self.session = self.anywire.connect('/live', { transports, resume: true }))
    session.on('open', () => add('ids', `${session.id} `))
    session.on('resumed', (how, gap) => add('resumed', `${JSON.stringify([how, gap])}\n`))
    session.on('message', (data) => {
      const text = typeof data === 'string' ? data : new TextDecoder().decode(data)
      if (text[0] === '#') add('heard', `${/\d+/.exec(text)[0]} `)
      else self.answer = text
    })
    if (!localStorage.said) session.send(`!burst ${down} over ${ms}`)
    self.saying = setInterval(say, 7)
    // The very last words of a page are said when it goes.
    addEventListener('beforeunload', say)
  })
}

const until = (page, test) => page.waitForFunction(test, null, { timeout: 30_000 })

for (const transport of ['', 'websocket', 'xhr-stream', 'xhr-poll', 'jsonp-poll']) {
  test(`${RELOADS} reloads over ${transport || 'whatever there is'}`, TIMEOUT, async (t) => {
    const page = await visit(browser, `http://127.0.0.1:${lab.port}/live/client.js`)
    t.after(() => page.context().close())
    await page.evaluate(() => localStorage.clear())
    await page.addInitScript(converse, { transports: transport ? [transport] : undefined, down: DOWN, ms: MS })
    await page.goto(`http://127.0.0.1:${lab.port}/page`)
    for (let i = 1; i <= RELOADS; i++) {
      // Once in mid-opening, else in mid-conversation.
      if (i !== 3) await until(page, () => self.session?.state === 'open')
      await page.waitForTimeout(i === 3 ? 0 : 300 + 77 * i)
      await page.reload()
    }
    await until(page, () => / 600 $/.test(localStorage.heard))
    await page.evaluate(() => clearInterval(self.saying))
    assert.equal(await page.evaluate(() => self.session.flush()), true)
    await page.evaluate(() => void self.session.send('!check'))
    await until(page, () => self.answer)
    const told = await page.evaluate(() => ({ ...localStorage, answer: self.answer, transport: self.session.transport }))

    const ids = told.ids.trim().split(' ')
    const resumed = told.resumed.trim().split('\n').map((line) => JSON.parse(line))
    const server = JSON.parse(told.answer)
    assert.equal(new Set(ids).size, 1, 'one session')
    assert.ok(ids.length >= RELOADS, `${ids.length} pages had it`)
    assert.deepEqual(told.heard.trim().split(' ').map(Number), Array.from({ length: DOWN }, (_, i) => i + 1), 'what the pages heard')
    const gaps = resumed.filter(([how]) => how === 'gap').map(([, gap]) => gap)
    assert.ok(resumed.every(([how]) => how !== 'new') && gaps.every((gap) => gap.sent), told.resumed)
    const lost = gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0)
    t.diagnostic(`${told.said} said, ${lost} lost in ${gaps.length} reloads; ${ids.length} openings; at last ${told.transport}`)
    assert.deepEqual(
      { ...server, lost: Number(told.said) - server.received },
      { received: Number(told.said) - lost, lost, repeated: 0, disordered: 0, wrong: 0 },
      'what the server heard'
    )
    assert.deepEqual(page.complaints, [])
  })
}
