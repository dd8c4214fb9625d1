/**
 * Checks the committed `dist/`: it is made from these sources, its script for old browsers is ES3, and both
 * are small.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'acorn'
import { build } from './build.mjs'
import { CODINGS, contentOf } from './codings.mjs'

const dist = fileURLToPath(new URL('dist', import.meta.url))

/** The most bytes that a script may have as the best brotli compresses it. */
export const BUDGETS = { 'anywire.js': 8500, 'anywire.mjs': 5800 }

export const compressedSize = (name) => CODINGS.br.encode(contentOf(join(dist, name))).length

/** Throws where the script is not ES3, or uses a word that ES3 reserves. */
export const parseES3 = (script) => parse(script, { ecmaVersion: 3, allowReserved: 'never' })

const staleFiles = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'anywire-'))
  try {
    await build(folder)
    const names = new Set([...readdirSync(folder), ...readdirSync(dist)])
    return [...names].filter((name) => contentOf(join(folder, name)) !== contentOf(join(dist, name)))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = []
  for (const name of await staleFiles()) faults.push(`dist/${name} is stale: npm run build`)
  for (const [name, budget] of Object.entries(BUDGETS)) {
    const size = compressedSize(name)
    console.log(`dist/${name}: ${size} of ${budget} bytes with brotli`)
    if (size > budget) faults.push(`dist/${name} is over its budget`)
  }
  try {
    parseES3(contentOf(join(dist, 'anywire.js')))
  } catch (error) {
    faults.push(`dist/anywire.js is not ES3: ${error.message}`)
  }
  for (const fault of faults) console.error(fault)
  process.exitCode = faults.length ? 1 : 0
}
