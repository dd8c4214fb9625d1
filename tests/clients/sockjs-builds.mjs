// The builds of SockJS's client for browsers, of each generation.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { here } from './support.mjs'

const installed = (path) => here(`node_modules/${path}`)

/** The file that a browser's build has in place of `path`: a package may name another for each of its files. */
function forBrowsers(path, asked, packages) {
  const { folder, browser } = packages.of(path)
  if (typeof browser === 'string') return join(folder, browser)
  const inside = `./${relative(folder, path)}`
  const other = browser?.[inside] ?? browser?.[asked]
  return other ? join(folder, other) : path
}

/** The packages that files belong to. */
class Packages {
  #known = new Map()

  of(path) {
    const folder = dirname(path)
    if (!this.#known.has(folder)) this.#known.set(folder, this.#read(folder))
    return this.#known.get(folder)
  }

  #read(folder) {
    try {
      return { folder, browser: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).browser }
    } catch (error) {
      if (error.code !== 'ENOENT') throw error
      return this.of(folder)
    }
  }
}

/** A generation that was published without a build: its modules in one script, which makes the global `SockJS`. */
function built(entry) {
  const packages = new Packages()
  const numbers = new Map()
  const bodies = []
  const resolve = (asked, from) => {
    const own = packages.of(from)
    // A name may be another file, as those of Node's own modules are.
    if (typeof own.browser?.[asked] === 'string') return join(own.folder, own.browser[asked])
    return forBrowsers(createRequire(from).resolve(asked), asked, packages)
  }
  const add = (path) => {
    if (numbers.has(path)) return numbers.get(path)
    const number = numbers.size
    numbers.set(path, number)
    const text = readFileSync(path, 'utf8')
    const names = {}
    // Its reports for its developers are left out, as in its own builds.
    for (const [, name] of text.matchAll(/require\('([^']+)'\)/g)) if (name !== 'debug') names[name] = add(resolve(name, path))
    bodies[number] = `[function (require, module, exports) {\n${text}\n}, ${JSON.stringify(names)}]`
    return number
  }
  add(entry)
  return `(function (global, process) {
  var modules = [${bodies.join(',\n')}], made = []
  function load(number) {
    var module = made[number]
    if (module) return module.exports
    module = made[number] = { exports: {} }
    modules[number][0].call(global, function (name) { return load(modules[number][1][name]) }, module, module.exports)
    return module.exports
  }
  global.SockJS = load(0)
})(window, { env: { NODE_ENV: 'production' } })`
}

const read = (path) => readFileSync(installed(path), 'utf8')

/**
 * The text of each build, by its version. Of the generation before 1.0 there is no package; a library that wraps
 * several clients has its build as it was.
 */
export const BUILDS = {
  '0.3.4': () => read('primus/transformers/sockjs/library.js'),
  '1.0.3': () => built(installed('sockjs-client-1.0/lib/entry.js')),
  '1.6.1': () => read('sockjs-client/dist/sockjs.min.js')
}
