/** The package as npm would hand it out: what a bundler or Node finds in it. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const home = new URL('..', import.meta.url).pathname

test('the package is whole', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'anywire-package-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [{ filename, files }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: home, encoding: 'utf8' }))
  const names = files.map(({ path }) => path)
  for (const name of ['README.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'package.json', 'dist/anywire.js', 'dist/anywire.js.map', 'dist/anywire.mjs', 'dist/anywire.mjs.map', 'dist/anywire.d.ts']) {
    assert.ok(names.includes(name), name)
  }
  assert.ok(names.every((name) => /^(dist\/anywire|src\/|README|LICENSE|package\.json)/.test(name)), `${names}`)
  const installed = join(folder, 'node_modules/anywire')
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['-xzf', join(folder, filename), '-C', installed, '--strip-components=1'])

  // The sources that a map names are in the package.
  for (const name of ['anywire.js', 'anywire.mjs']) {
    assert.match(readFileSync(join(installed, 'dist', name), 'utf8'), new RegExp(`\\n//# sourceMappingURL=${name}\\.map\\n?$`))
    const map = JSON.parse(readFileSync(join(installed, 'dist', `${name}.map`), 'utf8'))
    assert.ok(map.sources.includes('../src/session.js'))
    for (const source of map.sources) readFileSync(join(installed, 'dist', source))
  }

  const run = (code) => execFileSync(process.execPath, ['--input-type=module', '-e', code], { cwd: folder, encoding: 'utf8' }).trim()
  assert.equal(run("import { connect } from 'anywire'; console.log(typeof connect)"), 'function')
  assert.equal(run("import { readFileSync } from 'node:fs'; console.log(readFileSync(new URL(import.meta.resolve('anywire/global')), 'utf8').slice(0, 11))"), 'var anywire')

  const program = join(folder, 'program.ts')
  writeFileSync(program, "import { connect } from 'anywire'\nconst sent: boolean = connect('/live', { transports: ['websocket'] }).send('x')\nsent\n")
  const tsc = join(home, 'node_modules/.bin/tsc')
  execFileSync(tsc, ['--noEmit', '--strict', '--lib', 'es2022,dom', '--module', 'nodenext', '--moduleResolution', 'nodenext', program], { cwd: folder })
})

test('the hashes are those of the files', () => {
  for (const name of ['anywire.js', 'anywire.mjs']) {
    const hash = createHash('sha384').update(readFileSync(join(home, 'dist', name))).digest('base64')
    assert.equal(readFileSync(join(home, 'dist', `${name}.sha384`), 'utf8'), `sha384-${hash}`)
  }
})
