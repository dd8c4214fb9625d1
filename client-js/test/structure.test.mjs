/** The shape of `src/`: which file may import which, and where the two bundles differ. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { posix } from 'node:path'

const src = new URL('../src/', import.meta.url)
const names = readdirSync(src, { recursive: true }).map((name) => name.replaceAll('\\', '/')).filter((name) => name.endsWith('.js'))
const sources = new Map(names.map((name) => [name, readFileSync(new URL(name, src), 'utf8')]))

/** The files that a file imports. */
const imports = (name) =>
  [...sources.get(name).matchAll(/^(?:import|\} from)[^']*'([^']+)'/gm)].map(([, path]) => posix.join(posix.dirname(name), path.replace(/\?legacy$/, '')))

/** The files of a circle that can be reached from `name`, or nothing. */
const circle = (name, path = []) => {
  if (path.includes(name)) return [...path.slice(path.indexOf(name)), name]
  for (const other of imports(name)) {
    const found = circle(other, [...path, name])
    if (found) return found
  }
}

test('each import is of a file of ours', () => {
  assert.ok(names.length > 30)
  for (const name of names) for (const other of imports(name)) assert.ok(sources.has(other), `${name} imports ${other}`)
  assert.ok(imports('update.js').includes('uploads.js'))
})

test('no file imports itself by way of others', () => {
  for (const name of names) assert.equal(circle(name), undefined)
})

test('the pure files import only each other', () => {
  const pure = ['session.js', 'grant.js', 'chooser.js', 'codec.js', 'bytes.js', 'text.js', 'list.js', 'message.js', 'codes.js', 'config.js', 'parts.js']
  for (const name of pure) for (const other of imports(name)) assert.ok(pure.includes(other), `${name} imports ${other}`)
})

test('the bundles differ only where bytes and the browser do, and in what only old browsers have', () => {
  const differing = names.filter((name) => /\bLEGACY\b/.test(sources.get(name).replace(/`LEGACY`/g, '')))
  assert.deepEqual(differing.sort(), ['api.js', 'attempts.js', 'chooser.js', 'client.js', 'codec.js', 'env.js', 'face.js', 'links.js', 'message.js', 'page.js', 'report.js', 'session.js', 'turns.js', 'uploads.js'])
})
