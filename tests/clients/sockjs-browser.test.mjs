// The newest build of SockJS's client for browsers, in Chromium: each transport that it has there, with the page on the
// server's own origin and on another site. The older ones run in the lab of engines.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { launch, visit } from '../browser/browser.mjs'
import { startLab } from '../browser/lab.mjs'
import { BUILDS } from './sockjs-builds.mjs'
import { closing, here, within } from './support.mjs'

const VERSION = '1.6.1'
const BUILD = BUILDS[VERSION]()
/** The transports that it has in Chromium. */
const TRANSPORTS = [
  'websocket', 'xhr-streaming', 'eventsource', 'iframe-eventsource', 'htmlfile', 'iframe-htmlfile', 'xhr-polling', 'iframe-xhr-polling', 'jsonp-polling'
]
/** Those that it lacks need XDomainRequest, which only Internet Explorer 8 and 9 had. */
const ABSENT = ['xdr-streaming', 'xdr-polling']
/** The page of an htmlfile calls a function of the page around it, which another origin's would not let it. */
const OWN_ORIGIN = ['htmlfile']
/** A browser tells nobody that the connection of a page in a frame broke: such a client hears of it when it sends. */
const DEAF = ['htmlfile', 'iframe-htmlfile']

/** The cases of the scenario. */
const CASES = ['characters', 'order', 'large', 'closed by the page', 'closed by the server']
const SECONDS = 40
const LIMIT = { timeout: CASES.length * SECONDS * 1000 }

let browser, pages
const servers = {}

before(async () => {
  ;[browser, pages, servers.same] = await Promise.all([launch(), startLab(), startLab()])
  ;[servers.listed, servers.any] = await Promise.all([`http://localhost:${pages.port}`, 'any'].map((origins) => startLab({ origins })))
})
after(async () => {
  await browser?.close()
  for (const each of [pages, ...Object.values(servers)]) await each?.stop()
})

const addressOf = ({ port }) => `http://127.0.0.1:${port}`

/** A page with the client and the scenario; `scripts` are the addresses from which its frames asked for the client. */
async function open(origin, later) {
  const page = await visit(browser, `${origin}/page`)
  later(() => page.context().close())
  page.scripts = []
  await page.context().route('**/sockjs.min.js', (route) => {
    page.scripts.push(route.request().url())
    return route.fulfill({ contentType: 'text/javascript; charset=utf-8', body: BUILD })
  })
  await page.addScriptTag({ content: BUILD })
  await page.addScriptTag({ path: here('../browser/engines/sockjs.js') })
  return page
}

/** Runs a case in the page; resolves with its failure, empty if it has none. */
const run = (page, name, trial) =>
  page.evaluate(([name, trial]) => new Promise((resolve) => sockjs.cases[name](trial, resolve)), [name, { seconds: SECONDS, large: 200_000, ...trial }])

/** Waits until the server has no session. */
async function nobody(server) {
  const left = async () => Number(await (await fetch(`${addressOf(server)}/sessions`)).text())
  await within('the end of the last session', (async () => {
    while ((await left()) > 0) await new Promise((resolve) => setTimeout(resolve, 50))
  })())
}

/** The policies of the server, with the cases that run under each. */
const POLICIES = { same: CASES, listed: CASES, any: ['characters'] }

describe(`sockjs-client ${VERSION} in Chromium`, () => {
  for (const transport of TRANSPORTS) {
    for (const [policy, cases] of Object.entries(POLICIES)) {
      if (policy !== 'same' && OWN_ORIGIN.includes(transport)) continue
      test(policy === 'same' ? transport : `${transport} from another site, ${policy}`, LIMIT, () =>
        closing(async (later) => {
          const server = servers[policy]
          const page = await open(policy === 'same' ? addressOf(server) : `http://localhost:${pages.port}`, later)
          for (const each of cases) {
            assert.equal(await run(page, each, { transport, url: `${addressOf(server)}/sockjs` }), '', each)
          }
          assert.deepEqual(page.complaints, [])
          const scripts = transport.startsWith('iframe') ? [`${addressOf(server)}/sockjs.min.js`] : []
          assert.deepEqual([...new Set(page.scripts)], scripts)
        })
      )
    }
  }
})

/** Opens a socket in the page and waits for an echo. The page keeps it in `sockets`, and its end in `ends`. */
const dial = (page, url, ...transports) =>
  page.evaluate(
    ([url, transports]) => {
      self.sockets ??= []
      self.ends ??= []
      const socket = sockjs.dial(url, transports)
      const number = self.sockets.push(socket) - 1
      self.ends.push(new Promise((resolve) => socket.addEventListener('close', ({ code, reason }) => resolve({ code, reason }))))
      return new Promise((resolve) => {
        socket.onopen = () => socket.send('hello')
        socket.onmessage = ({ data }) => resolve({ number, data, transport: socket.transport })
        self.ends[number].then(resolve)
      })
    },
    [url, transports]
  )

describe(`sockjs-client ${VERSION} in Chromium, whose server`, () => {
  for (const transport of TRANSPORTS) {
    test(`is started again: ${transport}`, LIMIT, () =>
      closing(async (later) => {
        let server = await startLab()
        later(() => server.stop())
        const page = await open(addressOf(server), later)
        const url = `${addressOf(server)}/sockjs`
        assert.deepEqual(await dial(page, url, transport), { number: 0, data: 'hello', transport })
        await server.stop()
        server = await startLab({ port: server.port })
        if (DEAF.includes(transport)) await page.evaluate(() => self.sockets[0].send('still there?'))
        const end = await within('the end', page.evaluate(() => self.ends[0]))
        assert.equal(end.code, 1006, JSON.stringify(end))
        assert.deepEqual(await dial(page, url, transport), { number: 1, data: 'hello', transport })
      })
    )

    test(`hears of the end of a page: ${transport}`, LIMIT, () =>
      closing(async (later) => {
        const server = await startLab()
        later(() => server.stop())
        const page = await open(addressOf(server), later)
        await dial(page, `${addressOf(server)}/sockjs`, transport)
        await page.close()
        await nobody(server)
      })
    )
  }

  for (const transport of ABSENT) {
    test(`has no client here: ${transport}`, LIMIT, () =>
      closing(async (later) => {
        const page = await open(addressOf(servers.same), later)
        assert.deepEqual(await dial(page, `${addressOf(servers.same)}/sockjs`, transport), { code: 2000, reason: 'All transports failed' })
      })
    )
  }

  test('is left to choose, and takes the first of its transports', LIMIT, () =>
    closing(async (later) => {
      const page = await open(addressOf(servers.same), later)
      assert.deepEqual(await dial(page, `${addressOf(servers.same)}/sockjs`, ...TRANSPORTS, ...ABSENT), { number: 0, data: 'hello', transport: 'websocket' })
    })
  )
})
