// The proxies as the guide's chapter sets them up: the blocks are read out of it, and only addresses are put in.

import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { cached, run } from '../../browser/engines/install.mjs'

const chapter = readFileSync(new URL('../../../src/guide/proxies.md', import.meta.url), 'utf8')

/** The block of the chapter in this language. */
function block(language) {
  const found = new RegExp('```' + language + '\\n([^]*?)```').exec(chapter)
  if (!found) throw new Error(`the chapter has no block for ${language}`)
  return found[1]
}

/** The block with addresses put in: `[what stands there, what is run]`, each of which must stand there. */
function placed(language, ...pairs) {
  return pairs.reduce((text, [there, here]) => {
    if (!text.includes(there)) throw new Error(`the block for ${language} has no ${there}`)
    return text.replaceAll(there, here)
  }, block(language))
}

const upstream = ({ target }) => ['127.0.0.1:8080', `127.0.0.1:${target}`]

/** The server block, without what surrounds it in a file of nginx. The lab's pages are outside of `/live/`. */
export const nginxOfTheGuide = (place) =>
  placed('nginx', upstream(place), ['listen 80;', `listen 127.0.0.1:${place.port};`], ['server_name chat.example.org;', ''], ['location /live/', 'location /'])

export const haproxyOfTheGuide = (place) => placed('haproxy', upstream(place), ['bind :80', `bind 127.0.0.1:${place.port}`])

export const caddyOfTheGuide = (place) => `{
  admin off
  auto_https off
}
${placed('caddyfile', upstream(place), ['chat.example.org', `http://:${place.port}`], ['/live/* ', ''])}`

/** Vite has the pages of the lab behind it too. */
export const viteOfTheGuide = (place) => placed('js', upstream(place), ["'/live'", "'/'"])

/** Vite with what it needs, in the cache. */
export const vite = async () => {
  const root = await cached('vite', async (folder) => {
    await mkdir(folder, { recursive: true })
    await run('npm', ['install', '--loglevel=error', '--no-audit', '--no-fund', '--prefix', folder, 'vite@7'])
  })
  return { program: process.execPath, root, env: {} }
}
