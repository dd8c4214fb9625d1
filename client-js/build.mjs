/**
 * Builds `dist/`, or with an argument another folder: rollup joins the modules, babel makes ES3 of one
 * bundle, terser compresses.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { transformAsync } from '@babel/core'
import { rollup } from '@rollup/wasm-node'
import { minify } from 'terser'
import { CODINGS, contentOf } from './codings.mjs'

const path = (name) => fileURLToPath(new URL(name, import.meta.url))

const LEGACY = /\?legacy$/

/**
 * Replaces `LEGACY` by a constant. It is true in modules that are imported with `?legacy`, and in those that
 * they import.
 */
const flags = (legacy) => ({
  name: 'flags',
  async resolveId(source, importer = '') {
    if (!LEGACY.test(source) && !LEGACY.test(importer)) return null
    const found = await this.resolve(source.replace(LEGACY, ''), importer.replace(LEGACY, ''), { skipSelf: true })
    return `${found.id}?legacy`
  },
  load: (id) => (LEGACY.test(id) ? readFileSync(id.replace(LEGACY, ''), 'utf8') : null),
  // The constant is as long as the word, so that the source map stays right.
  transform: (code, id) => ({ code: code.replace(/\bLEGACY\b/g, legacy || LEGACY.test(id) ? 'true  ' : 'false '), map: null })
})

const bundle = async (input, format, legacy) => {
  const built = await rollup({ input: path(input), plugins: [flags(legacy)] })
  const options = { strict: false, esModule: false, freeze: false, externalLiveBindings: false, generatedCode: { constBindings: true } }
  const { output } = await built.generate({ ...options, format, name: 'anywire', sourcemap: true })
  const { code, map } = output[0]
  map.sources = map.sources.map((source) => source.replace(/^.*src\//, '../src/'))
  return { code, map }
}

/** The oldest syntax: no reserved word as the name of a property, and nothing newer than 1999. */
const toES3 = ({ code, map }) =>
  transformAsync(code, {
    configFile: false,
    babelrc: false,
    sourceType: 'script',
    inputSourceMap: map,
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

/** Properties of our own end in an underscore, and get short names. */
const compress = ({ code, map }, name, options) =>
  minify(code, {
    ...options,
    compress: { passes: 4, pure_getters: true },
    mangle: { properties: { regex: /_$/ } },
    sourceMap: { content: map, filename: name, url: `${name}.map` }
  })

const legacy = async (input, name) => compress(await toES3(await bundle(input, 'iife', true)), name, { ie8: true, safari10: true, ecma: 5 })

const current = async (input, name) => compress(await bundle(input, 'es', false), name, { module: true, ecma: 2020 })

/** The script for old browsers, from any file: its default export becomes the global `anywire`. */
export const script = (input) => legacy(input, 'anywire.js')

export const build = async (folder) => {
  const write = (name, text) => writeFileSync(`${folder}/${name}`, text)
  mkdirSync(folder, { recursive: true })
  // Pages load these two, and may check their hashes.
  const served = { 'anywire.js': await legacy('src/legacy.js', 'anywire.js'), 'anywire.mjs': await current('src/index.js', 'anywire.mjs') }
  for (const [name, { code, map }] of Object.entries(served)) {
    write(name, code)
    write(`${name}.map`, `${map}\n`)
    for (const ending in CODINGS) {
      // Versions of zlib compress differently: a file that already holds this script stays as it is.
      if (contentOf(`${folder}/${name}.${ending}`) !== code) write(`${name}.${ending}`, CODINGS[ending].encode(code))
    }
    write(`${name}.sha384`, `sha384-${createHash('sha384').update(code).digest('base64')}`)
  }
  write('machine.mjs', (await current('src/machine.js', 'machine.mjs')).code.replace(/\n?\/\/# sourceMappingURL.*\n?$/, '\n'))
  write('anywire.d.ts', readFileSync(path('src/types.d.ts'), 'utf8'))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build(process.argv[2] || path('dist'))
