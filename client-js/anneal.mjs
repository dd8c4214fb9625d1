/** Looks for the names with which a script packs best. */
import { packedBits } from './packed.mjs'
import { POOL } from './rename.mjs'

const LETTERS = POOL.filter((name) => name.length < 2)
/** What surrounds the packed bits in a file of gzip, in bytes. */
const FRAME = 18

/** The same numbers at each run. */
let state
const random = (limit) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 4294967296) * limit)
}
const pick = (list) => list[random(list.length)]

/** The script in pieces: what stays, and between them the items that are named there. */
export const template = async ({ items, print }) => {
  items.forEach((item, i) => item.fixed || item.rename(`$$${i}$$`))
  const { code } = await print()
  const parts = code.split(/\$\$(\d+)\$\$/)
  return {
    rests: parts.filter((_, i) => i % 2 === 0).map((text) => Buffer.from(text)),
    uses: parts.filter((_, i) => i % 2).map((i) => items[i])
  }
}

/** The text with the names as they are now, kept up to date: `update` after each change, `bits` tells how it packs. */
const scribe = ({ rests, uses }) => {
  const text = new Uint8Array(rests.reduce((sum, rest) => sum + rest.length, 0) + uses.length * 3)
  const places = new Map(uses.map((item) => [item, []]))
  const lengths = new Map()
  let end
  const write = (item, place) => {
    for (let j = 0; j < item.now.length; j++) text[place + j] = item.now.charCodeAt(j)
  }
  const rebuild = () => {
    for (const list of places.values()) list.length = 0
    end = 0
    rests.forEach((rest, i) => {
      text.set(rest, end)
      end += rest.length
      if (i === uses.length) return
      const item = uses[i]
      places.get(item).push(end)
      lengths.set(item, item.now.length)
      write(item, end)
      end += item.now.length
    })
  }
  rebuild()
  return {
    bits: () => packedBits(text, end),
    update: (items) => {
      if (items.some((item) => lengths.get(item) !== item.now.length)) return rebuild()
      for (const item of items) for (const place of places.get(item)) write(item, place)
    }
  }
}

/** For each use, those whose surroundings start or end alike: what is called the same there packs well. */
const neighbours = ({ rests, uses }) => {
  const near = new Map()
  const add = (key, i) => near.set(key, [...(near.get(key) ?? []), i])
  const keys = uses.map((_, i) => [
    `<${rests[i]}`, `>${rests[i + 1]}`, `${rests[i]}|${rests[i + 1]}`, `<${String(rests[i]).slice(-3)}`, `>${String(rests[i + 1]).slice(0, 3)}`
  ])
  keys.forEach((list, i) => list.forEach((key) => add(key, i)))
  return (i) => uses[pick(near.get(pick(keys[i])))]
}

/** Gives an item a name; what may not share it with the item gets the old one in exchange, and so on. Null where that cannot be. */
const exchange = (item, name) => {
  const old = item.now
  const changed = [item]
  const seen = new Set(changed)
  for (const one of changed) {
    if (one.fixed) return null
    const other = one.now === old ? name : old
    for (const rival of one.rivals) {
      if (rival.now !== other || seen.has(rival)) continue
      seen.add(rival)
      changed.push(rival)
    }
  }
  return changed.map((one) => [one, one.now === old ? name : old])
}

/** One change to try: pairs of item and name. */
const propose = (items, uses, near) => {
  const i = random(uses.length)
  const item = random(4) ? uses[i] : pick(items)
  const kind = random(8)
  if (kind > 3) return exchange(uses[i], near(i).now)
  if (kind > 1) return exchange(item, pick(items).now)
  return exchange(item, kind ? pick(LETTERS) : pick(items.filter((one) => one.path === item.path)).now)
}

/**
 * Simulated annealing: what packs worse is kept now and then, by and by less often. The items get the best names that were found.
 *
 * `hot`: how many bits a change for the worse may cost at first; in the end it is `cold`.
 */
export const anneal = (parts, { tries, hot, cold, seed }) => {
  state = seed
  const { uses } = parts
  const items = [...new Set(uses)]
  const { bits, update } = scribe(parts)
  const near = neighbours(parts)
  const before = bits()
  let now = before
  let best = now
  let names = items.map((item) => item.now)
  for (let i = 0; i < tries; i++) {
    const change = propose(items, uses, near)
    if (!change || change[0][0].now === change[0][1]) continue
    const changed = change.map(([item]) => item)
    const old = changed.map((item) => item.now)
    for (const [item, name] of change) item.now = name
    update(changed)
    const next = bits()
    const heat = hot * (cold / hot) ** (i / tries)
    if (next <= now || random(1e6) / 1e6 < Math.exp((now - next) / heat)) {
      now = next
      if (now < best) {
        best = now
        names = items.map((item) => item.now)
      }
    } else {
      changed.forEach((item, k) => (item.now = old[k]))
      update(changed)
    }
  }
  items.forEach((item, k) => (item.now = names[k]))
  return [before, best].map((sum) => Math.ceil(sum / 8) + FRAME)
}
