/**
 * How many bits `gzip -9` makes of a text of less than 32 KiB: its search for matches and its Huffman codes, but nothing is written. Bits
 * tell better than bytes which of two texts is on the right way, and zlib as Node has it finds other matches than gzip.
 */
const MAX_MATCH = 258
const GOOD = 32
const CHAIN = 4096
/** A match of three bytes from further away costs more than it saves. */
const TOO_FAR = 4096
const MAX_DISTANCE = 32768 - 262

const LITERALS = 286
const DISTANCES = 30
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

/** The code and the number of extra bits by length and by distance. */
const lengthCode = new Uint16Array(MAX_MATCH + 1)
const lengthExtra = new Uint8Array(LITERALS)
for (let code = 257, from = 3; code < 285; code++) {
  lengthExtra[code] = code < 265 ? 0 : (code - 261) >> 2
  for (let i = 0; i < 1 << lengthExtra[code]; i++) lengthCode[from++] = code
}
lengthCode[MAX_MATCH] = 285
const distanceCode = new Uint8Array(32769)
const distanceExtra = new Uint8Array(DISTANCES)
for (let code = 0, from = 1; code < DISTANCES; code++) {
  distanceExtra[code] = code < 4 ? 0 : (code - 2) >> 1
  for (let i = 0; i < 1 << distanceExtra[code]; i++) distanceCode[from++] = code
}

const SIZE = 2 * LITERALS + 1
const frequency = new Int32Array(SIZE)
const depth = new Uint8Array(SIZE)
const parent = new Int32Array(SIZE)
const bits = new Uint8Array(SIZE)
const heap = new Int32Array(SIZE)
let heapLength

const smaller = (one, other) => frequency[one] < frequency[other] || (frequency[one] === frequency[other] && depth[one] <= depth[other])

const sift = (k) => {
  const node = heap[k]
  for (let j = k * 2; j <= heapLength; j *= 2) {
    if (j < heapLength && smaller(heap[j + 1], heap[j])) j++
    if (smaller(node, heap[j])) break
    heap[k] = heap[j]
    k = j
  }
  heap[k] = node
}

/** Codes that came out longer than allowed move up, as gzip does it. */
const shorten = (counts, longest, overflow, sorted, symbols) => {
  while (overflow > 0) {
    let length = longest - 1
    while (!counts[length]) length--
    counts[length]--
    counts[length + 1] += 2
    counts[longest]--
    overflow -= 2
  }
  let h = sorted.length
  for (let length = longest; length; length--) {
    for (let n = counts[length]; n; ) {
      const symbol = sorted[--h]
      if (symbol >= symbols) continue
      bits[symbol] = length
      n--
    }
  }
}

/** Puts the lengths of the best codes into `lengths`; returns the highest symbol in use. */
const huffman = (counted, symbols, longest, lengths) => {
  let highest = -1
  heapLength = 0
  for (let n = 0; n < symbols; n++) {
    frequency[n] = counted[n]
    depth[n] = 0
    bits[n] = 0
    if (counted[n]) heap[++heapLength] = highest = n
  }
  while (heapLength < 2) {
    const node = (heap[++heapLength] = highest < 2 ? ++highest : 0)
    frequency[node] = 1
  }
  for (let n = heapLength >> 1; n >= 1; n--) sift(n)
  const sorted = []
  let node = symbols
  do {
    const n = heap[1]
    heap[1] = heap[heapLength--]
    sift(1)
    const m = heap[1]
    sorted.push(n, m)
    frequency[node] = frequency[n] + frequency[m]
    depth[node] = Math.max(depth[n], depth[m]) + 1
    parent[n] = parent[m] = node
    heap[1] = node++
    sift(1)
  } while (heapLength >= 2)
  const root = heap[1]
  sorted.push(root)
  sorted.reverse()
  bits[root] = 0
  const counts = new Int32Array(longest + 1)
  let overflow = 0
  for (const n of sorted) {
    if (n === root) continue
    bits[n] = bits[parent[n]] + 1
    if (bits[n] > longest) {
      bits[n] = longest
      overflow++
    }
    if (n < symbols) counts[bits[n]]++
  }
  if (overflow) shorten(counts, longest, overflow, sorted, symbols)
  for (let n = 0; n < symbols; n++) lengths[n] = bits[n]
  return highest
}

