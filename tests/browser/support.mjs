// Shared by the browser tests: a page with the client and the checks in it, and sessions in that page that
// are driven from this process.

import { fileURLToPath } from 'node:url'
import { FaultProxy } from '../proxies/fault-proxy.mjs'
import { visit } from './browser.mjs'

export const PAGE = fileURLToPath(new URL('page.js', import.meta.url))

/** The two bundles, and which transports each has. */
export const BUNDLES = {
  es3: ['websocket', 'xhr-stream', 'xhr-poll'],
  module: ['websocket', 'fetch-stream', 'xhr-poll']
}

/** A page from the lab at `origin`, with the bundle as `self.anywire`. */
export async function openPage(browser, origin, bundle = 'es3') {
  const page = await visit(browser, `${origin}/page`)
  await inject(page, bundle)
  return page
}

/** Adds the client and the checks to a page of the lab. */
export async function inject(page, bundle) {
  if (bundle === 'module') {
    await page.evaluate(async () => {
      self.anywire = await import('/live/client.mjs')
    })
  }
  await page.addScriptTag({ path: PAGE })
}

/**
 * Opens a session in the page and returns an object that drives it. The messages of `first` are sent at once,
 * before the session is open.
 */
export async function openSession(page, options, first = [], url = '/live') {
  const index = await page.evaluate(
    ({ options, first, url }) => {
      const watched = self.lab.open(url, options)
      for (const message of first) watched.send(message)
      return self.lab.sessions.length - 1
    },
    { options, first, url }
  )
  const call = (run, argument) =>
    page.evaluate(`(${run})(self.lab.sessions[${index}], ${JSON.stringify(argument) ?? 'undefined'})`)
  return {
    index,
    call,
    report: () => call((watched) => watched.report()),
    send: (...messages) => call((watched, all) => all.map((message) => watched.send(message)), messages),
    opened: () => call((watched) => self.lab.until(() => watched.session.state === 'open')),
    flushed: () => call((watched) => watched.session.flush()),
    texts: () => call((watched) => watched.messages.map((message) => message.data)),
    /** Waits for a text that begins with `prefix`, and returns it. */
    received: (prefix) =>
      call(
        (watched, start) => self.lab.until(() => watched.messages.find((m) => m.kind === 'text' && m.data.startsWith(start))?.data),
        prefix
      )
  }
}

export function proxyFor(lab, options = {}) {
  return FaultProxy.listen({ target: lab.port, ...options })
}

/** Ends everything in order, in any state that it is in. */
export async function endAll(...things) {
  for (const thing of things) await (thing?.close ?? thing?.stop)?.call(thing)
}
