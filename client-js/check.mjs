/** What the committed `dist/` must be: made from the sources, ES3 where it says so, small. */
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parse } from 'acorn'
import { build } from './build.mjs'

const dist = (name) => new URL(`dist/${name}`, import.meta.url)

/** Bytes after `gzip -9`. */
export const LIMITS = { 'anywire.js': 7500, 'anywire.mjs': 4500 }

export const packed = (name) => {
  const script = readFileSync(dist(name))
  try {
    return execFileSync('gzip', ['-9c'], { input: script }).length
  } catch {
    return gzipSync(script, { level: 9 }).length
  }
}

/** Throws where the script is not ES3, or uses a word that ES3 reserves. */
export const parseES3 = (script) => parse(script, { ecmaVersion: 3, allowReserved: 'never' })

export const stale = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'anywire-'))
  try {
    await build(folder)
    const names = new Set([...readdirSync(folder), ...readdirSync(dist('.'))])
    const read = (path) => {
      try {
        return readFileSync(path, 'utf8')
      } catch {
        return null
      }
    }
    return [...names].filter((name) => read(join(folder, name)) !== read(dist(name)))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const wrong = []
  for (const name of await stale()) wrong.push(`dist/${name} is stale: npm run build`)
  for (const [name, limit] of Object.entries(LIMITS)) {
    console.log(`dist/${name}: ${packed(name)} of ${limit} bytes`)
    if (packed(name) >= limit) wrong.push(`dist/${name} is over its limit; after larger changes \`npm run names\` makes it smaller`)
  }
  try {
    parseES3(readFileSync(dist('anywire.js'), 'utf8'))
  } catch (error) {
    wrong.push(`dist/anywire.js is not ES3: ${error.message}`)
  }
  for (const line of wrong) console.error(line)
  process.exitCode = wrong.length ? 1 : 0
}