const runs = new Int32Array(19)
/** Counts how the lengths of codes are told: runs of the same, of zeros above all. */
const tell = (lengths, highest) => {
  let before = -1
  let next = lengths[0]
  let [count, most, least] = next ? [0, 7, 4] : [0, 138, 3]
  let extra = 0
  for (let n = 0; n <= highest; n++) {
    const length = next
    next = n < highest ? lengths[n + 1] : -1
    if (++count < most && length === next) continue
    if (count < least) runs[length] += count
    else if (length) {
      if (length !== before) runs[length]++
      runs[16]++
      extra += 2
    } else {
      runs[count <= 10 ? 17 : 18]++
      extra += count <= 10 ? 3 : 7
    }
    count = 0
    before = length
    most = next ? (length === next ? 6 : 7) : 138
    least = next ? (length === next ? 3 : 4) : 3
  }
  return extra
}

const literals = new Int32Array(LITERALS)
const distances = new Int32Array(DISTANCES)
const literalBits = new Uint8Array(LITERALS)
const distanceBits = new Uint8Array(DISTANCES)
const runBits = new Uint8Array(19)

/** The bits of one block with codes of its own. */
const block = () => {
  literals[256] = 1
  const highest = [huffman(literals, LITERALS, 15, literalBits), huffman(distances, DISTANCES, 15, distanceBits)]
  runs.fill(0)
  let sum = 3 + 14 + tell(literalBits, highest[0]) + tell(distanceBits, highest[1])
  huffman(runs, 19, 7, runBits)
  let told = 18
  while (told > 3 && !runBits[ORDER[told]]) told--
  sum += 3 * (told + 1)
  for (let n = 0; n < 19; n++) sum += runs[n] * runBits[n]
  for (let n = 0; n < LITERALS; n++) sum += literals[n] * (literalBits[n] + lengthExtra[n])
  for (let n = 0; n < DISTANCES; n++) sum += distances[n] * (distanceBits[n] + distanceExtra[n])
  return sum
}

const head = new Uint16Array(32768)
const chain = new Uint16Array(32768)
let start = 0

/** The longest match for what begins at `at`, longer than `best`; where is left in `start`. */
const longest = (text, end, at, candidate, best) => {
  const most = Math.min(MAX_MATCH, end - at)
  const limit = Math.max(0, at - MAX_DISTANCE)
  let left = best >= GOOD ? CHAIN >> 2 : CHAIN
  if (best >= most) return most
  let last = text[at + best]
  do {
    if (text[candidate + best] !== last || text[candidate] !== text[at] || text[candidate + 1] !== text[at + 1]) continue
    let length = 2
    while (length < most && text[candidate + length] === text[at + length]) length++
    if (length > best) {
      start = candidate
      best = length
      if (length >= most) break
      last = text[at + best]
    }
  } while ((candidate = chain[candidate]) > limit && --left)
  return best
}

export const packedBits = (text, end) => {
  literals.fill(0)
  distances.fill(0)
  head.fill(0)
  let length = 2
  let available = false
  const insert = (at) => {
    const hash = ((text[at] << 10) ^ (text[at + 1] << 5) ^ text[at + 2]) & 32767
    chain[at] = head[hash]
    head[hash] = at
    return chain[at]
  }
  for (let at = 0; at < end; ) {
    const candidate = at + 2 < end ? insert(at) : 0
    const before = length
    const from = start
    length = 2
    if (candidate && before < MAX_MATCH && at - candidate <= MAX_DISTANCE) {
      length = longest(text, end, at, candidate, before)
      if (length === 3 && at - start > TOO_FAR) length = 2
    }
    if (before > 2 && length <= before) {
      literals[lengthCode[before]]++
      distances[distanceCode[at - 1 - from]]++
      for (let n = before - 2; n; n--) if (++at + 2 < end) insert(at)
      available = false
      length = 2
    } else {
      if (available) literals[text[at - 1]]++
      available = true
    }
    at++
  }
  if (available) literals[text[end - 1]]++
  return block()
}
