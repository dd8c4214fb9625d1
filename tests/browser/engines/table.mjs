// The table of the results of all engines.

import { CASES, WAYS, barred } from './transports.mjs'

const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ')

export function table(rows) {
  const notes = []
  const note = (text) => {
    if (!notes.includes(text)) notes.push(text)
    return `[${notes.indexOf(text) + 1}]`
  }
  const one = (row, name, across) => {
    const bar = barred(row.engine, { name, across })
    if (bar) return `${bar.verdict} ${note(bar.why)}`
    if (row.missing) return 'not run'
    const own = row.outcomes.filter((each) => each.way === name && each.across === across)
    const bad = own.filter((each) => each.failure)
    if (bad.length === 0) return 'passed'
    const where = `${row.name}, ${name}${across ? ' across origins' : ''}`
    return `**failed** ${bad.length} of ${own.length} ${bad.map((each) => note(`${where}, ${each.name}: ${each.failure}`)).join('')}`
  }
  const stands = ({ engine: { stands, limits = {} } }) => {
    const notes = [limits.spares?.why, limits.large && `large is ${limits.large / 1000} kB: a megabyte takes too long`]
    return [stands, ...notes.filter(Boolean).map(note)].join(' ')
  }
  const verdict = (row, { name }) => {
    const [here, across] = [one(row, name, false), one(row, name, true)]
    return here === across ? here : `${here}; across: ${across}`
  }
  const itself = (row) => {
    if (row.missing) return ['not run', note(`${row.name}: ${row.missing}`)]
    const failure = row.outcomes.find((each) => each.name === 'by itself')?.failure
    if (failure) return [`**failed** ${note(`${row.name}, by itself: ${failure}`)}`, '']
    const { chose, first, firstBy } = row.report
    const { alone } = row.engine
    const offered = alone ? ` ${note(`only offered ${alone.join(', ')}: a stream holds the emulator's one thread`)}` : ''
    return [`\`${chose}\`${offered}`, `${first} ms, \`${firstBy}\``]
  }
  const heading = ({ name, large }) => `\`${name}\`${large < 1e6 ? ` ${note(`large is ${large / 1000} kB: an upload by GET goes in parts of 1.4 kB`)}` : ''}`
  const line = (cells) => `| ${cells.map(cell).join(' | ')} |`
  return [
    'The results of the ES3 client in every engine, on loopback and without TLS.',
    '',
    `A transport has passed when all of these cases have, with no other transport allowed: ${CASES.join(', ')}.`,
    'Exchange is 200 messages in each direction with multi-byte characters, surrogates, all control characters, CR, LF and CRLF,',
    'line separators, texts that have a meaning in URLs, forms, JSON, HTML and XML, at their starts and ends, and empty messages.',
    'Binary is 200 numbered messages each way, every tenth binary, and all byte values. Large is 1 MB, or less where a note gives it.',
    'Events are events in order, requests both ways and faults, with bytes in their values, in the session and in a channel, which the',
    'server then closes, and a channel that is refused. Engines without JSON load a script that adds it.',
    'Cut is a reset connection in the middle, resumed with nothing lost. An engine without `ArrayBuffer` only receives binary.',
    'All cases but "events", "large" and "closed by the page" run once more with the server on another origin than the page, which its origin',
    'policy lists; a result is for both, unless it has "across". "Fake" is a transport that no engine here has, which the client\'s',
    'tests check with a fake of the browser\'s object. "By itself" is the transport that carries two seconds after the last change.',
    '',
    line(['engine', 'stands for', 'by itself', 'first message', ...WAYS.map(heading)]),
    `|${'---|'.repeat(4 + WAYS.length)}`,
    ...rows.map((row) => line([row.name, stands(row), ...itself(row), ...WAYS.map((way) => verdict(row, way))])),
    '',
    ...notes.map((text, i) => `${i + 1}. ${cell(text)}`),
    ''
  ].join('\n')
}
