// The client under a Content Security Policy: an allowed transport works without a violation, and a forbidden
// one is found out and left.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { launch } from './browser.mjs'
import { startLab } from './lab.mjs'
import { PAGE, endAll, openSession } from './support.mjs'

const TIMEOUT = { timeout: 60_000 }
const STRICT = "default-src 'none'; script-src 'self'; connect-src 'self' ws:"
const NO_SOCKETS = "default-src 'none'; script-src 'self'; connect-src http:"
/** A policy under which a page may make no request by script, but may load its own scripts and frames. */
const NO_REQUESTS = "default-src 'none'; script-src 'self'; frame-src 'self'; form-action 'self'"
/** A policy under which no script of the server may load but the client itself. */
const NO_SCRIPTS = "default-src 'none'; script-src http://*:*/live/client.js; connect-src 'self'; frame-src 'self'; form-action 'self'"
const ELSEWHERE = "default-src 'none'; script-src 'self' http://127.0.0.1:*"
const MUTE = "default-src 'none'; script-src 'self'"
const ALLOWED = {
  es3: ['websocket', 'xhr-stream', 'eventsource', 'xhr-poll', 'poll'],
  module: ['websocket', 'fetch-stream', 'xhr-poll']
}
const BYTES = Array.from({ length: 256 }, (_, i) => i)
const labs = new Map()
let browser

before(async () => {
  browser = await launch()
  for (const policy of [STRICT, NO_SOCKETS, NO_REQUESTS, NO_SCRIPTS, ELSEWHERE, MUTE]) labs.set(policy, await startLab({ policy }))
})
after(() => endAll(browser, ...labs.values()))

/**
 * A page under a policy. Tests add scripts by the debugger, which no policy binds; `violations` lists what
 * the page violates.
 */
async function openStrict(t, policy, bundle = 'es3', host = '127.0.0.1') {
  const { port } = labs.get(policy)
  const origin = `http://${host}:${port}`
  const context = await browser.newContext()
  t.after(() => context.close())
  const page = await context.newPage()
  page.complaints = []
  page.on('pageerror', (error) => page.complaints.push(error.message))
  await page.addInitScript(() => {
    self.violations = []
    document.addEventListener('securitypolicyviolation', (event) => self.violations.push(`${event.effectiveDirective} ${event.blockedURI}`))
  })
  await page.addInitScript({ path: PAGE })
  const response = await page.goto(`${origin}/page`)
  assert.equal(response.headers()['content-security-policy'], policy)
  if (bundle === 'module') {
    await page.evaluate(async () => {
      self.anywire = await import('/live/client.mjs')
    })
  }
  const violations = () => page.evaluate(() => self.violations)
  const violated = () => page.evaluate(() => self.lab.until(() => self.violations.length))
  return { page, port, violations, violated }
}

/** Sends some messages of each kind and receives their echoes. */
async function exchange(session) {
  await session.received('hello')
  const received = await session.call(async (watched) => {
    for (const message of [Uint8Array.from({ length: 256 }, (_, i) => i), 'ñ 漢字 😀', 'last']) watched.send(message)
    await self.lab.until(() => watched.messages.at(-1).data === 'last')
    return watched.messages.map((message) => (message.kind === 'text' ? message.data : [...message.data]))
  })
  assert.deepEqual(received, ['hello', BYTES, 'ñ 漢字 😀', 'last'])
  assert.equal(await session.flushed(), true)
  const { resumed } = await session.report()
  assert.deepEqual(resumed, { full: 0, gap: 0, new: 0 })
}

test('the tests see violations', TIMEOUT, async (t) => {
  const { page, violations, violated } = await openStrict(t, STRICT)
  await page.evaluate(() => {
    document.head.append(Object.assign(document.createElement('script'), { textContent: 'self.inline = 1' }))
    try {
      setTimeout('self.evaluated = 1', 0)
    } catch {
      // The policy forbids this too.
    }
  })
  await violated()
  assert.ok((await violations()).includes('script-src-elem inline'))
  assert.equal(await page.evaluate(() => self.inline), undefined)
})

for (const [bundle, transports] of Object.entries(ALLOWED)) {
  for (const transport of transports) {
    test(`${bundle}: ${transport} needs connect-src and nothing else`, TIMEOUT, async (t) => {
      const { page, violations } = await openStrict(t, STRICT, bundle)
      const session = await openSession(page, { transports: [transport] }, ['hello'])
      await exchange(session)
      await session.call((watched, name) => self.lab.until(() => watched.session.transport === name), transport)
      assert.deepEqual(await violations(), [])
      assert.deepEqual(page.complaints, [])
    })
  }

  test(`${bundle}: the client's own choice is a WebSocket, and it violates nothing`, TIMEOUT, async (t) => {
    const { page, violations } = await openStrict(t, STRICT, bundle)
    const session = await openSession(page, {}, ['hello'])
    await exchange(session)
    await session.call((watched) => self.lab.until(() => watched.session.transport === 'websocket'))
    assert.deepEqual(await violations(), [])
  })

  test(`${bundle}: where the policy forbids WebSockets the client's own choice is a stream`, TIMEOUT, async (t) => {
    const { page, violations } = await openStrict(t, NO_SOCKETS, bundle)
    const session = await openSession(page, {}, ['hello'])
    await exchange(session)
    const stream = bundle === 'es3' ? 'xhr-stream' : 'fetch-stream'
    await session.call((watched, name) => self.lab.until(() => watched.session.transport === name), stream)
    const reported = await violations()
    assert.ok(reported.length && reported.every((each) => each.startsWith('connect-src ws:')), reported.join())
    if (bundle === 'es3') {
      // Chromium fires `error` and no `close`: a client that ignored it would wait for ten seconds.
      const attempt = await session.call((watched) =>
        self.lab.until(() => watched.session.trace().find((each) => each.transport === 'websocket' && each.ended))
      )
      assert.ok(attempt.ended - attempt.at < 5000, JSON.stringify(attempt))
    }
    assert.deepEqual(page.complaints, [])
  })
}

