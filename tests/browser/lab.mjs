// The server under test: the crate's example `lab`, as a process that can be killed and started again on the
// same port.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const examples = process.env.ANYWIRE_EXAMPLES ?? `${process.env.CARGO_TARGET_DIR ?? here('../../target')}/debug/examples`

/** Starts an example and waits until it prints its address. */
export async function start(name, args) {
  const program = `${examples}/${name}`
  if (!existsSync(program)) throw new Error(`${program} is missing: cargo build --examples`)
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = []
  const note = (line) => {
    output.push(line)
    if (output.length > 200) output.shift()
  }
  createInterface({ input: child.stderr }).on('line', note)
  const lines = createInterface({ input: child.stdout })
  const address = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code} before it listened: ${output.join('\n')}`)))
    lines.on('line', (line) => {
      note(line)
      const found = /listening on \D*((?:\d+\.){3}\d+):(\d+)/.exec(line)
      if (found) resolve({ host: found[1], port: Number(found[2]) })
    })
  })
  const stop = async (signal = 'SIGKILL') => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal)
      await once(child, 'exit')
    }
  }
  return { ...address, child, output, stop }
}

/** `options` are the lab's flags: `{ 'heartbeat-ms': 1000 }`. */
export function startLab(options = {}) {
  return start('lab', Object.entries({ port: 0, ...options }).flatMap(([name, value]) => [`--${name}`, String(value)]))
}
