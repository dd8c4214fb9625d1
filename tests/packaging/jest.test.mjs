// The client under jest, which requires it: with jsdom, which lacks much of a browser, and with Node.

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { here, install, run, serve } from './support.mjs'

test('jest', async (t) => {
  await install(t)
  const server = await serve(t)
  for (const environment of ['jsdom', 'node']) {
    await t.test(environment, async () => {
      const jest = here('node_modules/jest/bin/jest.js')
      const config = JSON.stringify({ rootDir: here('projects/jest'), testEnvironment: environment === 'node' ? 'node' : here('node_modules/jest-environment-jsdom'), transform: {} })
      const { stderr } = await run(process.execPath, [jest, '--ci', '--runInBand', '--config', config], { env: { ...process.env, ANYWIRE_URL: server.url } })
      assert.match(stderr, /Tests: +3 passed, 3 total/)
      assert.doesNotMatch(stderr, /did not exit|open handle|Cannot log after/)
    })
  }
})
