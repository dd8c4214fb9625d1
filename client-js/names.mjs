/**
 * Looks for short names, of our own properties and of all bindings, with which the bundles pack best, and writes them to `names.json`, from
 * which the build takes them: `npm run names`. Worth some hundred bytes, so run it after larger changes; it takes minutes.
 *
 * It starts from the stored names and never makes them worse, so another run, with other numbers, goes on where the last one ended:
 * `node names.mjs [tries] [heat] [seed]`. After a small change little heat is enough.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { anneal, template } from './anneal.mjs'
import { scripts } from './build.mjs'
import { choose, store } from './rename.mjs'

const [TRIES = 400000, HEAT = 6, SEED = 1] = process.argv.slice(2).map(Number)
const COLD = 0.7
const NAMES = ['anywire.js', 'anywire.mjs']
const FILE = new URL('names.json', import.meta.url)

const search = async (name) => {
  const script = await scripts[name]()
  choose(script.items, JSON.parse(readFileSync(FILE, 'utf8'))[name])
  const [before, after] = anneal(await template(script), { tries: TRIES, hot: HEAT, cold: COLD, seed: SEED })
  console.log(`${name}: ${before} -> ${after}`)
  return store(script.items)
}

const run = (name) =>
  new Promise((done, failed) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: name, argv: process.argv.slice(2) })
    worker.once('message', (names) => done([name, names]))
    worker.once('error', failed)
  })

if (isMainThread) {
  const found = await Promise.all(NAMES.map(run))
  writeFileSync(FILE, `${JSON.stringify(Object.fromEntries(found), null, 1)}\n`)
} else parentPort.postMessage(await search(workerData))
