// Eight tabs of one browser, which has six connections to a host: all of them work, since the server delays
// the polls of the later ones.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch } from './browser.mjs'
import { startLab } from './lab.mjs'
import { endAll, inject, openSession } from './support.mjs'

const TIMEOUT = { timeout: 120_000 }
const TABS = 8
/** The number of answers that may wait in one browser. */
const PERMITS = 3
const MESSAGES = 20
let browser, lab, origin

before(async () => {
  browser = await launch()
  lab = await startLab()
  origin = `http://127.0.0.1:${lab.port}`
})
after(() => endAll(browser, lab))

/** Runs in each page before all else: records the answer to each attach, as far as it has come. */
function listen() {
  const turns = (self.turns = [])
  const attaches = (url) => /\/(xhr-poll|xhr-stream|fetch-stream)\?/.test(url)
  const { open } = XMLHttpRequest.prototype
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    if (attaches(url)) {
      const turn = { name: /([\w-]+)\?/.exec(url)[1], text: '', over: false, at: performance.now() }
      turns.push(turn)
      this.addEventListener('progress', () => (turn.text = this.responseText))
      this.addEventListener('loadend', () => (turn.over = true))
    }
    return open.call(this, method, url, ...rest)
  }
  const { fetch } = self
  self.fetch = async (url, options) => {
    if (!attaches(url)) return fetch(url, options)
    const turn = { name: /([\w-]+)\?/.exec(url)[1], text: '', over: false, at: performance.now() }
    turns.push(turn)
    try {
      const response = await fetch(url, options)
      const reader = response.body.getReader()
      const decoder = new TextDecoder()
      const body = new ReadableStream({
        async pull(controller) {
          try {
            const { value, done } = await reader.read()
            turn.over = done
            if (done) return controller.close()
            turn.text += decoder.decode(value, { stream: true })
            controller.enqueue(value)
          } catch (error) {
            turn.over = true
            controller.error(error)
          }
        },
        cancel: () => reader.cancel()
      })
      return new Response(body, { status: response.status, headers: response.headers })
    } catch (error) {
      turn.over = true
      throw error
    }
  }
  /**
   * The number of poll delays that this tab got, and whether its last request may wait: a stream that may
   * wait has begun, and a poll that may wait has no answer for longer than one without a wait would take.
   */
  self.delayed = () => turns.filter((turn) => /y2000:/.test(turn.text)).length
  self.waits = (kind) => {
    const last = turns.at(-1)
    if (!last || last.name !== kind || last.over || /y\d+:/.test(last.text)) return false
    return kind === 'xhr-poll' ? performance.now() - last.at > 500 : last.text !== ''
  }
}

async function openTabs(t, bundle, transports) {
  const context = await browser.newContext()
  t.after(() => context.close())
  await context.addInitScript(listen)
  const tabs = []
  for (let i = 0; i < TABS; i++) {
    const page = await context.newPage()
    const tab = { page, requests: 0, complaints: [] }
    page.on('request', (request) => (tab.requests += /\/live\/\w[\w-]*\?/.test(request.url())))
    page.on('pageerror', (error) => tab.complaints.push(error.message))
    await page.goto(`${origin}/page`)
    await inject(page, bundle)
    tab.session = await openSession(page, { transports })
    await tab.session.opened()
    tabs.push(tab)
  }
  return tabs
}

/** Sends the messages one after the other, each when the one before has come back. */
const talk = (session, total) =>
  session.call(async (watched, total) => {
    const began = performance.now()
    let slowest = 0
    for (let i = 1; i <= total; i++) {
      const at = performance.now()
      watched.send(`message ${i}`)
      await self.lab.until(() => watched.messages.length >= i)
      slowest = Math.max(slowest, performance.now() - at)
    }
    return { took: performance.now() - began, slowest, received: watched.messages.map((message) => message.data) }
  }, total)

const count = async (tabs, test, argument) => {
  const all = await Promise.all(tabs.map((tab) => tab.page.evaluate(test, argument)))
  return all.filter(Boolean).length
}

for (const [bundle, kind, transports] of [
  ['es3', 'xhr-stream', ['xhr-stream', 'xhr-poll']],
  ['es3', 'xhr-poll', ['xhr-poll']],
  ['module', 'fetch-stream', ['fetch-stream', 'xhr-poll']],
  ['module', 'xhr-poll', ['xhr-poll']]
]) {
  test(`${bundle}: eight tabs by ${kind}`, TIMEOUT, async (t) => {
    const tabs = await openTabs(t, bundle, transports)
    const delayed = (tab) => tab.page.evaluate(() => self.delayed())
    // The first three wait, each of the others has got a poll delay.
    await Promise.all(tabs.slice(0, PERMITS).map((tab) => tab.page.evaluate((kind) => self.lab.until(() => self.waits(kind)), kind)))
    await Promise.all(tabs.slice(PERMITS).map((tab) => tab.page.evaluate(() => self.lab.until(() => self.delayed()))))
    assert.deepEqual(await Promise.all(tabs.slice(0, PERMITS).map(delayed)), [0, 0, 0])

    const before = tabs.map((tab) => tab.requests)
    const began = performance.now()
    const wanted = Array.from({ length: MESSAGES }, (_, i) => `message ${i + 1}`)
    const talks = await Promise.all(tabs.map((tab) => talk(tab.session, MESSAGES)))
    const idle = Math.ceil((performance.now() - began) / 2000)
    const requests = tabs.map((tab, i) => tab.requests - before[i])
    for (const { received } of talks) assert.deepEqual(received, wanted)
    t.diagnostic(
      `requests for ${MESSAGES} messages: ${requests.join(' ')}; slowest answer ${Math.round(Math.max(...talks.map((each) => each.slowest)))} ms; ` +
        `all took ${Math.round(performance.now() - began)} ms`
    )
    // Each message takes an upload, and a poll in a tab that polls; the rest is what an idle tab requests. An
    // echo may overtake the answer to its upload, after which a tab with a poll delay polls once more: this
    // comes now and then, and never more than once a message.
    const sum = requests.reduce((sum, number) => sum + number)
    assert.ok(sum <= TABS * (2 * MESSAGES + idle + 5), requests.join())
    for (const number of requests) assert.ok(number <= 3 * MESSAGES + idle, requests.join())

    // Tabs that wait make room when they close.
    for (const tab of tabs.slice(0, PERMITS)) await tab.page.close()
    const left = tabs.slice(PERMITS)
    for (let waiting = 0; waiting < PERMITS; ) {
      waiting = await count(left, (kind) => self.waits(kind), kind)
      assert.ok(waiting <= PERMITS, `${waiting} wait`)
    }
    for (const tab of left) {
      const { resumed, state, events, trace } = await tab.session.report()
      const seen = JSON.stringify({ state, resumed, events, trace })
      assert.deepEqual([state, resumed], ['open', { full: 0, gap: 0, new: 0 }], seen)
      await tab.session.send('last')
      await tab.session.received('last')
      assert.deepEqual(tab.complaints, [])
    }
  })
}
