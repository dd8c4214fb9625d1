// The page that each bundler makes of one import, in a page of Chromium under a policy that forbids eval.

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { join } from 'node:path'
import nodeResolve from '@rollup/plugin-node-resolve'
import { rollup } from '@rollup/wasm-node'
import * as esbuild from 'esbuild'
import * as vite from 'vite'
import webpack from 'webpack'
import { TEXT, chromium, here, install, serve, site, temporary } from './support.mjs'

const source = (name) => here(`projects/bundlers/${name}`)

/** Each bundles a source into a file. */
const BUNDLERS = {
  esbuild: (input, outfile) => esbuild.build({ entryPoints: [input], bundle: true, outfile, logLevel: 'error' }),
  'esbuild, for old browsers': (input, outfile) =>
    esbuild.build({ entryPoints: [input], bundle: true, minify: true, outfile, target: 'es2018', logLevel: 'error' }),
  async rollup(input, file) {
    const bundle = await rollup({ input, plugins: [nodeResolve({ browser: true })] })
    await bundle.write({ file, format: 'iife' })
  },
  webpack: (input, outfile) =>
    new Promise((resolve, reject) => {
      const [, path, filename] = /(.*)\/(.*)/.exec(outfile)
      const compiler = webpack({ mode: 'production', target: ['web', 'es2018'], context: here('.'), entry: input, output: { path, filename } })
      compiler.run((error, stats) => {
        const failure = error ?? (stats.hasErrors() || stats.hasWarnings() ? Error(stats.toString('errors-warnings')) : undefined)
        compiler.close(() => (failure ? reject(failure) : resolve()))
      })
    })
}

/** Those that take CommonJS without further plugins. */
const COMMONJS = ['esbuild', 'webpack']

/** Vite has its own idea of a page, and a server for development. */
async function viteBuild(root, outDir, page) {
  const input = join(root, page)
  await vite.build({ root, base: './', configFile: false, logLevel: 'error', build: { outDir, emptyOutDir: true, rollupOptions: { input } } })
}

async function viteServer(t, root) {
  const server = await vite.createServer({
    root,
    configFile: false,
    logLevel: 'error',
    cacheDir: await temporary(t),
    server: { host: '127.0.0.1', port: 0, hmr: false, fs: { allow: [here('.')] } },
    optimizeDeps: { include: ['anywire', 'anywire/global'] }
  })
  await server.listen()
  t.after(() => server.close())
  return `http://127.0.0.1:${server.httpServer.address().port}`
}

test('bundlers', async (t) => {
  await install(t)
  const [folder, server, browser] = [await temporary(t), await serve(t), await chromium(t)]
  for (const [name, bundle] of Object.entries(BUNDLERS)) {
    const inputs = ['module.js', 'global.js', 'io.js', ...(COMMONJS.includes(name) ? ['required.cjs'] : [])]
    for (const input of inputs) {
      await t.test(`${name} bundles ${input}`, async (t) => {
        const output = `${name}-${input}`.replaceAll(/\W+/g, '-') + '.js'
        await bundle(source(input), join(folder, output))
        const origin = await site(t, folder, server.policy)
        assert.equal(await browser.exchange(`${origin}/?script=/${output}`, server.url), TEXT)
      })
    }
  }
  for (const page of ['index.html', 'global.html']) {
    await t.test(`Vite builds ${page}`, async (t) => {
      const output = await temporary(t)
      await viteBuild(source(''), output, page)
      const origin = await site(t, output, server.policy)
      assert.equal(await browser.exchange(`${origin}/${page}`, server.url), TEXT)
    })
  }
  await t.test("Vite's server for development", async (t) => {
    const origin = await viteServer(t, source(''))
    for (const page of ['index.html', 'global.html']) assert.equal(await browser.exchange(`${origin}/${page}`, server.url), TEXT)
  })

  await t.test('a worker and a service worker', async (t) => {
    const output = await temporary(t)
    await BUNDLERS.esbuild(source('worker.js'), join(output, 'worker.js'))
    await BUNDLERS.esbuild(source('workers.js'), join(output, 'workers.js'))
    const origin = await site(t, output, server.policy)
    assert.deepEqual(await browser.exchange(`${origin}/?script=/workers.js`, server.url), [TEXT, TEXT])
  })
})
