// stomp.py over a WebSocket, in each version. Skipped where pip cannot fetch it.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { cached, run } from '../browser/engines/install.mjs'
import { PATIENCE, REFERENCE, SHORT, here, serve } from './support.mjs'

const PACKAGES = ['stomp.py==8.2.0', 'websocket-client==1.9.2', 'docopt==0.6.2']
let server, short

before(async () => {
  if (!REFERENCE) [server, short] = await Promise.all([serve(), serve(SHORT)])
})
after(() => Promise.all([server, short].map((each) => each?.stop())))

/** The folder with the packages, which is fetched once, or why there is none. */
async function installed() {
  try {
    const pip = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--root-user-action', 'ignore', '--target']
    return { folder: await cached('clients-stomp.py__8.2.0', (folder) => run('python3', [...pip, folder, ...PACKAGES])) }
  } catch (error) {
    return { reason: error.message }
  }
}

for (const version of ['1.0', '1.1', '1.2']) {
  test(`stomp.py 8.2.0, STOMP ${version}`, { timeout: 6 * PATIENCE, skip: REFERENCE && 'that server has no STOMP' }, async (t) => {
    const { folder, reason } = await installed()
    if (!folder) {
      console.log(`SKIPPED stomp.py 8.2.0: ${reason}`)
      t.skip(reason)
      return
    }
    const options = { env: { ...process.env, PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' }, timeout: 4 * PATIENCE }
    const program = [here('python/stomp_scenario.py'), server.port, short.port, version]
    const report = JSON.parse(await run('python3', program.map(String), options))
    const isOld = version === '1.0'
    // In 1.0 an ACK is of one message, there is no NACK, and there are no heart-beats.
    const rest = isOld ? ['a', 'c'] : ['c']
    assert.deepEqual(report, {
      refused: 'wrong passcode',
      version,
      login: ['ann', 'secret'],
      topic: [true, true],
      header: [true, true],
      queue: [['a', 'b', 'c'].map((body) => [body, 'false']), rest.map((body) => [body, 'true'])],
      ...(isOld ? {} : { nack: [['job', 'false'], ['job', 'true']] }),
      transactions: ['outside', 'kept', 'behind'],
      fault: ['none', 'zero', 'it is nothing'],
      room: ['"hi"', 'said'],
      error: ['Unknown destination', 'lost'],
      beats: isOld ? null : '250,250',
      beating: ['still here']
    })
  })
}
