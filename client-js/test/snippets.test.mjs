/** Each block of JavaScript in the papers compiles against the client's types. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const top = fileURLToPath(new URL('../..', import.meta.url))
const home = join(top, 'client-js')

const PAPERS = ['README.md', 'client-js/README.md', ...readdirSync(join(top, 'src/guide')).filter((name) => name.endsWith('.md')).map((name) => `src/guide/${name}`)]

/** The names that the snippets use besides the client and the browser. */
const SURROUNDINGS = `
declare module 'react' {
  export const useCallback: <F>(run: F, needed: unknown[]) => F
  export const useEffect: (run: () => void | (() => void), needed: unknown[]) => void
  export const useRef: (value: any) => { current: any }
  export const useState: <T>(value: T) => [T, (next: any) => void]
}
declare module 'engine.io-client' {
  export class Socket {
    constructor(url: string)
    on(name: string, listener: (data: any) => void): void
    send(data: string | ArrayBuffer): void
  }
}
declare namespace JSX {
  interface IntrinsicElements { [name: string]: any }
}
declare const session: import('anywire').Session
declare const canvas: HTMLCanvasElement
// The modules and globals of other clients.
declare module 'socket.io-client' { export const io: (url: string, options?: object) => any }
declare module 'socket.io-msgpack-parser'
declare module '@stomp/stompjs' {
  export class Client {
    constructor(settings: { webSocketFactory: () => import('anywire/socket').Socket })
    onConnect: () => void
    subscribe(destination: string, listener: (message: { body: string }) => void): void
    publish(message: { destination: string, body: string }): void
    activate(): void
  }
}
declare const SockJS: new (url: string) => WebSocket
`

/** The blocks of a paper: `{ name, kind, code }`. */
const blocksOf = (paper) =>
  [...readFileSync(join(top, paper), 'utf8').matchAll(/^```(js|jsx|ts|html)\b.*\n([^]*?)^```$/gm)].map(([, kind, code], index) => ({
    name: `${paper.replaceAll(/\W/g, '-')}-${index}`,
    kind,
    // Of a page its scripts are checked; they have the global.
    code: kind === 'html' ? [...code.matchAll(/<script>([^]*?)<\/script>/g)].map(([, script]) => script).join('\n') : code
  }))

/** The compiler's messages for these blocks. */
const check = (t, blocks) => {
  const folder = mkdtempSync(join(tmpdir(), 'anywire-snippets-'))
  t.after(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(home, join(folder, 'node_modules/anywire'))
  writeFileSync(join(folder, 'surroundings.d.ts'), SURROUNDINGS)
  writeFileSync(join(folder, 'global.d.ts'), "import 'anywire/global'\n")
  const files = blocks.map(({ name, kind, code }) => {
    const file = join(folder, `${name}.${kind === 'html' ? 'js' : kind}`)
    // Each block is a module of its own.
    writeFileSync(file, `${code}\nexport {}\n`)
    return file
  })
  const options = ['--noEmit', '--allowJs', '--checkJs', '--jsx', 'preserve', '--target', 'es2022', '--lib', 'es2022,dom', '--module', 'preserve', '--moduleResolution', 'bundler']
  const { stdout } = spawnSync(process.execPath, [join(home, 'node_modules/typescript/bin/tsc'), ...options, join(folder, 'surroundings.d.ts'), join(folder, 'global.d.ts'), ...files], { encoding: 'utf8', cwd: folder })
  return stdout
}

test('the snippets of the papers compile', (t) => {
  const blocks = PAPERS.flatMap(blocksOf)
  assert.ok(blocks.length > 4, `${blocks.length}`)
  assert.ok(blocks.some(({ kind }) => kind === 'jsx'))
  assert.equal(check(t, blocks), '')
})

test('a wrong snippet is noticed', (t) => {
  const found = check(t, [
    { name: 'event', kind: 'js', code: "import { connect } from 'anywire'\nconnect('/live').on('opened', 5)" },
    { name: 'global', kind: 'html', code: 'anywire.connect(1)' }
  ])
  for (const part of ['event.js(2', 'global.js(1']) assert.ok(found.includes(part), found)
  assert.match(check(t, [{ name: 'syntax', kind: 'jsx', code: 'const x = <a>' }]), /^syntax\.jsx\(1/)
})
