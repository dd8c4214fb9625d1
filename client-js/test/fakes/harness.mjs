/** Runs the fallback transports, as the build makes them, against the fakes. */
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { script } from '../../build.mjs'
import { quote } from './lines.mjs'
import { createPage } from './page.mjs'
import { createEventSource, createMultipart, createXDomainRequest } from './requests.mjs'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')

/** Collects all objects without a reference. */
export const collect = async () => {
  // The target of a WeakRef that was read lives until the end of the task.
  await new Promise(setImmediate)
  gc()
  await new Promise(setImmediate)
}

export const { code } = await script('test/fakes/transports.js')

export const TEXT = 'é€😀\r\n\u2028</script>&"\'\\'
export const FRAMES = [['u', 1, 'id.1', 'se-cret', 3], ['n', 1], ['m', TEXT]]
export const BODY = `u1,id.1,se-cret,3:n1:m${TEXT.length}:${TEXT}`
export const URL = '/live/way?session=id.1&'
export const say = (text) => `m${text.length}:${text}`
/** Stands for the padding that a stream begins with. */
export const PAD = say(' '.repeat(2100))

export const pageFor = (options) => {
  const page = createPage(options)
  Object.assign(page.context, {
    XDomainRequest: options.ie > 7 ? createXDomainRequest(page) : undefined,
    EventSource: createEventSource(page.clock, page.network, options),
    XMLHttpRequest: createMultipart(page.network)
  })
  page.run(code)
  return page
}

/** Makes one request and writes down what is called. */
export const make = (page, way, { frames = FRAMES, credentials, take, url = URL } = {}) => {
  const it = { taken: [], ended: [] }
  it.stop = page.context.anywire[way](
    url,
    frames,
    credentials,
    (frame) => {
      if (frame[1] === PAD.slice(6)) return
      // Arrays of another context are not deeply equal to ours.
      it.taken.push(Array.from(frame))
      take?.(it, frame)
    },
    (...rest) => it.ended.push(rest.slice(0, 2).filter((one) => one !== undefined))
  )
  page.clock.advance(0)
  page.clock.advance(1)
  it.line = page.network.last()
  it.texts = () => it.taken.map((frame) => frame[1])
  return it
}

export const query = (line) => Object.fromEntries(new globalThis.URL(line.url, 'http://one.example').searchParams)

export const posted = '<script>function p(s){parent.postMessage(s,"*")}</script>'
export const called = (line) => `<script>function p(s){parent.${query(line).callback}(s)}</script>`
export const scripted = { flush: (text) => `<script>p(${quote(text)})</script>` }

/** Nothing is left: no element, no function, no listener, no request, no error. */
export const clean = (page) => {
  page.clock.advance(10000)
  assert.deepEqual(page.elements().map(({ tagName }) => tagName), [])
  assert.deepEqual(page.globals(), [])
  assert.equal(page.listeners(), 0)
  assert.deepEqual(page.network.requests.filter(({ open }) => open).map(({ url }) => url), [])
  assert.deepEqual(page.errors, [])
}
