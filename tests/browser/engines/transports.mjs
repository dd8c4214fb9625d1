// The transports that the scenario makes the client use, and the engines that cannot: data for the run and
// the table.

/**
 * The transports that the client has, by their public names, uplinks too. A way below whose names are all in
 * this list is tried in every engine that can, and has a column in the table.
 */
const EXISTING = [
  'websocket', 'xhr-stream', 'eventsource', 'htmlfile', 'iframe', 'multipart', 'xhr-poll', 'poll', 'jsonp-poll', 'form-post', 'jsonp-send'
]

/**
 * The objects that no engine here has, so that the client's tests have fakes of them. The table then shows
 * `fake`.
 */
const FAKED = ['htmlfile', 'XDomainRequest', 'multipart']

export const CASES = ['exchange', 'binary', 'events', 'large', 'cut', 'closed by the page', 'closed by the server']
/**
 * The cases that run once more with the page and the server on two origins; the origin policy lists the
 * page's.
 */
const ACROSS = ['exchange', 'binary', 'cut', 'closed by the server']

const LARGE = 1_000_000

/**
 * The ways, by the name of their column. `allow` lists the transports that the client may use; the first must
 * carry in the end. `large` is the number of characters of the large case: an upload by GET goes in parts of
 * some 1,400 bytes. `seamless`: a cut interrupts nothing, since some browsers do not distinguish it from an
 * end, or since it may fall between two answers.
 */
const ALL = {
  websocket: {},
  'xhr-stream': {},
  eventsource: { seamless: true },
  htmlfile: {},
  iframe: { seamless: true },
  multipart: {},
  'xhr-poll': {},
  poll: { seamless: true },
  'jsonp-poll + form-post': { allow: ['jsonp-poll', 'form-post'] },
  'jsonp-poll + jsonp-send': { allow: ['jsonp-poll', 'jsonp-send'], large: 20_000 }
}

export const WAYS = Object.entries(ALL)
  .map(([name, { allow = [name], large = LARGE, seamless }]) => ({ name, allow, large, seamless }))
  .filter(({ allow }) => allow.every((each) => EXISTING.includes(each)))

/** Every way, with the server on the page's origin and on another. */
const TRIALS = WAYS.flatMap((way) => [false, true].map((across) => ({ ...way, across, cases: across ? ACROSS : CASES })))

const BY_XHR = ['xhr-stream', 'xhr-poll', 'poll']
const EMULATED = 'the emulator reads an answer whole'
const BUFFERS = 'the network layer holds every stream to its end'
const NO_EVENTS = 'has no EventSource'
const NO_FRAMES = 'frames do not work in this host'
const NO_PAGE = 'has no page, so no frames, scripts and origins'

/** A text that the scenario leaves out, and the reason. */
const NO_NUL = { text: '\0', why: 'shows NUL as a space: left out' }

const all = (names, why) => Object.fromEntries(names.map((name) => [name, why]))

/** The limits of every engine, unless its own are other ones. */
const COMMON = {
  htmlfile: 'has no ActiveXObject',
  multipart: 'shows nothing of it before its end, which only Gecko before 22 did'
}

/**
 * The limits of the engines. `cannot` has the reason why an engine cannot go a way, `across` the reason why
 * it cannot when the server is on another origin. `fake` and `fakeAcross` name the object that the real
 * browser had for it. `large` is the size of the large case, where a megabyte would take too long.
 */
export const LIMITS = {
  /**
   * HtmlUnit lets scripts send requests to every origin, which the real ones did not, and has one thread for
   * all.
   */
  explorer: (version) => ({
    cannot: { websocket: 'has no WebSocket', 'xhr-stream': EMULATED, eventsource: NO_EVENTS, iframe: EMULATED },
    across: all(BY_XHR, 'asks no other origin by XMLHttpRequest'),
    fake: { htmlfile: 'htmlfile' },
    fakeAcross: version === 8 || version === 9 ? all(BY_XHR, 'XDomainRequest') : {}
  }),
  explorer11: {
    large: 100_000,
    across: all(BY_XHR, 'the emulated XMLHttpRequest knows of no other origins'),
    cannot: { websocket: 'in the emulator it opens at times', 'xhr-stream': EMULATED, eventsource: NO_EVENTS, iframe: EMULATED }
  },
  webkit534: {
    cannot: {
      websocket: 'speaks the draft hixie-76',
      ...all(['iframe', 'jsonp-poll + form-post', 'jsonp-poll + jsonp-send'], 'this program gives up when a frame or a script is stopped')
    },
    across: { eventsource: 'EventSource refuses other origins' }
  },
  jscript: {
    cannot: {
      websocket: 'has no WebSocket', 'xhr-stream': 'responseText throws before the end', eventsource: NO_EVENTS,
      ...all(['htmlfile', 'iframe', 'jsonp-poll + form-post', 'jsonp-poll + jsonp-send'], NO_PAGE)
    },
    across: all(BY_XHR, NO_PAGE)
  },
  javafx: {
    cannot: all(['xhr-stream', 'eventsource', 'iframe'], BUFFERS),
    across: all(BY_XHR, 'sends no Origin, so that it is not shown what another one answers')
  },
  khtml: {
    spares: NO_NUL,
    large: 100_000,
    cannot: {
      websocket: 'has no WebSocket',
      eventsource: NO_EVENTS,
      ...all(['iframe', 'jsonp-poll + form-post'], NO_FRAMES)
    },
    across: all(BY_XHR, 'XMLHttpRequest refuses other origins')
  },
  gecko: { fake: { multipart: 'multipart' } }
}

/** The ways that the engine is to try. */
export function possible(engine) {
  const most = engine.limits?.large ?? LARGE
  return TRIALS.filter((trial) => !barred(engine, trial)).map((trial) => ({ ...trial, large: Math.min(trial.large, most) }))
}

/**
 * Whether the engine cannot go the way, as `{ verdict, why }`: `fake` means that a test with a fake object
 * exists.
 */
export function barred({ limits = {} }, { name, across }) {
  const { cannot = {}, across: beyond = {}, fake = {}, fakeAcross = {} } = limits
  const object = (across && fakeAcross[name]) || fake[name]
  if (object) {
    if (FAKED.includes(object)) return { verdict: 'fake', why: `tested with a fake of ${object} only` }
    return { verdict: 'cannot', why: `nothing here has ${object}` }
  }
  const why = (across && beyond[name]) || cannot[name] || COMMON[name]
  return why && { verdict: 'cannot', why }
}
