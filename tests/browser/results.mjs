// RESULTS.md: the results of the lab's engines and proxies, each in a section that its own run writes.

import { readFile, writeFile } from 'node:fs/promises'

const FILE = new URL('RESULTS.md', import.meta.url)
const TITLE = '# Results of the lab\n\n`tests/run.sh --lab` writes this.\n'

/** Replaces the section of that heading, or appends it. `command` is the command that writes it. */
export async function writeSection(heading, command, text) {
  const [, ...sections] = (await readFile(FILE, 'utf8').catch(() => '')).split(/^(?=## )/m)
  const section = `## ${heading}\n\nWritten by \`${command}\` on ${new Date().toISOString().slice(0, 10)}.\n\n${text.trim()}\n`
  const at = sections.findIndex((each) => each.startsWith(`## ${heading}\n`))
  sections.splice(at < 0 ? sections.length : at, at < 0 ? 0 : 1, section)
  await writeFile(FILE, [TITLE, ...sections.map((each) => each.trimEnd() + '\n')].join('\n'))
}
