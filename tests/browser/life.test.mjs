// The life of a page in a browser, which keeps it in memory, freezes, hides, closes and reloads it, and takes
// the network away.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch, launchWindow } from './browser.mjs'
import { startLab } from './lab.mjs'
import { BUNDLES, PAGE, endAll, inject, openPage, openSession } from './support.mjs'

const TIMEOUT = { timeout: 60_000 }
/**
 * The time in which the page must be back after the network is: the longest delay between attempts after so
 * short an outage, and one attempt.
 */
const BACK = 10_000
const GOOD = { lost: 0, repeated: 0, disordered: 0, wrong: 0 }
const EACH = Object.entries(BUNDLES).flatMap(([bundle, transports]) => transports.map((transport) => [bundle, transport]))
let browser, window, lab, origin

before(async () => {
  // Chromium keeps pages in memory by default; playwright switches that off.
  browser = await launch({ ignoreDefaultArgs: ['--disable-back-forward-cache'] })
  window = await launchWindow()
  lab = await startLab()
  origin = `http://127.0.0.1:${lab.port}`
})
after(() => endAll(browser, window, lab))

async function open(t, bundle, transport, first = ['hello']) {
  const page = await openPage(browser, origin, bundle)
  t.after(() => page.context().close())
  return begin(page, [].concat(transport), first)
}

async function begin(page, transports, first = ['hello']) {
  const session = await openSession(page, { transports }, first)
  await session.received(first.at(-1))
  await session.call((watched, name) => self.lab.until(() => watched.session.transport === name), transports[0])
  return { page, session, id: await idOf(session) }
}

/** A tab of a real window, and another one beside it. */
async function openTabs(t, bundle, transport) {
  const open = async (bundle, transport) => {
    const page = await window.open(`${origin}/page`)
    t.after(() => page.close())
    await inject(page, bundle)
    return begin(page, [transport])
  }
  const tab = await open(bundle, transport)
  return { ...tab, other: await open('es3', 'websocket') }
}

const idOf = (session) => session.call((watched) => watched.session.id)
const numbered = (session, total, ms) => session.call((watched, [total, ms]) => watched.sendNumbered(total, ms), [total, ms])

/** Asserts that all messages have arrived once and in order, in both directions. */
async function verify(session, { sent, received }) {
  await session.call((watched, wanted) => self.lab.until(() => watched.tally.received >= wanted), received)
  await session.call((watched, wanted) => self.lab.until(() => watched.sent >= wanted), sent)
  await session.send('!check')
  assert.deepEqual(JSON.parse(await session.received('{')), { received: sent, ...GOOD })
  const { tally, resumed, state } = await session.report()
  assert.deepEqual(tally, { received, ...GOOD })
  assert.deepEqual([state, resumed.gap, resumed.new], ['open', 0, 0])
  return resumed.full
}

