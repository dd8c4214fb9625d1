// The clients of SockJS in the engines: which transports are tried in which, and the table of the results.

import { BUILDS } from '../../clients/sockjs-builds.mjs'

export const VERSIONS = Object.keys(BUILDS)

const CASES = ['characters', 'order', 'large', 'closed by the page', 'closed by the server']

/** The number of characters of the large case, in twenty messages. */
const LARGE = 200_000

/** A case that takes longer has failed. */
const SECONDS = 30

/** The transports of the newest client, but for those of XDomainRequest, which no engine here has. */
const TRANSPORTS = [
  'websocket', 'xhr-streaming', 'eventsource', 'iframe-eventsource', 'htmlfile', 'iframe-htmlfile', 'xhr-polling', 'iframe-xhr-polling', 'jsonp-polling'
]

const OLDEST = VERSIONS[0]
const FRAMES = TRANSPORTS.filter((name) => name.startsWith('iframe'))
const LOST = 'the emulator loses the messages between frames'
const DOMAIN = "the protocol's page sets document.domain, and then calls only a page that has set it too"
const all = (names, why) => Object.fromEntries(names.map((name) => [name, why]))

/**
 * The engines that run these clients. `cannot` has the reason why an engine cannot go a way, `across` the reason why it
 * cannot when the server is on another origin, `oldest` why the oldest client cannot. `large` is the size of the large
 * case, where it is another one.
 */
export const SOCKJS = {
  explorer: (version) => ({
    // The emulator escapes a long text for seconds, in which it does not poll: its session would be over.
    large: 40_000,
    cannot: {
      websocket: 'has no WebSocket',
      'xhr-streaming': 'its XMLHttpRequest has no withCredentials, which these clients want for a stream',
      eventsource: 'has no EventSource',
      htmlfile: 'the emulator has no htmlfile',
      ...all(FRAMES, version === 9 ? LOST : version === 8 ? 'the emulator has no postMessage' : 'has no postMessage')
    },
    across: {
      'xhr-polling': 'asks no other origin by XMLHttpRequest',
      // The client asks first, and by a frame where there are messages between frames.
      ...(version === 9 ? { 'jsonp-polling': LOST } : {})
    },
    oldest: { 'xhr-polling': 'this client polls by an XMLHttpRequest with withCredentials only' }
  }),
  webkit534: {
    cannot: {
      websocket: 'speaks the draft hixie-76',
      htmlfile: DOMAIN,
      'iframe-htmlfile': 'this program gives up when a frame is stopped'
    },
    across: { eventsource: 'EventSource refuses other origins' }
  },
  webkit538: { cannot: { htmlfile: DOMAIN } }
}

/** The reasons for which no engine takes these ways. */
const everywhere = {
  across: { htmlfile: 'only for pages of the same origin' },
  oldest: all(['eventsource', 'htmlfile'], 'this client has it in a frame only')
}

const barred = ({ cannot = {}, across = {}, oldest = {} }, way) =>
  (way.version === OLDEST && oldest[way.transport]) || (way.across && across[way.transport]) || cannot[way.transport]

/** All ways of a version, each with the reason why the engine cannot go it, if there is one. */
function ways({ sockjs = {} }, version) {
  const each = TRANSPORTS.flatMap((transport) => [false, true].map((across) => ({ version, transport, across })))
  return each.map((way) => ({ ...way, why: barred(everywhere, way) || barred(sockjs, way) }))
}

/** The trials of a version in the engine. */
export function trials(engine, version) {
  const possible = ways(engine, version).filter(({ why }) => !why)
  return possible.map(({ transport, across }) => ({ transport, across, cases: CASES, large: engine.sockjs.large ?? LARGE, seconds: SECONDS }))
}

const line = (cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`

/** `rows` have `name`, `engine`, and `sockjs`: for each version its outcomes, or `missing`. */
export function table(rows) {
  const notes = []
  const note = (text) => {
    if (!notes.includes(text)) notes.push(text)
    return `[${notes.indexOf(text) + 1}]`
  }
  const one = (name, outcomes, { version, transport, across, why }) => {
    if (why) return `cannot ${note(why)}`
    const bad = outcomes.filter((each) => each.version === version && each.way === transport && each.across === across && each.failure)
    return bad.length === 0 ? 'passed' : `**failed** ${bad.map((each) => note(`${name}, ${version}, ${transport}, ${each.name}: ${each.failure}`)).join('')}`
  }
  const cells = (row, version) => {
    const every = ways(row.engine, version)
    return TRANSPORTS.map((transport) => {
      if (row.missing) return 'not run'
      const [here, across] = [false, true].map((side) => one(row.name, row.outcomes, every.find((way) => way.transport === transport && way.across === side)))
      return here === across ? here : `${here}; across: ${across}`
    })
  }
  return [
    'The clients of SockJS in the engines that run them, by each transport alone, on loopback and without TLS.',
    '',
    `A transport has passed when all of these cases have: ${CASES.join(', ')}.`,
    'Characters is each control character, line separators, surrogates, halves of them, and texts that have a meaning in URLs, forms,',
    'JSON, HTML and XML. Order is 200 messages each way. Large is more than the limit of a streamed answer, or less in an emulator,',
    'which only polls. All run once more with the server on another origin than the page; a result is for both, unless it has "across".',
    'No engine here has XDomainRequest, so that two transports of Internet Explorer 8 and 9 are not tested.',
    '',
    line(['engine', 'client', ...TRANSPORTS.map((name) => `\`${name}\``)]),
    `|${'---|'.repeat(2 + TRANSPORTS.length)}`,
    ...rows.flatMap((row) => VERSIONS.map((version) => line([row.name, version, ...cells(row, version)]))),
    '',
    ...notes.map((text, i) => `${i + 1}. ${text}`),
    ''
  ].join('\n')
}
