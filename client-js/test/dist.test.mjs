import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { BUDGETS, compressedSize, parseES3 } from '../check.mjs'

const script = readFileSync(new URL('../dist/anywire.js', import.meta.url), 'utf8')

for (const [name, budget] of Object.entries(BUDGETS)) {
  test(`${name} has at most ${budget} bytes, compressed with brotli`, () => {
    assert.ok(compressedSize(name) <= budget, `${compressedSize(name)}`)
  })
}

test('the bundle for old browsers is ES3, reserved words and all', () => {
  parseES3(script)
})

test('the gate can fail', () => {
  for (const code of ['x = { default: 1 }', 'x.catch()', 'let x = 1', 'x = () => 1', 'x = { a: 1, }', 'var int', 'x = { get a() {} }', 'x = `a`']) {
    assert.throws(() => parseES3(code), code)
  }
})

test('nothing that old engines parse and get wrong', () => {
  assert.ok(!/,\]/.test(script), 'a trailing comma in a list')
  assert.ok(!/Object\.defineProperty|Symbol|__proto__/.test(script), 'a helper of newer times')
})