for (const [bundle, transport] of EACH) {
  test(`${bundle}: away and back over ${transport}: the page comes back from the browser's memory with its session`, TIMEOUT, async (t) => {
    const { page, session, id } = await open(t, bundle, transport)
    await page.evaluate(() => {
      self.shown = []
      for (const name of ['pagehide', 'pageshow']) addEventListener(name, (event) => self.shown.push(`${name} ${event.persisted}`))
    })
    await session.send('!burst 300 over 1500')
    await session.call((watched) => self.lab.until(() => watched.tally.received >= 20))
    await numbered(session, 100, 50)
    await page.goto(`http://localhost:${lab.port}/sessions`)
    await page.goBack({ waitUntil: 'commit' })
    await page.waitForFunction(() => document.readyState === 'complete')
    const kept = await page.evaluate(() => self.shown)
    if (!kept) {
      const why = await page.evaluate(() => JSON.stringify(performance.getEntriesByType('navigation')[0].notRestoredReasons))
      return t.skip(`Chromium did not keep the page: ${why}`)
    }
    assert.deepEqual(kept, ['pagehide true', 'pageshow true'])
    const began = Date.now()
    const full = await verify(session, { sent: 100, received: 300 })
    assert.equal(await idOf(session), id)
    await session.call((watched, name) => self.lab.until(() => watched.session.transport === name), transport)
    t.diagnostic(`resumed ${full} times, all there ${Date.now() - began} ms after it was shown`)
    assert.deepEqual(page.complaints, [])
  })

  test(`${bundle}: hidden over ${transport}: the session goes on, and is the same when shown again`, TIMEOUT, async (t) => {
    const { page, session, id, other } = await openTabs(t, bundle, transport)
    await hide(page, other)
    await session.send('!burst 100 over 300')
    await numbered(session, 100, 300)
    const began = Date.now()
    assert.equal(await verify(session, { sent: 100, received: 100 }), 0)
    const took = Date.now() - began
    await page.bringToFront()
    await page.evaluate(() => self.lab.until(() => document.visibilityState === 'visible'))
    await session.send('shown')
    await session.received('shown')
    const { transports, resumed } = await session.report()
    t.diagnostic(`all there after ${took} ms; transports: ${transports.join(', ')}`)
    assert.deepEqual(resumed, { full: 0, gap: 0, new: 0 })
    assert.equal(transports.at(-1), transport)
    assert.equal(await idOf(session), id)
  })

  test(`${bundle}: frozen and resumed over ${transport}: nothing is lost`, TIMEOUT, async (t) => {
    const { page, session, id, other } = await openTabs(t, bundle, transport)
    const devtools = await page.context().newCDPSession(page)
    await page.evaluate(() => {
      self.lives = []
      for (const name of ['freeze', 'resume']) document.addEventListener(name, () => self.lives.push([name, self.lab.sessions[0].tally.received]))
    })
    // Long enough that the page is frozen in the midst of it, also where hiding it takes the browser some seconds.
    const burst = '!burst 300 over 12000'
    await session.send(burst)
    await session.call((watched) => self.lab.until(() => watched.tally.received >= 20))
    await hide(page, other)
    await numbered(session, 100, 50)
    await devtools.send('Page.setWebLifecycleState', { state: 'frozen' })
    // A burst that begins now and takes as long ends later.
    await other.session.send(burst)
    await other.session.call((watched) => self.lab.until(() => watched.tally.received >= 300))
    await devtools.send('Page.setWebLifecycleState', { state: 'active' })
    await page.bringToFront()
    const began = Date.now()
    const full = await verify(session, { sent: 100, received: 300 })
    const lives = await page.evaluate(() => self.lives)
    t.diagnostic(`${lives.map(([name, received]) => `${name} at ${received}`).join(', ')}; resumed ${full} times; all there after ${Date.now() - began} ms`)
    assert.deepEqual(lives.map(([name]) => name), ['freeze', 'resume'])
    assert.ok(lives[0][1] < 300 && lives[0][1] === lives[1][1], 'it received nothing while it was frozen')
    assert.equal(await idOf(session), id)
  })

  test(`${bundle}: offline and online over ${transport}: the session goes on`, TIMEOUT, async (t) => {
    const { page, session, id } = await open(t, bundle, [transport, 'xhr-poll'])
    await session.send('!burst 300 over 1500')
    await session.call((watched) => self.lab.until(() => watched.tally.received >= 20))
    await page.context().setOffline(true)
    await numbered(session, 100, 50)
    // The page's messages do not get through meanwhile, unless the emulated outage does not affect its
    // WebSocket.
    await session.call((watched) =>
      self.lab.until(() => watched.session.state === 'interrupted' || watched.session.trace().some((each) => each.ended) || watched.sent === 100)
    )
    const { state } = await session.report()
    await page.context().setOffline(false)
    const began = Date.now()
    const full = await verify(session, { sent: 100, received: 300 })
    const there = Date.now() - began
    assert.equal(await idOf(session), id)
    await session.call((watched, name) => self.lab.until(() => watched.session.transport === name), transport)
    const took = Date.now() - began
    t.diagnostic(`${state} while offline; resumed ${full} times; all there after ${there} ms, by ${transport} again after ${took} ms`)
    assert.ok(took < BACK, `${took} ms`)
  })

  test(`${bundle}: a page that is closed over ${transport} ends its session at once`, TIMEOUT, async (t) => {
    const watch = await watcher(t)
    for (const [how, leave] of Object.entries(LEAVING)) {
      // The browser does not keep this page in memory, since it listens to `unload`.
      const { page } = await open(t, bundle, transport)
      await page.evaluate(() => addEventListener('unload', () => {}))
      const goodbye = watch.session.call((watched) => {
        const seen = watched.messages.length
        return self.lab.until(() => watched.messages.slice(seen).find((message) => /^gone/.test(message.data))?.data, 10_000)
      })
      // The watcher must listen before the page goes.
      await watch.session.send(`before ${how}`)
      await watch.session.received(`before ${how}`)
      const began = Date.now()
      await leave(page)
      assert.equal(await goodbye, 'gone 1001', how)
      t.diagnostic(`${how}: the server knew after ${Date.now() - began} ms`)
    }
  })
}

/**
 * Waits until the page is hidden. The wait is in this process, since timers of a hidden page run once a
 * second.
 */
async function hide(page, other) {
  await other.page.bringToFront()
  while ((await page.evaluate(() => document.visibilityState)) !== 'hidden');
}

/** A session of another browser, which receives the ends of all sessions. */
const watcher = (t) => open(t, 'es3', 'websocket', ['!watch', 'there'])

const LEAVING = {
  closed: (page) => page.close({ runBeforeUnload: true }),
  left: (page) => page.goto('about:blank'),
  reloaded: (page) => page.reload()
}

test('a reload without any option opens a new session', TIMEOUT, async (t) => {
  const { page, id } = await open(t, 'es3', 'websocket')
  await page.reload()
  await page.addScriptTag({ path: PAGE })
  const session = await openSession(page, {}, ['!count'])
  await session.received('1')
  assert.notEqual(await idOf(session), id)
  assert.deepEqual((await session.report()).resumed, { full: 0, gap: 0, new: 0 })
})
