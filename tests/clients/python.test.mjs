// python-socketio in both of its clients, of today, with its other parser, and of the time of revision 3. Skipped
// where pip cannot fetch them. Our server says the code of a refusal, too.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { cached, run } from '../browser/engines/install.mjs'
import { PATIENCE, REFERENCE, WAYS, here, serve } from './support.mjs'

const NEEDS = ['aiohttp==3.14.5', 'requests==2.34.2', 'websocket-client==1.9.2']
const TODAY = { name: 'python-socketio 5.18.1', packages: ['python-socketio==5.18.1', 'python-engineio==4.15.1', ...NEEDS], flags: [] }
const OLD = { name: 'python-socketio 4.6.1', packages: ['python-socketio==4.6.1', 'python-engineio==3.14.2', 'six==1.17.0', ...NEEDS], flags: ['--old'] }
const PACKED = { name: `${TODAY.name} in MessagePack`, packages: [...TODAY.packages, 'msgpack==1.2.4'], flags: ['--msgpack'] }
// The reference has one parser for all.
const VERSIONS = REFERENCE ? [TODAY, OLD] : [TODAY, OLD, PACKED]
const ROWS = VERSIONS.flatMap((version) => ['asyncio', 'threads'].map((kind) => ({ ...version, kind })))
let server

before(async () => {
  server = await serve()
})
after(() => server?.stop())

/** The folder with the packages, which is fetched once, or why there is none. */
async function installed({ packages }) {
  const name = `clients-${packages.filter((each) => !NEEDS.includes(each)).join('-').replaceAll('=', '_')}`
  try {
    return { folder: await cached(name, (folder) => run('python3', ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--root-user-action', 'ignore', '--target', folder, ...packages])) }
  } catch (error) {
    return { reason: error.message }
  }
}

for (const row of ROWS) {
  for (const way of Object.keys(WAYS)) {
    test(`${row.name}, ${row.kind}, ${way}`, { timeout: 12 * PATIENCE }, async (t) => {
      const { folder, reason } = await installed(row)
      if (!folder) {
        console.log(`SKIPPED ${row.name}: ${reason}`)
        t.skip(reason)
        return
      }
      const options = { env: { ...process.env, PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' }, timeout: 6 * PATIENCE }
      const program = [here('python/scenario.py'), server.origin, row.kind, WAYS[way].join(), ...row.flags]
      const report = JSON.parse(await run('python3', program, options))
      // A client of the time of revision 3 tells no reasons, has no auth data, and shows a refusal's data
      // alone.
      const isOld = row.flags.includes('--old')
      const reasons = (text) => (isOld ? [] : [text])
      assert.deepEqual(report, {
        auth: [isOld && REFERENCE ? {} : { name: 'python' }],
        taken: { received: row.kind === 'asyncio' ? 500 : 9, wrong: [] },
        heard: true,
        transport: way === 'polling' ? 'polling' : 'websocket',
        echoes: true,
        answers: true,
        asked: { you: row.kind === 'asyncio' ? { bytes: [1, 2] } : 'text' },
        told: ['hello'],
        page: '/doc-1',
        kicked: reasons('server disconnect'),
        stays: '/',
        ...(way === 'polling' ? {} : { cut: reasons('transport error'), after: '/', ...(isOld ? {} : { left: ['client disconnect'] }) }),
        refused: [isOld ? { code: 7 } : { ...(REFERENCE ? {} : { code: 'no' }), message: 'not you', data: { code: 7 } }],
        nobody: [{ message: 'Invalid namespace' }]
      })
    })
  }
}
