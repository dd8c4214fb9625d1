// Runs the snippets of the guide's chapter on clients that are marked so: in Node, and in a page with a worker.

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { chromium, here, install, run, serve, site, temporary } from './support.mjs'

const guide = await readFile(here('../../src/guide/clients.md'), 'utf8')

/** The block behind the mark, for the server at `url`. */
const snippet = (mark, url) => {
  const [, code] = new RegExp(`^<!-- run ${mark} -->\\n\`\`\`js\\n([^]*?)^\`\`\`$`, 'm').exec(guide)
  return code.replace(/connect\('[^']*'/, `connect('${url}'`)
}

test('the guide', async (t) => {
  await install(t)
  const server = await serve(t)
  // Below the tools, so that the package is found.
  const folder = here('node_modules/.guide')
  await mkdir(folder, { recursive: true })

  await t.test('from Node', async () => {
    const program = join(folder, 'program.mjs')
    await writeFile(program, snippet('in node', server.url))
    const { stdout } = await run(process.execPath, [program])
    assert.equal(stdout, 'received hello\nclosed 1000\n')
  })

  await t.test('in a worker', async (t) => {
    const output = await temporary(t)
    await writeFile(join(folder, 'worker.js'), snippet('as worker.js', server.url))
    await build({ entryPoints: [join(folder, 'worker.js')], bundle: true, outfile: join(output, 'worker.js'), logLevel: 'error' })
    // The page reports by `exchange` the line that the snippet logs.
    const page = `self.exchange = () => new Promise((resolve) => {\nconst console = { log: (...words) => resolve(words.join(' ')) }\n${snippet('in a page', '')}})\n`
    await writeFile(join(output, 'page.js'), page)
    const browser = await chromium(t)
    const origin = await site(t, output, server.policy)
    assert.equal(await browser.exchange(`${origin}/?script=/page.js`), 'received hello')
  })
})
