/**
 * Checks the committed `dist/`: it is made from these sources, its script for old browsers is ES3, the others
 * are ES2018, and those that pages load are small.
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
export const BUDGETS = { 'anywire.js': 12400, 'anywire.mjs': 9550, 'io.js': 13900, 'io.mjs': 10960, 'socket.js': 12900, 'socket.mjs': 10050 }

/** The most bytes, compressed too, that the face of a WebSocket adds to the plain script. */
export const FACE = 500

/** How many bytes it adds to the script with this ending. */
export const faceSize = (ending) => compressedSize(`socket.${ending}`) - compressedSize(`anywire.${ending}`)

export const compressedSize = (name) => CODINGS.br.encode(contentOf(join(dist, name))).length

/** Throws where the script is not ES3, or uses a word that ES3 reserves. */
export const parseES3 = (script) => parse(script, { ecmaVersion: 3, allowReserved: 'never' })

/** Throws where a script uses newer syntax than that of 2018. */
export const parseES2018 = (script, sourceType) => parse(script, { ecmaVersion: 2018, sourceType })

/** The same, but for the one address of the module itself, which came two years later. */
export const parseModule = (script) => parseES2018(script.replace('import.meta.url', '""'), 'module')

/** How each script of `dist/` is parsed. */
export const SYNTAX = {
  'anywire.js': parseES3,
  'anywire.mjs': (script) => parseES2018(script, 'module'),
  'anywire.cjs': (script) => parseES2018(script, 'script'),
  'io.js': parseES3,
  'io.mjs': parseModule,
  'io.cjs': (script) => parseES2018(script, 'script'),
  'socket.js': parseES3,
  'socket.mjs': (script) => parseES2018(script, 'module'),
  'socket.cjs': (script) => parseES2018(script, 'script')
}

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
  for (const ending of ['js', 'mjs']) {
    console.log(`socket.${ending} is anywire.${ending} and ${faceSize(ending)} of ${FACE} bytes`)
    if (faceSize(ending) > FACE) faults.push(`the face of socket.${ending} is over its budget`)
  }
  for (const [name, check] of Object.entries(SYNTAX)) {
    try {
      check(contentOf(join(dist, name)))
    } catch (error) {
      faults.push(`the syntax of dist/${name} is too new: ${error.message}`)
    }
  }
  for (const fault of faults) console.error(fault)
  process.exitCode = faults.length ? 1 : 0
}
