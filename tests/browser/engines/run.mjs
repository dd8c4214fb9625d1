#!/usr/bin/env node
// Drives the client through the same scenario in many engines, which engines.mjs lists.
//
//   node tests/browser/engines/run.mjs [--all] [--engine NAME]... [--results]
//
// Without a flag the small set runs. Engines are fetched when first needed, which may take minutes; each may
// then take ANYWIRE_ENGINE_SECONDS (150). --results writes into tests/browser/RESULTS.md. An engine of the
// small set that is not available is a failure, any other one is `not run`.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startLab } from '../lab.mjs'
import { writeSection } from '../results.mjs'
import { ENGINES } from './engines.mjs'
import { Front } from './front.mjs'
import { apt } from './install.mjs'
import { table } from './table.mjs'
import { possible } from './transports.mjs'

const SECONDS = Number(process.env.ANYWIRE_ENGINE_SECONDS ?? 150)
// Not every engine reports a connection that was cut; with this heartbeat the client notices soon enough.
const USUAL = { 'heartbeat-ms': 5000, 'timeout-ms': 5000 }
const SHORT = { 'hold-ms': 100 }

const { values: flags } = parseArgs({
  options: { all: { type: 'boolean' }, results: { type: 'boolean' }, engine: { type: 'string', multiple: true } }
})

function chosen() {
  for (const name of flags.engine ?? []) {
    if (!ENGINES[name]) throw new Error(`no such engine: ${name}; there are ${Object.keys(ENGINES).join(', ')}`)
  }
  return Object.keys(ENGINES).filter((name) => (flags.engine ? flags.engine.includes(name) : flags.all || ENGINES[name].small))
}

const started = new Set()
const labs = new Set()

/** Ends a process and all that it started: each is the leader of a process group. */
async function end(child) {
  const gone = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // The whole group has ended by itself.
  }
  await gone
  started.delete(child)
}

/** Starts an X server for the engines that need one. It is called once. */
async function startDisplay(home) {
  const path = await apt(['xvfb'], '/usr/bin/Xvfb')
  const child = spawn(path, ['-displayfd', '3', '-screen', '0', '1024x768x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'], detached: true, env: { ...process.env, HOME: home }
  })
  started.add(child)
  const [number] = await Promise.race([once(child.stdio[3], 'data'), once(child, 'exit').then(() => ['none'])])
  if (String(number) === 'none') throw new Error('Xvfb has ended')
  process.env.DISPLAY = `:${String(number).trim()}`
}

/** Runs the scenario in one engine and returns its last report, which may be incomplete. */
async function drive(engine, command, surroundings) {
  const front = await Front.listen(engine)
  const lab = await startLab({ ...(engine.shortHold ? SHORT : USUAL), origins: front.origin })
  labs.add(lab.child)
  front.begin(lab.port, { trials: possible(engine), alone: engine.alone, spares: engine.limits?.spares ? [engine.limits.spares.text] : [] })
  const profile = await mkdtemp(join(surroundings.home, 'profile-'))
  const [program, ...args] = command({ url: `${front.origin}/page`, origin: front.origin, seconds: SECONDS, profile })
  const env = { ...process.env, HOME: profile, XDG_RUNTIME_DIR: profile, QTWEBENGINE_DISABLE_SANDBOX: '1', ...command.env, ...(await command.prepare?.(profile)) }
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env })
  started.add(child)
  let report = { cases: [] }
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output = (output + piece).slice(-6000)))
  const [why, timer] = await new Promise((resolve) => {
    const timer = setTimeout(() => resolve([`not done after ${SECONDS} s`, timer]), SECONDS * 1000)
    child.on('error', (error) => resolve([error.message, timer]))
    child.on('exit', (code, signal) => resolve([`the engine ended with ${signal ?? code}`, timer]))
    front.on('report', (latest) => {
      if (latest.cases.length >= report.cases.length) report = latest
      if (latest.done) resolve(['', timer])
    })
  })
  clearTimeout(timer)
  if (child.pid) await end(child)
  await command.ended?.(profile)
  await front.close()
  await lab.stop()
  labs.delete(lab.child)
  const fell = !report.done && Boolean(child.exitCode)
  return { ...report, fell, output: report.done ? '' : output, why: why && `${why}${output && `: ${output.trim().split('\n').at(-1)}`}` }
}

