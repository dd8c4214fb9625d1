// RESULTS.md: what the lab's engines and proxies did, a section for each, each written by its own run.

import { readFile, writeFile } from 'node:fs/promises'

const FILE = new URL('RESULTS.md', import.meta.url)
const TITLE = '# What the lab has seen\n\n`tests/run.sh --lab` writes this.\n'

/** Puts a section in the place of the one of that heading, or behind the others. `command` is what has written it. */
export async function writeSection(heading, command, text) {
  const [, ...sections] = (await readFile(FILE, 'utf8').catch(() => '')).split(/^(?=## )/m)
  const section = `## ${heading}\n\nWritten by \`${command}\` on ${new Date().toISOString().slice(0, 10)}.\n\n${text.trim()}\n`
  const at = sections.findIndex((each) => each.startsWith(`## ${heading}\n`))
  sections.splice(at < 0 ? sections.length : at, at < 0 ? 0 : 1, section)
  await writeFile(FILE, [TITLE, ...sections.map((each) => each.trimEnd() + '\n')].join('\n'))
}
