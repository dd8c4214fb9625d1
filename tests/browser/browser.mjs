// Headless Chromium, driven by the playwright-core that the client's folder has installed.

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

const { chromium } = createRequire(new URL('../../client-js/package.json', import.meta.url))('playwright-core')

const PLACES = [process.env.ANYWIRE_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-background-timer-throttling', '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows'
]

/** `options` are playwright's, beyond what all tests want. */
export async function launch(options = {}) {
  const executablePath = PLACES.find((place) => place && existsSync(place))
  if (!executablePath) throw new Error('Chromium is missing: install it, or set ANYWIRE_CHROMIUM to its path')
  return chromium.launch({ executablePath, args: FLAGS, ...options })
}

/** A page of its own profile at `url`; what it throws or logs as an error lands in `page.complaints`. */
export async function visit(browser, url) {
  const context = await browser.newContext()
  const page = await context.newPage()
  page.complaints = []
  page.on('pageerror', (error) => page.complaints.push(error.message))
  await page.goto(url)
  return page
}