test('iframe is forbidden: the session goes on without', TIMEOUT, async (t) => {
  const { page, violations, violated } = await openStrict(t, STRICT)
  const session = await openSession(page, { transports: ['iframe', 'xhr-poll'] }, ['hello'])
  await violated()
  await exchange(session)
  await session.call((watched) => self.lab.until(() => watched.session.transport === 'xhr-poll'))
  const { resumed } = await session.report()
  const reported = await violations()
  t.diagnostic(`${reported.join(', ')}; resumed ${JSON.stringify(resumed)}`)
  assert.ok(reported.every((each) => each.startsWith('frame-src ')))
  assert.deepEqual(page.complaints, [])
})

test('jsonp-poll is forbidden: the session goes on without, and a session that may use nothing else does not open', TIMEOUT, async (t) => {
  const { page, violations, violated } = await openStrict(t, NO_SCRIPTS)
  const alone = await openSession(page, { transports: ['jsonp-poll'] }, ['alone'])
  await alone.call((watched) => self.lab.until(() => watched.session.trace().filter((each) => each.ended).length > 1))
  await violated()
  assert.equal((await alone.report()).state, 'connecting')
  const both = await openSession(page, { transports: ['jsonp-poll', 'xhr-poll'] }, ['hello'])
  await exchange(both)
  assert.ok((await violations()).every((each) => each.startsWith('script-src-elem ')))
})

test('jsonp-poll and form-post carry where only scripts and frames are allowed', TIMEOUT, async (t) => {
  const { page, violations } = await openStrict(t, NO_REQUESTS)
  const session = await openSession(page, { transports: ['jsonp-poll'] }, ['hello'])
  await exchange(session)
  assert.deepEqual(await violations(), [])
})

test("where scripts may make no request the client's own choice is a frame that streams", TIMEOUT, async (t) => {
  const { page, violations } = await openStrict(t, NO_REQUESTS)
  const session = await openSession(page, {}, ['hello'])
  await exchange(session)
  await session.call((watched) => self.lab.until(() => watched.session.transport === 'iframe'))
  assert.ok((await violations()).every((each) => each.startsWith('connect-src ')))
  assert.deepEqual(page.complaints, [])
})

for (const [name, transports] of [['jsonp-poll', ['jsonp-poll']], ['anything', undefined]]) {
  test(`form-post is forbidden, ${name} may be used: the page's messages go by scripts`, TIMEOUT, async (t) => {
    const { page, violations } = await openStrict(t, MUTE)
    const began = Date.now()
    const session = await openSession(page, { transports }, ['hello'])
    await exchange(session)
    t.diagnostic(`${Date.now() - began} ms, ${(await violations()).length} violations`)
    assert.ok((await violations()).some((each) => each.startsWith('frame-src ')))
    // Each stream is tried now and then, and is the transport for that moment.
    await session.call((watched) => self.lab.until(() => watched.session.transport === 'jsonp-poll'))
    // Once the client has found it out, it tries no form again.
    const count = async () => (await violations()).filter((each) => each.includes('form-post')).length
    const before = await count()
    await session.send('again')
    await session.received('again')
    assert.equal(await session.flushed(), true)
    assert.equal(await count(), before)
  })
}

test('a script of another origin loads with integrity and crossorigin, and not with another hash', TIMEOUT, async (t) => {
  const { page, port, violations } = await openStrict(t, ELSEWHERE, 'es3', 'localhost')
  for (const [file, type] of [['client.js', 'text/javascript'], ['client.mjs', 'module']]) {
    const src = `http://127.0.0.1:${port}/live/${file}`
    const content = Buffer.from(await (await fetch(src)).arrayBuffer())
    const integrity = (data) => `sha384-${createHash('sha384').update(data).digest('base64')}`
    const load = (integrity) =>
      page.evaluate(
        (attributes) =>
          new Promise((resolve) => {
            const script = Object.assign(document.createElement('script'), attributes)
            script.onload = () => resolve('loaded')
            script.onerror = () => resolve('refused')
            document.head.append(script)
          }),
        { src, type, integrity, crossOrigin: 'anonymous' }
      )
    await page.evaluate(() => {
      self.anywire = undefined
    })
    assert.equal(await load(integrity('another')), 'refused')
    assert.equal(await load(integrity(content)), 'loaded')
    assert.equal(await page.evaluate(() => typeof self.anywire), file === 'client.js' ? 'object' : 'undefined')
  }
  assert.deepEqual(await violations(), [])
})
