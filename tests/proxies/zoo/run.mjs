#!/usr/bin/env node
// The proxy zoo: node tests/proxies/zoo/run.mjs [--all] [--held] [--results]
//
//   --all       every engine, not only nginx and our own middlebox
//   --held      only the tests of a running stream that a proxy starts to hold back
//   --results   write the table into tests/browser/RESULTS.md

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { writeSection } from '../../browser/results.mjs'

const FILES = ['middlebox.test.mjs', 'zoo.test.mjs', 'held.test.mjs']

const here = (name) => fileURLToPath(new URL(name, import.meta.url))

/** The table: a line for each proxy, both browsers side by side. */
export function table(rows) {
  const proxies = new Map()
  const notes = []
  for (const row of rows) proxies.set(row.proxy, { ...proxies.get(row.proxy), [row.client]: row })
  const cell = (visit, what) => visit?.[what] ?? '-'
  const line = (cells) => `| ${cells.join(' | ')} |`
  const lines = [...proxies].map(([proxy, { current, 'xhr-only': old }]) => {
    const lacks = current?.lacks ?? old?.lacks
    if (lacks) return line([proxy, `not run [${notes.push(lacks)}]`, '-', '-', '-', '-'])
    const lost = [current, old].reduce((sum, visit) => sum + (visit?.lost ?? 0), 0)
    return line([proxy, cell(current, 'transport'), cell(old, 'transport'), cell(current, 'first'), cell(old, 'first'), lost])
  })
  const head = ['proxy', 'current browser', 'XHR-only browser', 'ms to first message, current', 'XHR-only', 'lost']
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...lines, '', ...notes.map((text, i) => `${i + 1}. ${text}`)].join('\n')
}

const INTRODUCTION = `The transport that carries behind each proxy: 200 numbered messages each way, between the server and current Chromium, with the
module, or with the ES3 client and without WebSocket and fetch. "-" is a case that does not apply to that browser.`

async function main() {
  const flag = { type: 'boolean', default: false }
  const { values } = parseArgs({ options: { all: flag, held: flag, results: flag } })
  const dir = await mkdtemp(path.join(tmpdir(), 'zoo-rows-'))
  const rows = path.join(dir, 'rows.json')
  const files = values.held ? ['held.test.mjs'] : FILES
  const env = { ...process.env, ANYWIRE_ZOO: values.all ? 'all' : 'few', ANYWIRE_ZOO_ROWS: rows }
  try {
    const args = ['--test', '--test-concurrency=1', ...files.map(here)]
    const child = spawn(process.execPath, args, { env, stdio: 'inherit' })
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => child.kill(signal))
    const [code] = await once(child, 'exit')
    if (values.results && !values.held) {
      await writeSection('Proxies', 'node tests/proxies/zoo/run.mjs --all --results', `${INTRODUCTION}\n\n${table(JSON.parse(await readFile(rows, 'utf8')))}`)
    }
    process.exitCode = code ?? 1
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

await main()