/** Every outcome that should have been reported, with the report's result. */
function judge(engine, report) {
  const outcome = (way, across, name) => {
    const found = report.cases.find((each) => each.way === way && Boolean(each.across) === across && each.name === name)
    return { way, across, name, ms: found?.ms ?? 0, failure: found ? found.failure : `never reported (${report.why})` }
  }
  const broken = report.cases.filter((each) => each.name === 'parses')
  return [...broken, outcome('', false, 'by itself'), ...possible(engine).flatMap((trial) => trial.cases.map((name) => outcome(trial.name, trial.across, name)))]
}

function print(name, row) {
  console.log(`\n${name}: ${row.engine.stands}`)
  if (row.missing) return console.log(`  ${row.engine.small ? 'FAIL ' : ''}not run: ${row.missing}`)
  const { chose, way, first, firstBy, bytes, output } = row.report
  if (output) console.log(output.trim().split('\n').slice(-10).join('\n').replaceAll(/^/gm, '  | '))
  console.log(`  by itself: ${way ?? chose}; first message after ${first ?? '?'} ms by ${firstBy ?? 'nothing'}; ${bytes ? 'has' : 'has no'} ArrayBuffer`)
  for (const { way, across, name, ms, failure } of row.outcomes) {
    console.log(`  ${failure ? 'FAIL' : 'ok  '} ${[way, across && 'across origins', name].filter(Boolean).join(' ')}, ${ms} ms${failure && `: ${failure}`}`)
  }
}

async function examine(name, surroundings) {
  const engine = ENGINES[name]
  try {
    const command = await engine.install()
    if (engine.display) await surroundings.display()
    let report = await drive(engine, command, surroundings)
    // A host may crash, as Wine's does now and then on a busy machine. A crash that a script causes happens
    // twice.
    if (report.fell) report = await drive(engine, command, surroundings)
    return { name, engine, report, outcomes: judge(engine, report) }
  } catch (error) {
    return { name, engine, missing: error.message, outcomes: [] }
  }
}

/** Checks that the scenario and what it needs are ES3: they must run wherever the client does. */
async function gate() {
  const { parse } = createRequire(new URL('../../../client-js/package.json', import.meta.url))('acorn')
  for (const name of ['json.js', 'scenario.js', 'drivers/jscript.js']) {
    parse(await readFile(new URL(name, import.meta.url), 'utf8'), { ecmaVersion: 3, allowReserved: 'never', allowReturnOutsideFunction: true })
  }
}

async function main() {
  const names = chosen()
  await gate()
  const home = await mkdtemp(join(tmpdir(), 'anywire-engines-'))
  let display
  const rows = []
  const interrupt = () => process.exit(130)
  const endAll = () => {
    for (const child of labs) child.kill('SIGKILL')
    for (const child of started) end(child)
  }
  process.on('exit', endAll)
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  try {
    for (const name of names) {
      const row = await examine(name, { home, display: () => (display ??= startDisplay(home)) })
      rows.push(row)
      print(name, row)
    }
  } finally {
    for (const child of started) await end(child)
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  }
  const all = rows.flatMap((row) => row.outcomes)
  const failed = all.filter((each) => each.failure).length + rows.filter((row) => row.missing && row.engine.small).length
  console.log(`\n# pass ${all.filter((each) => !each.failure).length}\n# fail ${failed}`)
  if (flags.results) await writeSection('Engines', 'node tests/browser/engines/run.mjs --all --results', table(rows))
  process.exitCode = failed || all.length === 0 ? 1 : 0
}

await main()
