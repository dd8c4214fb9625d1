#!/usr/bin/env node
// The proxy zoo: node tests/proxies/zoo/run.mjs [--all] [--held] [--results FILE]
//
//   --all           every engine, not only nginx and our own middlebox
//   --held          only the demand on a running stream that a proxy starts to hold
//   --results FILE  write the table there, as Markdown

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = (name) => fileURLToPath(new URL(name, import.meta.url))

/** One line a proxy: both browsers side by side. */
export function table(rows) {
  const proxies = new Map()
  for (const row of rows) proxies.set(row.proxy, { ...proxies.get(row.proxy), [row.client]: row })
  const cell = (visit, what) => visit?.[what] ?? '-'
  const lines = [...proxies].map(([proxy, { current, 'xhr-only': old }]) => {
    const lost = [current, old].reduce((sum, visit) => sum + (visit?.lost ?? 0), 0)
    const cells = [proxy, cell(current, 'transport'), cell(old, 'transport'), cell(current, 'first'), cell(old, 'first'), lost]
    return `| ${cells.join(' | ')} |`
  })
  const head = ['proxy', 'current browser', 'XHR-only browser', 'ms to first message, current', 'XHR-only', 'lost']
  return [`| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`, ...lines, ''].join('\n')
}

async function main() {
  const flag = { type: 'boolean', default: false }
  const { values } = parseArgs({ options: { all: flag, held: flag, results: { type: 'string' } } })
  const dir = await mkdtemp(path.join(tmpdir(), 'zoo-rows-'))
  const rows = path.join(dir, 'rows.json')
  const files = values.held ? ['held.mjs'] : ['middlebox.test.mjs', 'zoo.test.mjs']
  const env = { ...process.env, ANYWIRE_ZOO: values.all ? 'all' : 'few', ANYWIRE_ZOO_ROWS: rows }
  try {
    const args = ['--test', '--test-concurrency=1', ...files.map(here)]
    const child = spawn(process.execPath, args, { env, stdio: 'inherit' })
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => child.kill(signal))
    const [code] = await once(child, 'exit')
    if (values.results && !values.held) await writeFile(values.results, table(JSON.parse(await readFile(rows, 'utf8'))))
    process.exitCode = code ?? 1
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

await main()
