// The crate rust_socketio, which is compiled for it: a part of the long run.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run } from '../../browser/engines/install.mjs'
import { PATIENCE, REFERENCE, here, serve } from '../support.mjs'

const TARGET = `${process.env.CARGO_TARGET_DIR ?? here('../../target')}/clients-rust`
const TEXT = 'é€😀 \u2028\x1e\0"\\\n'

test('rust_socketio by polling, by WebSocket, and from the one to the other', { timeout: 1_200_000 }, async (t) => {
  const env = { ...process.env, CARGO_TARGET_DIR: TARGET }
  await run('cargo', ['build', '--manifest-path', here('rust/Cargo.toml')], { env })
  const server = await serve()
  t.after(() => server.stop())
  for (const way of ['polling', 'websocket', 'upgrade']) {
    const report = JSON.parse(await run(`${TARGET}/debug/anywire-clients-rust`, [server.origin, way], { timeout: 6 * PATIENCE }))
    const [refusal] = report.refused
    assert.deepEqual(JSON.parse(refusal.slice(refusal.indexOf('{'))), { ...(REFERENCE ? {} : { code: 'no' }), message: 'not you', data: { code: 7 } })
    const { refused, ...rest } = report
    const answer = [[{ text: TEXT, list: [1, null, true] }]]
    assert.deepEqual(rest, { auth: [{ name: 'rust' }], echoes: 50, answer, told: TEXT, page: [['/doc-1']] }, way)
  }
})
