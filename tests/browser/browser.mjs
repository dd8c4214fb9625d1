// Headless Chromium, driven by the playwright-core that the client's folder has installed.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const { chromium } = createRequire(new URL('../../client-js/package.json', import.meta.url))('playwright-core')

const PLACES = [process.env.ANYWIRE_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const PLAIN = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'
]
const FLAGS = [...PLAIN, '--disable-background-timer-throttling', '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows']

function program() {
  const path = PLACES.find((place) => place && existsSync(place))
  if (!path) throw new Error('Chromium is missing: install it, or set ANYWIRE_CHROMIUM to its path')
  return path
}

/** `flags` are further flags of Chromium, `options` further options of playwright. */
export async function launch({ flags = [], ...options } = {}) {
  return chromium.launch({ executablePath: program(), args: [...FLAGS, ...flags], ...options })
}

/**
 * A window whose tabs are hidden, slowed down and frozen as a user's are: a window of playwright keeps all of
 * them in front. `open(url)` makes a tab in front of the others.
 */
export async function launchWindow() {
  const profile = await mkdtemp(join(tmpdir(), 'anywire-'))
  const args = [...PLAIN, '--headless', '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank']
  const child = spawn(program(), args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(child, 'exit')
  const address = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`Chromium ended with ${code}`)))
    createInterface({ input: child.stderr }).on('line', (line) => {
      const found = /DevTools listening on (ws:\S+)/.exec(line)
      if (found) resolve(found[1])
    })
  })
  const browser = await chromium.connectOverCDP(address, { noDefaults: true })
  const [context] = browser.contexts()
  return {
    async open(url) {
      const page = await context.newPage()
      await page.goto(url)
      await page.bringToFront()
      return page
    },
    async close() {
      await browser.close()
      child.kill()
      await ended
      await rm(profile, { recursive: true, force: true, maxRetries: 5 })
    }
  }
}

/** A page with a profile of its own at `url`; the errors that it throws or logs are in `page.complaints`. */
export async function visit(browser, url, first) {
  const context = await browser.newContext()
  const page = await context.newPage()
  if (first) await page.addInitScript(first)
  page.complaints = []
  page.on('pageerror', (error) => page.complaints.push(error.message))
  await page.goto(url)
  return page
}
