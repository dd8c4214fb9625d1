/** The package as npm would hand it out: what a bundler or Node finds in it. */
import { before, after, test } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createContext, runInContext } from 'node:vm'

const home = fileURLToPath(new URL('..', import.meta.url))

/** All of `dist/` but what only the tests of this repository need. */
const DIST = readdirSync(join(home, 'dist')).filter((name) => name !== 'machine.mjs')

let folder
let installed
let packed

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'anywire-package-'))
  const [{ filename, files }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: home, encoding: 'utf8' }))
  packed = files.map(({ path }) => path)
  installed = join(folder, 'node_modules/anywire')
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['-xzf', join(folder, filename), '-C', installed, '--strip-components=1'])
})

after(() => rmSync(folder, { recursive: true }))

const read = (name) => readFileSync(join(installed, name), 'utf8')

/** Runs a program in the folder; it must not write to the standard error, where warnings go. */
const run = (type, code) => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [`--input-type=${type}`, '-e', code], { cwd: folder, encoding: 'utf8' })
  assert.deepEqual({ stderr, status }, { stderr: '', status: 0 })
  return stdout.trim()
}

test('the package holds what it should, and nothing else', () => {
  for (const name of ['anywire.cjs', 'anywire.d.mts', 'anywire.d.ts', 'anywire.js', 'anywire.mjs', 'global.d.ts', 'io.cjs', 'io.d.mts', 'io.d.ts', 'io.js', 'io.mjs', 'package.json', 'socket.cjs', 'socket.d.mts', 'socket.d.ts', 'socket.js', 'socket.mjs']) assert.ok(DIST.includes(name), name)
  const sources = readdirSync(join(home, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(home.length).replaceAll('\\', '/'))
  assert.deepEqual(packed.sort(), [...['README.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'package.json'], ...DIST.map((name) => `dist/${name}`), ...sources].sort())
})

test('each file that the manifest names is there', () => {
  const manifest = JSON.parse(read('package.json'))
  const names = (value) => (typeof value === 'string' ? [value] : Object.values(value).flatMap(names))
  const { main, module, types, unpkg, jsdelivr, sideEffects, exports } = manifest
  for (const name of names([main, module, types, unpkg, jsdelivr, sideEffects, exports])) assert.ok(read(name), name)
  // TypeScript takes the first condition that fits: types come first.
  for (const conditions of [exports['.'].import, exports['.'].require, exports['./io'].import, exports['./io'].require, exports['./socket'].import, exports['./socket'].require, exports['./global']]) assert.equal(Object.keys(conditions)[0], 'types')
})

test('the sources that a map names are in the package', () => {
  for (const name of ['anywire.js', 'anywire.mjs', 'anywire.cjs', 'io.js', 'io.mjs', 'io.cjs', 'socket.js', 'socket.mjs', 'socket.cjs']) {
    assert.match(read(`dist/${name}`), new RegExp(`\\n//# sourceMappingURL=${name}\\.map\\n?$`))
    const map = JSON.parse(read(`dist/${name}.map`))
    assert.ok(map.sources.includes('../src/session.js'))
    for (const source of map.sources) read(join('dist', source))
  }
})

test('Node imports it as a module, requires it, and gets the global', () => {
  assert.equal(run('module', "import { connect } from 'anywire'; console.log(typeof connect)"), 'function')
  assert.equal(run('commonjs', "console.log(typeof require('anywire').connect)"), 'function')
  assert.equal(run('module', "import { connect } from './node_modules/anywire/dist/anywire.cjs'; console.log(typeof connect)"), 'function')
  assert.equal(run('module', "import 'anywire/global'; console.log(typeof anywire.connect)"), 'function')
  assert.equal(run('commonjs', "require('anywire/global'); console.log(typeof globalThis.anywire.connect)"), 'function')
  assert.equal(run('module', "import io, { io as named, connect } from 'anywire/io'; console.log(typeof io, io === named && io === connect)"), 'function true')
  assert.equal(run('commonjs', "const { io, connect, default: all } = require('anywire/io'); console.log(typeof io, io === all && io === connect)"), 'function true')
  assert.equal(run('module', "import './node_modules/anywire/dist/io.js'; console.log(typeof globalThis.io, globalThis.anywire)"), 'function undefined')
  assert.equal(run('module', "import { Socket, connect } from 'anywire/socket'; console.log(typeof Socket, typeof connect, Socket.OPEN)"), 'function function 1')
  assert.equal(run('commonjs', "const { Socket, connect } = require('anywire/socket'); console.log(typeof Socket, typeof connect, Socket.OPEN)"), 'function function 1')
  assert.equal(run('module', "import './node_modules/anywire/dist/socket.js'; console.log(typeof anywire.Socket, typeof anywire.connect)"), 'function function')
})

test('nothing of the surroundings is touched at import time', () => {
  const names = 'TextDecoder TextEncoder localStorage sessionStorage crypto location document navigator WebSocket EventSource XMLHttpRequest fetch queueMicrotask setTimeout process'
  const load = (name, wrapping) => {
    const touched = []
    const context = createContext({})
    for (const each of names.split(' ')) Object.defineProperty(context, each, { get: () => touched.push(each), configurable: true })
    const result = runInContext(wrapping(read(`dist/${name}`)), context)
    return { touched, result, context }
  }
  const withExports = (code) => `(function (exports) { ${code}\nreturn exports })({})`
  const required = load('anywire.cjs', withExports)
  assert.deepEqual([typeof required.result.connect, required.touched], ['function', []])
  const imported = load('anywire.mjs', (code) => withExports(code.replace(/export\{(\w+) as connect\}/, 'exports.connect=$1')))
  assert.deepEqual([typeof imported.result.connect, imported.touched], ['function', []])
  const global = load('anywire.js', (code) => code)
  assert.deepEqual([typeof runInContext('anywire', global.context).connect, global.touched], ['function', []])
  const compatible = load('io.cjs', withExports)
  assert.deepEqual([typeof compatible.result.io, compatible.touched], ['function', []])
  const faced = load('socket.cjs', withExports)
  assert.deepEqual([typeof faced.result.Socket, faced.touched], ['function', []])
  const facedGlobal = load('socket.js', (code) => code)
  assert.deepEqual([typeof runInContext('anywire.Socket', facedGlobal.context), facedGlobal.touched], ['function', []])
  // A script for any browser looks for its own address.
  assert.deepEqual(load('io.js', (code) => code).touched, ['document'])
  // A look-up shows.
  assert.deepEqual(load('anywire.cjs', () => 'crypto').touched, ['crypto'])
})

test('TypeScript finds the types', () => {
  const tsc = join(home, 'node_modules/.bin/tsc')
  const check = (name, code, options) => {
    const program = join(folder, name)
    writeFileSync(program, code)
    execFileSync(tsc, ['--noEmit', '--strict', '--lib', 'es2022,dom', ...options, program], { cwd: folder })
  }
  const code = "import { connect } from 'anywire'\nconst sent: boolean = connect('/live', { transports: ['websocket'] }).send('x')\nsent\n"
  const nodenext = ['--module', 'nodenext', '--moduleResolution', 'nodenext']
  const io = "import defaultIo, { io } from 'anywire/io'\nconst id: string | undefined = io('/admin', { auth: { token: 'a' } }).id\nid\ndefaultIo()\n"
  const socket = "import { Socket, connect } from 'anywire/socket'\nnew Socket('/stomp').onopen = ({ target }) => target.send('x')\nconnect('/live')\n"
  check('socket.mts', socket, nodenext)
  check('socket.cts', socket, nodenext)
  check('io.mts', io, nodenext)
  check('io.cts', io, nodenext)
  check('program.mts', code, nodenext)
  check('program.cts', code, nodenext)
  check('global.ts', "import 'anywire/global'\nconst session: anywire.Session = self.anywire.connect('/live')\nsession\n", nodenext)
})

test('the hashes are those of the files', () => {
  for (const name of ['anywire.js', 'anywire.mjs', 'io.js', 'io.mjs', 'socket.js', 'socket.mjs']) {
    const hash = createHash('sha384').update(readFileSync(join(home, 'dist', name))).digest('base64')
    assert.equal(readFileSync(join(home, 'dist', `${name}.sha384`), 'utf8'), `sha384-${hash}`)
  }
})
