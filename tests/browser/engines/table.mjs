// The table of what every engine did.

const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ')

export function table(rows, transports, cases) {
  const notes = []
  const note = (text) => {
    if (!notes.includes(text)) notes.push(text)
    return `[${notes.indexOf(text) + 1}]`
  }
  const verdict = (row, transport) => {
    if (row.missing) return 'not run'
    if (row.engine.cannot?.[transport]) return `cannot ${note(row.engine.cannot[transport])}`
    const own = row.outcomes.filter((each) => each.transport === transport)
    const bad = own.filter((each) => each.failure)
    if (bad.length === 0) return 'passed'
    return `**failed** ${bad.length} of ${own.length} ${bad.map((each) => note(`${row.name}, ${transport}, ${each.name}: ${each.failure}`)).join('')}`
  }
  const itself = (row) => {
    if (row.missing) return ['not run', note(`${row.name}: ${row.missing}`)]
    const failure = row.outcomes.find((each) => each.name === 'by itself')?.failure
    if (failure) return [`**failed** ${note(`${row.name}, by itself: ${failure}`)}`, '']
    return [`\`${row.report.chose}\`${row.engine.alone ? ` ${note(`only offered ${row.engine.alone.join(', ')}: ${row.engine.cannot['xhr-stream']}`)}` : ''}`, `${row.report.first} ms, \`${row.report.firstBy}\``]
  }
  const line = (cells) => `| ${cells.map(cell).join(' | ')} |`
  return [
    'Which engine does what: the ES3 client on loopback, without TLS.',
    '',
    `A transport has passed when all of this has, with no other one allowed: ${cases.join(', ')}. Exchange is 200 messages there and back with`,
    'multi-byte characters, surrogates, control characters, line separators, quotes, tags and nothing at all; binary is 200 numbered',
    'messages each way, every tenth binary, and all byte values; large is 1 MB; cut is a reset connection in the middle, resumed with nothing',
    'lost. An engine without `ArrayBuffer` only receives binary. "By itself" is what carries two seconds after the last change.',
    '',
    line(['engine', 'stands for', 'by itself', 'first message', ...transports.map((each) => `\`${each}\``)]),
    `|${'---|'.repeat(4 + transports.length)}`,
    ...rows.map((row) => line([row.name, row.engine.stands, ...itself(row), ...transports.map((each) => verdict(row, each))])),
    '',
    ...notes.map((text, i) => `${i + 1}. ${cell(text)}`),
    ''
  ].join('\n')
}
