#!/usr/bin/env node
// Drives the client through the same scenario in many engines, which engines.mjs lists, and the clients of SockJS
// through theirs in some of them. Those are in the packages of tests/clients.
//
//   node tests/browser/engines/run.mjs [--all] [--engine NAME]... [--sockjs] [--results]
//
// Without a flag the small set runs; --sockjs leaves our own client out. Engines are fetched when first needed, which may take minutes; each may
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
import { BUILDS } from '../../clients/sockjs-builds.mjs'
import { apt } from './install.mjs'
import * as sockjs from './sockjs.mjs'
import { table } from './table.mjs'
import { possible } from './transports.mjs'

/** The number of engines that run at a time. They mostly wait. */
const LANES = 2
const SECONDS = Number(process.env.ANYWIRE_ENGINE_SECONDS ?? 150)
// Not every engine reports a connection that was cut; with this heartbeat the client notices soon enough.
const USUAL = { 'heartbeat-ms': 5000, 'timeout-ms': 5000 }
const SHORT = { 'hold-ms': 100 }
// A poll of SockJS ends with a heartbeat.
const SHORT_POLLS = { 'heartbeat-ms': 100 }

const COMMAND = 'node tests/browser/engines/run.mjs --all --results'

const { values: flags } = parseArgs({
  options: { all: { type: 'boolean' }, results: { type: 'boolean' }, sockjs: { type: 'boolean' }, engine: { type: 'string', multiple: true } }
})

function chosen() {
  for (const name of flags.engine ?? []) {
    if (!ENGINES[name]) throw new Error(`no such engine: ${name}; there are ${Object.keys(ENGINES).join(', ')}`)
  }
  const runs = Object.keys(ENGINES).filter((name) => !flags.sockjs || ENGINES[name].sockjs)
  return runs.filter((name) => (flags.engine ? flags.engine.includes(name) : flags.all || ENGINES[name].small))
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

let installed = Promise.resolve()

/** Installs what an engine needs. A package manager does one thing at a time. */
function install(engine) {
  const command = installed.then(() => engine.install())
  installed = command.catch(() => {})
  return command
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

/** The scenario of our own client in an engine. */
const ours = (engine) => ({
  options: engine.shortHold ? SHORT : USUAL,
  plan: { trials: possible(engine), alone: engine.alone, spares: engine.limits?.spares ? [engine.limits.spares.text] : [] }
})

/** The scenario of a client of SockJS in an engine. */
const theirs = (engine, version) => ({
  options: engine.shortHold ? SHORT_POLLS : {},
  plan: { trials: sockjs.trials(engine, version) },
  build: BUILDS[version]()
})

/** Runs a scenario in one engine and returns its last report, which may be incomplete. */
async function drive(engine, command, surroundings, { options, plan, build }) {
  const front = await Front.listen(engine)
  const lab = await startLab({ ...options, origins: front.origin })
  labs.add(lab.child)
  front.begin(lab.port, plan, build)
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

/** The outcomes of a client of SockJS that should have been reported. */
const judgeTheirs = (engine, version, report) =>
  sockjs.trials(engine, version).flatMap(({ transport, across, cases }) =>
    cases.map((name) => {
      const found = report.cases.find((each) => each.way === transport && each.across === across && each.name === name)
      return { version, way: transport, across, name, ms: found?.ms ?? 0, failure: found ? found.failure : `never reported (${report.why})` }
    })
  )

function print(name, row) {
  console.log(`\n${name}: ${row.engine.stands}`)
  if (row.missing) return console.log(`  ${row.engine.small ? 'FAIL ' : ''}not run: ${row.missing}`)
  if (row.report) {
    const { chose, way, first, firstBy, bytes, output } = row.report
    if (output) console.log(output.trim().split('\n').slice(-10).join('\n').replaceAll(/^/gm, '  | '))
    console.log(`  by itself: ${way ?? chose}; first message after ${first ?? '?'} ms by ${firstBy ?? 'nothing'}; ${bytes ? 'has' : 'has no'} ArrayBuffer`)
  }
  for (const { version, way, across, name, ms, failure } of row.outcomes) {
    const title = [version && `SockJS ${version}`, way, across && 'across origins', name].filter(Boolean).join(' ')
    console.log(`  ${failure ? 'FAIL' : 'ok  '} ${title}, ${ms} ms${failure && `: ${failure}`}`)
  }
}

async function examine(name, surroundings) {
  const engine = ENGINES[name]
  try {
    const command = await install(engine)
    if (engine.display) await surroundings.display()
    const run = async (task) => {
      const report = await drive(engine, command, surroundings, task)
      // A host may crash, as Wine's does now and then on a busy machine. A crash that a script causes happens
      // twice.
      return report.fell ? drive(engine, command, surroundings, task) : report
    }
    const report = flags.sockjs ? null : await run(ours(engine))
    const outcomes = report ? judge(engine, report) : []
    for (const version of engine.sockjs ? sockjs.VERSIONS : []) {
      outcomes.push(...judgeTheirs(engine, version, await run(theirs(engine, version))))
    }
    return { name, engine, report, outcomes }
  } catch (error) {
    return { name, engine, missing: error.message, outcomes: [] }
  }
}

/** Checks that the scenario and what it needs are ES3: they must run wherever the client does. */
async function gate() {
  const { parse } = createRequire(new URL('../../../client-js/package.json', import.meta.url))('acorn')
  for (const name of ['json.js', 'scenario.js', 'sockjs.js', 'drivers/jscript.js']) {
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
    const waiting = names.entries()
    const lane = async () => {
      for (const [place, name] of waiting) {
        rows[place] = await examine(name, { home, display: () => (display ??= startDisplay(home)) })
        print(name, rows[place])
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
  } finally {
    for (const child of started) await end(child)
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  }
  const all = rows.flatMap((row) => row.outcomes)
  const failed = all.filter((each) => each.failure).length + rows.filter((row) => row.missing && row.engine.small).length
  console.log(`\n# pass ${all.filter((each) => !each.failure).length}\n# fail ${failed}`)
  if (flags.results) {
    const own = ({ version }) => !version
    if (!flags.sockjs) await writeSection('Engines', COMMAND, table(rows.map((row) => ({ ...row, outcomes: row.outcomes.filter(own) }))))
    await writeSection('Clients of SockJS', COMMAND, sockjs.table(rows.filter(({ engine }) => engine.sockjs)))
  }
  process.exitCode = failed || all.length === 0 ? 1 : 0
}

await main()
