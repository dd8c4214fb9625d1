// The example of signalling: pages find each other over their sessions, and then talk without the server.

import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { launch, visit } from './browser.mjs'
import { start } from './lab.mjs'
import { endAll } from './support.mjs'

const TIMEOUT = { timeout: 90_000 }
const PATIENCE = { timeout: 20_000 }
const OUT = fileURLToPath(new URL('out/', import.meta.url))
/** A camera that shows a test picture, and candidates of the loopback interface in plain numbers. */
const FLAGS = [
  '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--allow-loopback-in-peer-connection',
  '--disable-features=WebRtcHideLocalIpsWithMdns'
]

let browser, server

before(async () => {
  await mkdir(OUT, { recursive: true })
  browser = await launch({ flags: FLAGS })
  server = await start('webrtc', ['0'])
})
after(() => endAll(browser, server))

/** Runs before the page's own script: notes what the page sends on its session, from the first message on. */
function noteSent() {
  let session
  self.sent = []
  Object.defineProperty(self, 'session', {
    get: () => session,
    set: (made) => {
      const { send } = made
      session = Object.assign(made, { send: (message) => (self.sent.push(message), send(message)) })
    }
  })
}
/** A page in a call. */
const enter = (call) => visit(browser, `http://127.0.0.1:${server.port}/#${call}`, noteSent)
const open = (page, n) =>
  page.waitForFunction((n) => [...self.peers.values()].filter(({ channel }) => channel.readyState === 'open').length === n, n, PATIENCE)
const sees = (page, text) => page.waitForFunction((text) => document.querySelector('#log').textContent.includes(text), text, PATIENCE)
async function say(page, text) {
  await page.fill('#text', text)
  await page.press('#text', 'Enter')
}

test('two pages and a third connect directly: texts and a camera go past the server', TIMEOUT, async (t) => {
  const ann = await enter('tea')
  const bob = await enter('tea')
  t.after(() => endAll(ann.context(), bob.context()))
  await Promise.all([open(ann, 1), open(bob, 1)])
  await say(ann, 'straight to you')
  await sees(bob, 'straight to you')
  await say(bob, 'and back')
  await sees(ann, 'and back')
  for (const page of [ann, bob]) {
    const sent = await page.evaluate(() => self.sent.join())
    assert.match(sent, /candidate/)
    assert.doesNotMatch(sent, /straight to you|and back/)
    // A pair of candidates carries the channel. The browser counts its bytes a little later, and there may be
    // several pairs.
    const carries = async () => {
      const [{ connection }] = self.peers.values()
      const stats = [...(await connection.getStats()).values()]
      return stats.some(({ type, state, bytesReceived }) => type === 'candidate-pair' && state === 'succeeded' && bytesReceived > 0)
    }
    await page.waitForFunction(carries, null, PATIENCE)
  }

  // Both cameras at once make two offers that collide.
  await Promise.all([ann.click('#camera'), bob.click('#camera')])
  const moving = (page, n) =>
    page.waitForFunction((n) => [...document.querySelectorAll('video')].filter((video) => video.videoWidth > 0 && video.currentTime > 0).length === n, n, PATIENCE)
  await Promise.all([moving(ann, 2), moving(bob, 2)])

  const cy = await enter('tea')
  t.after(() => endAll(cy.context()))
  await Promise.all([open(ann, 2), open(bob, 2), open(cy, 2), moving(cy, 2)])
  await say(cy, 'to both')
  await Promise.all([sees(ann, 'to both'), sees(bob, 'to both')])
  await ann.setViewportSize({ width: 1100, height: 720 })
  await ann.screenshot({ path: `${OUT}webrtc.png` })

  await cy.close()
  await Promise.all([open(ann, 1), open(bob, 1)])
  assert.deepEqual([...ann.complaints, ...bob.complaints, ...cy.complaints], [])
})

test('a call outlives the server, and the next server introduces who comes then', TIMEOUT, async (t) => {
  const dan = await enter('night')
  const eve = await enter('night')
  t.after(() => endAll(dan.context(), eve.context()))
  await Promise.all([open(dan, 1), open(eve, 1)])
  const { port } = server
  await server.stop()
  await say(dan, 'no server now')
  await sees(eve, 'no server now')
  server = await start('webrtc', [String(port)])
  const back = (page) => page.waitForFunction(() => self.session.state === 'open', null, PATIENCE)
  await Promise.all([back(dan), back(eve)])
  const fay = await enter('night')
  t.after(() => endAll(fay.context()))
  await Promise.all([open(dan, 2), open(eve, 2), open(fay, 2)])
  assert.equal(await dan.evaluate(() => document.querySelector('#log').textContent.includes('has left')), false)
  await say(dan, 'three of us')
  await Promise.all([sees(eve, 'three of us'), sees(fay, 'three of us')])
  assert.deepEqual([...dan.complaints, ...eve.complaints, ...fay.complaints], [])
})

test('calls are apart, and a page that breaks the rules is told so', TIMEOUT, async (t) => {
  const gus = await enter('one')
  const hal = await enter('two')
  t.after(() => endAll(gus.context(), hal.context()))
  const bad = await enter('not%20a%20word')
  t.after(() => endAll(bad.context()))
  await sees(bad, '40 letters and digits')
  await gus.evaluate(() => self.session.send('no signal'))
  await sees(gus, 'that was no signal')
  assert.equal(await hal.evaluate(() => self.peers.size), 0)
})
