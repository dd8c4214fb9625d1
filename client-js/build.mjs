/**
 * Builds `dist/`, or with an argument another folder: rollup joins the modules, babel makes ES3 of one
 * bundle and ES2018 of the others, terser compresses.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { transformAsync } from '@babel/core'
import { rollup } from '@rollup/wasm-node'
import { minify } from 'terser'
import { CODINGS, contentOf } from './codings.mjs'

const path = (name) => fileURLToPath(new URL(name, import.meta.url))

/** Pages load these from a server, and may check their hashes. */
const SERVED = ['anywire.js', 'anywire.mjs', 'io.js', 'io.mjs', 'socket.js', 'socket.mjs']

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

const bundle = async (input, format, legacy, name = 'anywire') => {
  const built = await rollup({ input: path(input), plugins: [flags(legacy)] })
  const exports = format === 'iife' ? 'default' : 'named'
  // A program that is compiled to CommonJS finds a default export only so.
  const esModule = format === 'cjs' && name === 'io'
  const options = { exports, strict: false, esModule, freeze: false, externalLiveBindings: false, generatedCode: { constBindings: true } }
  const { output } = await built.generate({ ...options, format, name, sourcemap: true })
  const { map } = output[0]
  // The global is set as a property, because a `var` is none where a bundler makes a module of the script.
  // The text before the sources' first line stays on one line, so that the source map stays right.
  const code = output[0].code.replace(`var ${name} = `, `(typeof self === 'undefined' ? globalThis : self).${name} = `)
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

/** Our own properties end in an underscore. */
const OWN = /_$/

/** Short names in the order in which they are given away: none is that of a variable, which shortens the compressed file. */
const LETTERS = '_$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
const SHORT = [...LETTERS, ...[...LETTERS].flatMap((first) => [...LETTERS].map((second) => first + second))].filter((name) => !/^(do|if|in)$/.test(name))

/** A short name for each property of our own: the more often it occurs, the shorter. */
const shortNames = (code) => {
  const counts = new Map()
  for (const [name] of code.matchAll(/\b[a-z]\w*_\b/gi)) counts.set(name, (counts.get(name) ?? 0) + 1)
  const byCount = [...counts].sort(([, one], [, other]) => other - one)
  return { props: Object.fromEntries(byCount.map(([name], at) => [`$${name}`, SHORT[at]])) }
}

const compress = ({ code, map }, name, { compress: compressOptions, ...options }) =>
  minify(code, {
    ...options,
    compress: { passes: 10, pure_getters: true, lhs_constants: false, ...compressOptions },
    format: { quote_style: 1, keep_quoted_props: true },
    mangle: { properties: { regex: OWN } },
    nameCache: { props: shortNames(code) },
    sourceMap: { content: map, filename: name, url: `${name}.map` }
  })

const legacy = async (input, name, global = name.slice(0, -3)) =>
  compress(await toES3(await bundle(input, 'iife', true, global)), name, { ie8: true, safari10: true, ecma: 5 })

/** No newer syntax than that of 2018, since not every tool chain compiles what is in node_modules. */
const toES2018 = ({ code, map }) =>
  transformAsync(code, {
    configFile: false,
    babelrc: false,
    inputSourceMap: map,
    compact: false,
    assumptions: { noDocumentAll: true, pureGetters: true },
    // This Chrome has all of ES2018, and nothing of ES2019.
    presets: [['@babel/preset-env', { targets: { chrome: '65' }, modules: false }]]
  })

const current = async (input, name, format = 'es') =>
  compress(await toES2018(await bundle(input, format, false, name.slice(0, -4))), name, { module: true, ecma: 2018 })

/** The script for old browsers, from any file: its default export becomes the global `anywire`. */
export const script = (input) => legacy(input, 'anywire.js')

/** The parameters of the generic type whose `<` may be at `at`: a list of texts. */
const parametersOf = (types, at) => {
  const parameters = []
  for (let depth = 0, from = at + 1, end = at; types[at] === '<'; end++) {
    const arrow = types.slice(end - 1, end + 1) === '=>'
    if (/[<([]/.test(types[end])) depth++
    if (/[>)\]]/.test(types[end]) && !arrow) depth--
    if (depth > 1 || (depth && types[end] !== ',')) continue
    parameters.push(types.slice(from, end).trim())
    from = end + 1
    if (!depth) break
  }
  return parameters
}

/** The types of the global `anywire`, which is a value and a namespace with all types of the module. */
const globalTypes = (types) => {
  const aliases = [...types.matchAll(/^export (?:interface|type) (\w+)/gm)].map(({ 0: all, 1: name, index }) => {
    const parameters = parametersOf(types, index + all.length)
    const list = (texts) => (texts.length ? `<${texts.join(', ')}>` : '')
    return `    type ${name}${list(parameters)} = client.${name}${list(parameters.map((text) => /\w+/.exec(text)[0]))}\n`
  })
  return `import type * as client from './anywire'\n\ndeclare global {\n  var anywire: typeof client\n  namespace anywire {\n${aliases.join('')}  }\n}\n`
}

const withoutMap = (code) => code.replace(/\n?\/\/# sourceMappingURL.*\n?$/, '\n')

export const build = async (folder) => {
  const write = (name, text) => writeFileSync(`${folder}/${name}`, text)
  mkdirSync(folder, { recursive: true })
  const scripts = {
    'anywire.js': await legacy('src/legacy.js', 'anywire.js'),
    'anywire.mjs': await current('src/index.js', 'anywire.mjs'),
    'anywire.cjs': await current('src/index.js', 'anywire.cjs', 'cjs'),
    'io.js': await legacy('src/io-legacy.js', 'io.js'),
    'io.mjs': await current('src/io.js', 'io.mjs'),
    'io.cjs': await current('src/io-node.js', 'io.cjs', 'cjs'),
    'socket.js': await legacy('src/socket-legacy.js', 'socket.js', 'anywire'),
    'socket.mjs': await current('src/socket.js', 'socket.mjs'),
    'socket.cjs': await current('src/socket.js', 'socket.cjs', 'cjs')
  }
  for (const [name, { code, map }] of Object.entries(scripts)) {
    write(name, code)
    write(`${name}.map`, `${map}\n`)
  }
  for (const name of SERVED) {
    const { code } = scripts[name]
    for (const ending in CODINGS) {
      // Versions of zlib compress differently: a file that already holds this script stays as it is.
      if (contentOf(`${folder}/${name}.${ending}`) !== code) write(`${name}.${ending}`, CODINGS[ending].encode(code))
    }
    write(`${name}.sha384`, `sha384-${createHash('sha384').update(code).digest('base64')}`)
  }
  write('machine.mjs', withoutMap((await current('src/machine.js', 'machine.mjs')).code))
  const types = readFileSync(path('src/types.d.ts'), 'utf8')
  // TypeScript takes one file for a module and the other for CommonJS, by the nearest package.json.
  write('anywire.d.mts', types)
  write('anywire.d.ts', types)
  for (const name of ['io', 'socket']) {
    const types = readFileSync(path(`src/${name}.d.ts`), 'utf8')
    write(`${name}.d.mts`, types.replace('./anywire.js', './anywire.mjs'))
    write(`${name}.d.ts`, types)
  }
  write('global.d.ts', globalTypes(types))
  write('package.json', '{ "type": "commonjs" }\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build(process.argv[2] || path('dist'))
