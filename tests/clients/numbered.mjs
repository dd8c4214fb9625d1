// Numbered values, by which a reader notices what is lost, repeated, out of order or damaged.

/** A value of any of the kinds in which clients hand out bytes, as a Buffer; anything else as it is. */
export function bytes(value) {
  if (value instanceof ArrayBuffer) return Buffer.from(value)
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return value
}

/** Characters of one to four bytes. */
export const FILLER = 'é€😀x'

const spell = (n, filler) => `#${n} ${filler.repeat(n % 13)}`

/** The value of a number: a text of one of many lengths, or, every tenth, its bytes. */
export const numbered = (n, filler = FILLER) => (n % 10 === 0 ? Buffer.from(spell(n, filler)) : spell(n, filler))

/** Values in the order of their numbers, from 1. */
export class Tally {
  #received = 0
  #wrong = []

  /** Notes a value that came with this number and filler. */
  take(n, value, filler) {
    this.#received++
    const [expected, found] = [numbered(this.#received, filler), bytes(value)]
    const same = Buffer.isBuffer(expected) ? Buffer.isBuffer(found) && expected.equals(found) : expected === found
    if ((n !== this.#received || !same) && this.#wrong.length < 10) this.#wrong.push(n)
  }

  get received() {
    return this.#received
  }

  /** How many came, and the numbers of the first ten that came out of turn or damaged. */
  json() {
    return { received: this.#received, wrong: this.#wrong }
  }
}
