// The browser builds of socket.io-client in Chromium, with what Node has not: binary XHR, and scripts as a
// transport.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch, visit } from '../browser/browser.mjs'
import { FILLER } from './numbered.mjs'
import { PATIENCE, REFERENCE, here, serve } from './support.mjs'

const TEXT = 'é€😀 \u2028\u2029\u001e\0"\\\n\\n\\\\n%+&=<\/script>\ud7ff\uffff'
const VALUES = [
  [TEXT], [0.5, null, true, [], {}, ''], [{ [TEXT]: [{ bytes: [0, 127, 128, 255] }, TEXT] }, { bytes: [] }, { bytes: [4] }],
  [{ bytes: Array.from({ length: 3000 }, (_, at) => at % 256) }, TEXT.repeat(100)]
]
const EVENTS = 1000

/** How each build may connect, what then carries it, and what its polls must have shown of themselves. */
const POLLING = ['polling']
const BOTH = ['polling', 'websocket']
const OLD = { script: 'socket.io-client-2/dist/socket.io.js', isOld: true }
const NEW = { script: 'socket.io-client-4/dist/socket.io.js', isOld: false }
const ROWS = [
  { ...OLD, way: '2.5.0 by XHR', options: { transports: POLLING }, shows: 'binary payloads' },
  { ...OLD, way: '2.5.0 by scripts', options: { transports: POLLING, forceJSONP: true }, shows: 'scripts' },
  { ...OLD, way: '2.5.0 by base64', options: { transports: POLLING, forceBase64: true }, shows: 'base64' },
  { ...OLD, way: '2.5.0 by WebSocket', options: { transports: ['websocket'] } },
  { ...OLD, way: '2.5.0 from XHR to WebSocket', options: { transports: BOTH } },
  { ...OLD, way: '2.5.0 from scripts to WebSocket', options: { transports: BOTH, forceJSONP: true }, shows: 'scripts' },
  { ...NEW, way: '4.8.4 by XHR', options: { transports: POLLING } },
  { ...NEW, way: '4.8.4 by WebSocket', options: { transports: ['websocket'] } },
  { ...NEW, way: '4.8.4 from XHR to WebSocket', options: { transports: BOTH } }
]

/** The marks of an answer to a poll, or of its request. */
const SIGNS = {
  'binary payloads': (response) => response.headers()['content-type'] === 'application/octet-stream',
  base64: (response) => new URL(response.url()).searchParams.get('b64') === '1',
  scripts: (response) => new URL(response.url()).searchParams.has('j') && response.request().resourceType() === 'script'
}

let browser, server

before(async () => {
  ;[browser, server] = await Promise.all([launch(), serve()])
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

for (const { script, isOld, way, options, shows } of ROWS) {
  test(`socket.io-client ${way}`, { timeout: 4 * PATIENCE }, async (t) => {
    const page = await visit(browser, `${server.origin}/page`)
    t.after(() => page.context().close())
    const shown = new Set()
    page.on('response', (response) => Object.keys(SIGNS).forEach((name) => SIGNS[name](response) && shown.add(name)))
    await page.addScriptTag({ path: here(`node_modules/${script}`) })
    await page.addScriptTag({ path: here('page.js') })
    const upgrades = options.transports === BOTH
    const report = await page.evaluate((job) => self.exchange(job), { options, isOld, values: VALUES, events: EVENTS, filler: FILLER, upgrades })
    const { reasons, ...rest } = report
    assert.deepEqual(rest, {
      auth: [isOld && REFERENCE ? {} : { name: 'page' }],
      taken: [{ received: EVENTS, wrong: [] }],
      heard: { received: EVENTS, wrong: [] },
      transport: options.transports.at(-1),
      echoes: VALUES,
      answers: VALUES,
      asked: [['who?', { bytes: [1, 2] }]],
      told: ['hello'],
      admin: ['/admin'],
      kicked: 'io server disconnect',
      nobody: 'Invalid namespace',
      after: ['/']
    })
    assert.ok(['transport close', 'transport error'].includes(reasons[0]), reasons[0])
    assert.deepEqual(reasons.slice(1), ['io client disconnect'])
    assert.deepEqual(page.complaints, [])
    if (shows) assert.ok(shown.has(shows), `its polls show ${[...shown]}`)
  })
}
