// A page of one origin and a server of another: every transport carries if the server lists the page's
// origin, and none if it does not.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { launch, visit } from './browser.mjs'
import { startLab } from './lab.mjs'
import { PAGE, endAll, openSession } from './support.mjs'

const TIMEOUT = { timeout: 60_000 }
const FORMS = { transports: ['jsonp-poll'], auth: 'by a form, since it must not be in an address' }
/** The options of each session, by the name in the test's title. */
const WAYS = {
  es3: [
    ...['websocket', 'xhr-stream', 'eventsource', 'iframe', 'xhr-poll', 'jsonp-poll', 'poll'].map((name) => [name, { transports: [name] }]),
    ['jsonp-poll with auth', FORMS],
    ['jsonp-poll and jsonp-send', { transports: ['jsonp-poll', 'jsonp-send'] }]
  ],
  module: ['websocket', 'fetch-stream', 'xhr-poll'].map((name) => [name, { transports: [name] }])
}
let browser, pages, lab, strict

/** Serves pages of another origin: `/es3` and `/module` have the client of the lab on the port `?port=`. */
function servePages() {
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://pages')
    const live = `http://127.0.0.1:${Number(url.searchParams.get('port'))}/live`
    const script =
      url.pathname === '/module' ?
        `<script type=module>import * as anywire from '${live}/client.mjs'; self.anywire = anywire</script>`
      : `<script src="${live}/client.js"></script>`
    response.setHeader('Content-Type', 'text/html;charset=utf-8')
    response.setHeader('Set-Cookie', 'who=me; Path=/')
    response.end(`<!doctype html><link rel=icon href=data:,>${script}`)
  })
  return server.listen(0, '127.0.0.1')
}

before(async () => {
  browser = await launch()
  pages = servePages()
  await once(pages, 'listening')
  const { port } = pages.address()
  lab = await startLab({ origins: `http://localhost:${port},http://127.0.0.1:${port}` })
  strict = await startLab({ origins: 'http://other.test' })
})
after(async () => {
  await endAll(browser, lab, strict)
  pages.close()
})

/**
 * A page of the other origin: `localhost` is another site than the lab's, `127.0.0.1` is the same site and
 * another origin.
 */
async function openForeign(t, bundle, { port }, host = 'localhost') {
  const page = await visit(browser, `http://${host}:${pages.address().port}/${bundle}?port=${port}`)
  t.after(() => page.context().close())
  await page.addScriptTag({ path: PAGE })
  return { page, live: `http://127.0.0.1:${port}/live`, count: () => sessions(port) }
}

async function sessions(port) {
  const response = await fetch(`http://127.0.0.1:${port}/sessions`)
  assert.equal(response.status, 200)
  return Number(await response.text())
}

for (const [bundle, ways] of Object.entries(WAYS)) {
  for (const [name, options] of ways) {
    test(`${bundle}: ${name} carries in both directions from a listed origin of another site`, TIMEOUT, async (t) => {
      const { page, live } = await openForeign(t, bundle, lab)
      const session = await openSession(page, options, ['first'], live)
      await session.received('first')
      const received = await session.call(async (watched) => {
        const long = self.lab.long(20_000)
        for (const message of ['ñ 漢字 😀', Uint8Array.from({ length: 256 }, (_, i) => i), long, 'last']) watched.send(message)
        await self.lab.until(() => watched.messages.at(-1).data === 'last')
        const [, text, bytes, echo] = watched.messages
        return { text: text.data, kind: bytes.kind, bytes: [...bytes.data], long: echo.data === long, count: watched.messages.length }
      })
      assert.deepEqual(received, { text: 'ñ 漢字 😀', kind: 'binary', bytes: Array.from({ length: 256 }, (_, i) => i), long: true, count: 5 })
      // A stream may follow the poll that opened the session.
      const wanted = options.transports[0]
      await session.call((watched, name) => self.lab.until(() => watched.session.transport === name), wanted)
      const flushed = await session.flushed()
      const report = await session.report()
      assert.equal(flushed, true)
      assert.deepEqual(report.resumed, { full: 0, gap: 0, new: 0 })
      assert.deepEqual(page.complaints, [])
      await session.call((watched) => (watched.session.close(), self.lab.until(() => watched.session.state === 'closed')))
    })

    test(`${bundle}: ${name} is refused to an origin that is not listed`, TIMEOUT, async (t) => {
      const { page, live, count } = await openForeign(t, bundle, strict)
      const session = await openSession(page, options, ['first'], live)
      // Not every transport lets a page read the refusal; two failed attempts count as a refusal too.
      await session.call((watched) =>
        self.lab.until(() => watched.session.state === 'closed' || watched.session.trace().filter((each) => 'ended' in each).length > 1)
      )
      const { state, events, resumed } = await session.report()
      const outcomes = await session.call((watched) => watched.session.trace().map((each) => each.outcome))
      t.diagnostic(`${state}: ${outcomes.join(', ')}`)
      if (state === 'closed') assert.equal(events.at(-1).detail.code, 4300)
      else assert.equal(state, 'connecting')
      assert.deepEqual(events.filter((each) => each.name === 'open'), [])
      assert.deepEqual(await session.texts(), [])
      assert.deepEqual(resumed, { full: 0, gap: 0, new: 0 })
      assert.equal(await count(), 0)
    })
  }
}

// A cookie does not depend on the port, so the page's cookie is the lab's. WebSockets, frames and scripts
// always send it.
for (const [bundle, transport] of [['es3', 'xhr-stream'], ['es3', 'xhr-poll'], ['es3', 'eventsource'], ['module', 'fetch-stream'], ['module', 'xhr-poll']]) {
  test(`${bundle}: cookies go along over ${transport} with credentials: 'include' only`, TIMEOUT, async (t) => {
    const { page, live } = await openForeign(t, bundle, lab, '127.0.0.1')
    for (const [credentials, cookie] of [['include', 'who=me'], [undefined, 'none']]) {
      const session = await openSession(page, { transports: [transport], credentials }, ['!cookie'], live)
      await session.call((watched) => self.lab.until(() => watched.messages.length))
      assert.deepEqual(await session.texts(), [cookie])
      await session.call((watched, name) => self.lab.until(() => watched.session.transport === name), transport)
      await session.send('still')
      await session.received('still')
      assert.deepEqual((await session.report()).resumed, { full: 0, gap: 0, new: 0 })
    }
  })
}
