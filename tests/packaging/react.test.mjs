// The hook of the guide in React's StrictMode, which mounts each component twice: one session is on the server.

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFile, writeFile, mkdir } from 'node:fs/promises'
import { build } from 'esbuild'
import { JSDOM } from 'jsdom'
import { TEXT, here, install, serve } from './support.mjs'

/** The block of the guide that has the hook. */
const hook = async () => {
  const guide = await readFile(here('../../src/guide/clients.md'), 'utf8')
  const blocks = [...guide.matchAll(/^```jsx\n(.*?)^```$/gms)].map(([, code]) => code)
  const found = blocks.filter((code) => code.includes('export function useAnywire'))
  assert.equal(found.length, 1)
  return found[0]
}

const APP = `
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { useAnywire } from './hook.jsx'

function Chat({ url }) {
  const { messages, send, state } = useAnywire(url)
  return <button onClick={() => send('${TEXT}')}>{state} {messages.join()}</button>
}

export function start(element, url) {
  const root = createRoot(element)
  root.render(<StrictMode><Chat url={url} /></StrictMode>)
  return () => root.unmount()
}
`

/** Waits until the check holds; the test's own time limit ends it otherwise. */
const until = async (check) => {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 20))
}

test('the hook of the guide under StrictMode', { timeout: 120_000 }, async (t) => {
  await install(t)
  const server = await serve(t)
  // Below the tools, so that the packages are found.
  const folder = here('node_modules/.react')
  await mkdir(folder, { recursive: true })
  await writeFile(`${folder}/hook.jsx`, await hook())
  await writeFile(`${folder}/app.jsx`, APP)
  await build({ entryPoints: [`${folder}/app.jsx`], bundle: true, format: 'iife', globalName: 'app', jsx: 'automatic', define: { 'process.env.NODE_ENV': '"development"' }, outfile: `${folder}/app.js`, logLevel: 'error' })

  const dom = new JSDOM('<!doctype html><div id=app></div>', { runScripts: 'outside-only', url: server.url, pretendToBeVisual: true })
  t.after(() => dom.window.close())
  const { window } = dom
  window.eval(`${await readFile(`${folder}/app.js`, 'utf8')};window.app = app`)
  const element = window.document.getElementById('app')
  const unmount = window.app.start(element, '/live')
  const shown = () => element.textContent
  await until(() => shown() === 'open ')
  assert.equal(await server.sessions(), 1)
  element.firstChild.click()
  await until(() => shown() === `open ${TEXT}`)
  assert.equal(await server.sessions(), 1)
  unmount()
  await until(async () => (await server.sessions()) === 0)
})
