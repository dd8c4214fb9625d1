// The types under each `moduleResolution`, in a package of modules and in one of CommonJS. What is compiled for Node runs.

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TEXT, here, install, pack, run, serve, temporary } from './support.mjs'

/** `moduleResolution`, its `module`, and in which packages; `true` if Node runs what comes out. */
const SETTINGS = [
  ['node16', 'node16', { commonjs: true, module: true }],
  ['nodenext', 'nodenext', { commonjs: true, module: true }],
  ['bundler', 'preserve', { commonjs: false, module: false }],
  ['bundler', 'esnext', { commonjs: false, module: true }]
]

const TSC = here('node_modules/typescript/bin/tsc')

test('TypeScript', async (t) => {
  await install(t)
  const server = await serve(t)
  for (const [moduleResolution, module, kinds] of SETTINGS) {
    for (const [kind, runs] of Object.entries(kinds)) {
      await t.test(`${kind} under ${moduleResolution} with module ${module}`, async (t) => {
        // The output is below the tools, so that Node finds the package.
        const output = here(`node_modules/.types/${kind}-${module}`)
        const home = here(`projects/types/${kind}`)
        const options = { module, moduleResolution, strict: true, skipLibCheck: false, target: 'es2022', lib: ['es2022', 'dom'], types: [], rootDir: home, outDir: output }
        await mkdir(output, { recursive: true })
        await writeFile(join(output, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: [join(home, 'program.ts')] }))
        await run(process.execPath, [TSC, '--project', output])
        if (!runs) return
        await cp(join(home, 'package.json'), join(output, 'package.json'))
        const { stdout } = await run(process.execPath, [join(output, 'program.js')], { env: { ...process.env, ANYWIRE_URL: server.url } })
        assert.equal(stdout.trim(), `1000 ${TEXT} function closed`)
      })
    }
  }

  await t.test('a wrong use is an error', async (t) => {
    const folder = await temporary(t)
    const program = join(folder, 'wrong.ts')
    await writeFile(program, "import { connect } from 'anywire'\nconnect(1)\n")
    await cp(here('node_modules/anywire'), join(folder, 'node_modules/anywire'), { recursive: true })
    await assert.rejects(run(process.execPath, [TSC, '--noEmit', '--strict', '--module', 'nodenext', program]), /TS2345/)
  })

  await t.test('arethetypeswrong finds nothing', async (t) => {
    const tarball = await pack(await temporary(t))
    await run(process.execPath, [here('node_modules/@arethetypeswrong/cli/dist/index.js'), '--profile', 'node16', '--no-emoji', '--no-color', tarball])
  })
})
