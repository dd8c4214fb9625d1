import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { BUDGETS, FACE, SYNTAX, compressedSize, faceSize, parseES2018, parseES3 } from '../check.mjs'
import { CODINGS } from '../codings.mjs'

const read = (name) => readFileSync(new URL(`../dist/${name}`, import.meta.url))
const scripts = ['anywire.js', 'io.js', 'socket.js'].map((name) => String(read(name)))

for (const [name, budget] of Object.entries(BUDGETS)) {
  test(`${name} has at most ${budget} bytes, compressed with brotli`, () => {
    assert.ok(compressedSize(name) <= budget, `${compressedSize(name)}`)
  })
}

for (const ending of ['js', 'mjs']) {
  test(`the face of a WebSocket adds at most ${FACE} bytes to anywire.${ending}`, () => {
    assert.ok(faceSize(ending) <= FACE, `${faceSize(ending)}`)
  })
}

for (const name of Object.keys(BUDGETS)) {
  test(`the compressed files hold ${name} and are small`, () => {
    for (const [ending, { encode, decode }] of Object.entries(CODINGS)) {
      const sent = read(`${name}.${ending}`)
      assert.deepEqual(decode(sent), read(name))
      // The committed file may come from another version of zlib, and then differs by a few bytes.
      assert.ok(sent.length <= encode(read(name)).length * 1.01, `${ending}: ${sent.length}`)
    }
    assert.ok(read(`${name}.br`).length <= BUDGETS[name])
  })
}

for (const [name, check] of Object.entries(SYNTAX)) {
  test(`the syntax of ${name} is as old as it has to be`, () => check(String(read(name))))
}

test('the gate for ES2018 can fail', () => {
  parseES2018('for (const x of [...y]) z = { ...x, async a() { await (2 ** 3) } }', 'module')
  for (const code of ['x?.y', 'x ?? y', 'x ||= y', 'try { x() } catch { y() }', 'x = 1n', 'class A { #x }', 'import("x")', 'await x']) {
    assert.throws(() => parseES2018(code, 'module'), code)
  }
})

test('the gate for ES3 can fail, also at a reserved word as a name', () => {
  for (const code of ['x = { default: 1 }', 'x.catch()', 'let x = 1', 'x = () => 1', 'x = { a: 1, }', 'var int', 'x = { get a() {} }', 'x = `a`']) {
    assert.throws(() => parseES3(code), code)
  }
})

test('nothing in it is parsed wrongly by old engines', () => {
  for (const script of scripts) {
    assert.ok(!/,\]/.test(script), 'a trailing comma in a list')
    assert.ok(!/Object\.defineProperty|Symbol|__proto__/.test(script), 'a helper of newer times')
  }
})
