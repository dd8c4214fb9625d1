// Shared by the packaging tests: the package as npm hands it out, a real server, pages in Chromium.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { launch } from '../browser/browser.mjs'
import { startLab } from '../browser/lab.mjs'

const exec = promisify(execFile)

export const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** The messages that the programs send, and get back. */
export const TEXT = 'é€😀'

/** Runs a program; a failure's message has all that it printed. */
export async function run(command, args, options = {}) {
  try {
    return await exec(command, args, { cwd: here('.'), timeout: 240_000, ...options })
  } catch (error) {
    throw new Error(`${command} ${args.join(' ')}\n${error.stdout}\n${error.stderr || error.message}`)
  }
}

/** A folder that is removed after the tests of the file. */
export async function temporary(t) {
  const folder = await mkdtemp(join(tmpdir(), 'anywire-packaging-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Packs the client. Returns the path of the tarball. */
export async function pack(folder) {
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: here('../../client-js') })
  return join(folder, JSON.parse(stdout)[0].filename)
}

/** Installs the packed client beside the tools, where the projects find it. */
export async function install(t) {
  const tarball = await pack(await temporary(t))
  const installed = here('node_modules/anywire')
  await rm(installed, { recursive: true, force: true })
  await mkdir(installed, { recursive: true })
  await run('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1'])
}

/** The server that echoes, for pages of any origin and for programs. Has the address of its sessions. */
export async function serve(t) {
  const lab = await startLab({ origins: 'any' })
  t.after(() => lab.stop())
  const origin = `http://${lab.host}:${lab.port}`
  return {
    url: `${origin}/live`,
    policy: `default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self' ${origin} ${origin.replace('http', 'ws')}`,
    /** How many sessions the server has. */
    sessions: async () => Number(await (await fetch(`${origin}/sessions`)).text())
  }
}

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8' }

/** Serves the files of a folder, and a page for each script, under the policy. Returns the origin. */
export async function site(t, folder, policy) {
  const files = new Map()
  for (const name of await readdir(folder, { recursive: true })) {
    const type = TYPES[extname(name)]
    if (type) files.set(`/${name}`, { type, body: await readFile(join(folder, name)) })
  }
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://site')
    const page = pathname === '/' && { type: TYPES['.html'], body: `<!doctype html><link rel=icon href=data:,><script ${searchParams.get('kind') ?? ''} src=${searchParams.get('script')}></script>` }
    const file = page || files.get(pathname)
    response.writeHead(file ? 200 : 404, { 'content-type': file ? file.type : 'text/plain', 'content-security-policy': policy })
    response.end(file ? file.body : '')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://localhost:${server.address().port}`
}

/** Chromium, whose pages have `exchange` after their script has run. */
export async function chromium(t) {
  const browser = await launch()
  t.after(() => browser.close())
  return {
    /** Opens the address, waits for the page's `exchange`, and calls it. */
    async exchange(address, url) {
      const page = await browser.newPage()
      const complaints = []
      page.on('pageerror', (error) => complaints.push(error.message))
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
      try {
        await page.goto(address)
        await page.waitForFunction(() => self.exchange, undefined, { timeout: 20_000 })
        return await Promise.race([
          page.evaluate((url) => self.exchange(url), url),
          page.waitForFunction(() => false, undefined, { timeout: 20_000 })
        ])
      } catch (error) {
        throw new Error(`${error.message} ${complaints.join('; ')}`)
      } finally {
        await page.close()
      }
    }
  }
}
