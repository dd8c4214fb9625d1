/**
 * Looks for short names of our own properties with which the bundles pack best, and writes them to `names.json`, from which the build takes
 * them: `npm run names`. Worth a few hundred bytes, so run it after larger changes.
 */
import { writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { parse } from 'acorn'
import { bundles } from './build.mjs'

const TRIES = Number(process.argv[2] ?? 30000)
const POOL = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$'

/** The same numbers at each run. */
let seed = 1
const random = (limit) => {
  seed = (seed * 1103515245 + 12345) % 2147483648
  return Math.floor((seed / 2147483648) * limit)
}

/** Where the code says the name of one of the properties. */
const places = (code, ours) => {
  const found = []
  const walk = (node) => {
    if (Array.isArray(node)) node.forEach(walk)
    else if (node && typeof node === 'object') {
      if (node.type === 'MemberExpression' && !node.computed) found.push(node.property)
      if (node.type === 'Property' && !node.computed && !node.shorthand) found.push(node.key)
      for (const key in node) if (key !== 'type') walk(node[key])
    }
  }
  walk(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }))
  return found.filter(({ name }) => ours.has(name)).sort((a, b) => a.start - b.start)
}

const climb = (code, names) => {
  const old = Object.values(names)
  const uses = places(code, new Set(old))
  const size = (now) => {
    let text = ''
    let at = 0
    for (const { start, end, name } of uses) {
      text += code.slice(at, start) + now[name]
      at = end
    }
    return gzipSync(text + code.slice(at), { level: 9, memLevel: 9 }).length
  }
  let best = Object.fromEntries(old.map((name) => [name, name]))
  let least = size(best)
  const before = least
  for (let i = 0; i < TRIES; i++) {
    const next = { ...best }
    const one = old[random(old.length)]
    const to = random(3) ? best[old[random(old.length)]] : POOL[random(POOL.length)]
    const other = old.find((name) => best[name] === to)
    if (other) next[other] = best[one]
    next[one] = to
    const now = size(next)
    if (now <= least) {
      least = now
      best = next
    }
  }
  console.log(`${before} -> ${least}`)
  return Object.fromEntries(Object.entries(names).map(([name, old]) => [name, best[old]]))
}

const found = {}
for (const name of ['anywire.js', 'anywire.mjs']) {
  const { code, names } = (await bundles())[name]
  found[name] = climb(code, names)
}
writeFileSync(new URL('names.json', import.meta.url), JSON.stringify(found, null, 1) + '\n')
