/** Builds `dist/`, or with an argument another folder. */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { rollup } from 'rollup'
import { transformAsync } from '@babel/core'
import { minify } from 'terser'
import { choose, nth, survey } from './rename.mjs'

const here = new URL('.', import.meta.url)
const path = (name) => fileURLToPath(new URL(name, here))
const read = (name) => readFileSync(path(name), 'utf8')

const LEGACY = /\?legacy$/

/** Sets `LEGACY`; in modules imported with `?legacy`, and in those that they import, it is true. */
const flags = (legacy) => ({
  name: 'flags',
  async resolveId(source, importer = '') {
    if (!LEGACY.test(source) && !LEGACY.test(importer)) return null
    const found = await this.resolve(source.replace(LEGACY, ''), importer.replace(LEGACY, ''), { skipSelf: true })
    return `${found.id}?legacy`
  },
  load: (id) => (LEGACY.test(id) ? readFileSync(id.replace(LEGACY, ''), 'utf8') : null),
  // As long as the word, so that the source map stays right.
  transform: (code, id) => ({ code: code.replace(/\bLEGACY\b/g, legacy || LEGACY.test(id) ? 'true  ' : 'false '), map: null })
})

const bundle = async (input, format, legacy) => {
  const built = await rollup({ input: path(input), plugins: [flags(legacy)] })
  const { output } = await built.generate({
    format,
    name: 'anywire',
    strict: false,
    esModule: false,
    freeze: false,
    externalLiveBindings: false,
    sourcemap: true,
    generatedCode: { constBindings: true }
  })
  const { code, map } = output[0]
  map.sources = map.sources.map((source) => source.replace(/^.*src\//, '../src/'))
  // Declarations of one kind join, and pack better.
  return { code: code.replace(/\bconst /g, 'let   '), map }
}

/** The plainest syntax there is: no reserved word as a property, nothing newer than 1999. */
const toES3 = ({ code, map }) =>
  transformAsync(code, {
    configFile: false,
    babelrc: false,
    sourceType: 'script',
    inputSourceMap: map,
    sourceMaps: true,
    compact: false,
    assumptions: { noNewArrows: true, ignoreFunctionLength: true, iterableIsArray: true, mutableTemplateObject: true, noDocumentAll: true },
    presets: [
      [
        '@babel/preset-env',
        {
          targets: { ie: '8' },
          modules: false,
          exclude: ['transform-typeof-symbol'],
          include: ['transform-property-literals', 'transform-member-expression-literals', 'transform-reserved-words']
        }
      ]
    ]
  })

/** Compresses; what can be renamed, and how to print it once it is. */
const compress = async ({ code, map }, options, name) => {
  const { ast } = await minify(code, {
    ...options,
    compress: { passes: 4, pure_getters: true, ...options.compress },
    mangle: { nth_identifier: { get: nth } },
    format: { ast: true, code: false }
  })
  const print = async () => {
    const result = await minify(ast, {
      ...options,
      compress: false,
      mangle: false,
      format: { ast: true },
      sourceMap: map && { content: map, filename: name, url: `${name}.map` }
    })
    return { code: `${result.code}\n`, map: result.map }
  }
  return { items: survey(ast), print }
}

const module = async (input, name) => {
  const { code } = await bundle(input, 'es', false)
  return compress({ code }, { module: true, ecma: 2020, compress: { unsafe_arrows: true, reduce_funcs: false, booleans_as_integers: true } }, name)
}

const legacy = async (input) => compress(await toES3(await bundle(input, 'iife', true)), { ie8: true, ecma: 5, safari10: true }, 'anywire.js')

/** How to come by the files of `dist/` that are scripts, before anything is renamed. */
export const scripts = {
  'anywire.js': () => legacy('src/legacy.js'),
  'anywire.mjs': () => module('src/index.js', 'anywire.mjs'),
  'machine.mjs': () => module('src/machine.js', 'machine.mjs')
}

/** Prints with the names of `names.json`, with which the whole packs well. */
const named = ({ items, print }, name) => {
  choose(items, JSON.parse(read('names.json'))[name])
  for (const item of items) if (!item.fixed) item.rename(item.now)
  return print()
}

/** What old browsers run, from any file: its default export becomes the global `anywire`. */
export const script = async (input) => named(await legacy(input), 'anywire.js')

/** What pages load, and may want to know the hash of. */
const SERVED = ['anywire.js', 'anywire.mjs']

export const build = async (folder) => {
  mkdirSync(folder, { recursive: true })
  const write = (name, text) => writeFileSync(`${folder}/${name}`, text)
  for (const [name, make] of Object.entries(scripts)) {
    const { code, map } = await named(await make(), name)
    write(name, code)
    if (SERVED.includes(name)) write(`${name}.sha384`, `sha384-${createHash('sha384').update(code).digest('base64')}`)
    if (map) write(`${name}.map`, `${map}\n`)
  }
  write('anywire.d.ts', read('src/types.d.ts'))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build(process.argv[2] || path('dist'))
