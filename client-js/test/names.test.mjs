import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { scripts } from '../build.mjs'
import { packedBits } from '../packed.mjs'
import { choose, store } from '../rename.mjs'

const gzip = (input) => execFileSync('gzip', ['-9c'], { input }).length

test('bits are counted as gzip makes them', (t) => {
  try {
    gzip('')
  } catch {
    return t.skip('no gzip here')
  }
  for (const name of ['dist/anywire.js', 'dist/anywire.mjs', 'src/driver.js', 'src/list.js', 'package.json']) {
    const text = readFileSync(new URL(`../${name}`, import.meta.url))
    assert.equal(Math.ceil(packedBits(text, text.length) / 8) + 18, gzip(text), name)
  }
})

for (const name of ['anywire.js', 'anywire.mjs']) {
  test(`${name}: stored names that do not fit give way`, async () => {
    const { items } = await scripts[name]()
    choose(items)
    const all = Object.fromEntries(Object.entries(store(items)).map(([path, names]) => [path, names.replace(/:\S+/g, ':e')]))
    choose(items, { ...all, '/nowhere': 'none:e' })
    for (const item of items) for (const rival of item.rivals) assert.notEqual(item.now, rival.now)
    assert.ok(items.filter((item) => item.now === 'e').length > 20)
  })

  test(`${name}: the names that are stored are found again`, async () => {
    const { items } = await scripts[name]()
    choose(items)
    const before = store(items)
    choose(items, before)
    assert.deepEqual(store(items), before)
  })
}
