// The real proxies, each started in the foreground with a configuration of its own in a temporary folder. A
// proxy that the system lacks is unpacked into a cache and not installed: a server's package would start a
// service.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { unpacked } from '../../browser/engines/install.mjs'
import { caddyOfTheGuide, haproxyOfTheGuide, nginxOfTheGuide, vite, viteOfTheGuide } from './guide.mjs'

const HOST = '127.0.0.1'
const FOLDERS = ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin']

const UPGRADES = `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;`

/** The transport that must carry for each browser. */
const SOCKETS = { current: 'websocket', 'xhr-only': 'xhr-stream' }
const STREAMS = { current: 'fetch-stream', 'xhr-only': 'xhr-stream' }
const POLLS = { current: 'xhr-poll', 'xhr-only': 'xhr-poll' }

/** nginx with what `servers` makes of the place. */
const nginxWith = (servers, expect) => ({
  expect,
  binary: 'nginx',
  package: 'nginx-light',
  config: (place) => `
daemon off; master_process off; pid ${place.dir}/pid; error_log ${place.dir}/log;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((each) => `${each}_temp_path ${place.dir}/${each};`).join(' ')}
  ${servers(place)}
}`,
  args: ({ file, dir }) => ['-p', dir, '-c', file, '-e', `${dir}/log`]
})

const nginx = (location, expect, host = 'proxy_set_header Host $http_host;') =>
  nginxWith(
    ({ port, target }) => `
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server {
    listen ${HOST}:${port};
    location / { proxy_pass http://${HOST}:${target}; ${host} ${location} }
  }`,
    expect
  )

const varnish = (receive, expect) => ({
  expect,
  binary: 'varnishd',
  package: 'varnish',
  config: ({ target }) => `vcl 4.1;
backend default { .host = "${HOST}"; .port = "${target}"; }
${receive}`,
  args: ({ port, file, dir }) => ['-F', '-j', 'none', '-a', `${HOST}:${port}`, '-f', file, '-n', `${dir}/work`, '-s', 'malloc,16m']
})

const VARNISH_PIPE = `sub vcl_recv { if (req.http.Upgrade ~ "(?i)websocket") { return (pipe); } }
sub vcl_pipe { if (req.http.Upgrade) { set bereq.http.Upgrade = req.http.Upgrade; set bereq.http.Connection = req.http.Connection; } }`

const APACHE_MODULES = ['mpm_event', 'authz_core', 'proxy', 'proxy_http', 'proxy_wstunnel']

/** With `forward` the browser is configured to use the proxy; the others are reverse proxies. */
export const ENGINES = {
  'nginx, buffering on': nginx(UPGRADES, SOCKETS),
  'nginx, buffering off': nginx(`${UPGRADES} proxy_buffering off;`, SOCKETS),
  'nginx, buffering on, X-Accel-Buffering ignored': nginx(`${UPGRADES} proxy_ignore_headers X-Accel-Buffering;`, SOCKETS),
  'nginx, no upgrade, HTTP/1.0 to the server': nginx('proxy_http_version 1.0;', STREAMS),
  // If the server sends no chunks, nginx waits for a full buffer or the end.
  'nginx, the same, X-Accel-Buffering ignored': nginx('proxy_http_version 1.0; proxy_ignore_headers X-Accel-Buffering;', POLLS),
  // To the server the page and the host differ; only the browser knows that they are one.
  'nginx, Host of the server behind it': nginx(UPGRADES, SOCKETS, ''),
  'nginx, Host without the port': nginx(UPGRADES, SOCKETS, 'proxy_set_header Host $host;'),
  'nginx of the guide': nginxWith(nginxOfTheGuide, SOCKETS),
  'HAProxy of the guide': {
    expect: SOCKETS,
    binary: 'haproxy',
    package: 'haproxy',
    config: haproxyOfTheGuide,
    args: ({ file }) => ['-db', '-f', file]
  },
  'Caddy of the guide': {
    expect: SOCKETS,
    binary: 'caddy',
    package: 'caddy',
    config: caddyOfTheGuide,
    args: ({ file }) => ['run', '--config', file, '--adapter', 'caddyfile']
  },
  "Vite's development server of the guide": {
    expect: SOCKETS,
    locate: vite,
    config: viteOfTheGuide,
    file: 'vite.config.mjs',
    args: ({ file, port, root }) => [`${root}/node_modules/vite/bin/vite.js`, '--config', file, '--host', HOST, '--port', String(port), '--strictPort']
  },
  "Vite's development server, short form": {
    expect: STREAMS,
    locate: vite,
    config: ({ target }) => `export default { server: { proxy: { '/': 'http://${HOST}:${target}' } } }`,
    file: 'vite.config.mjs',
    args: ({ file, port, root }) => [`${root}/node_modules/vite/bin/vite.js`, '--config', file, '--host', HOST, '--port', String(port), '--strictPort']
  },
  HAProxy: {
    expect: SOCKETS,
    binary: 'haproxy',
    package: 'haproxy',
    config: ({ port, target }) => `
defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
frontend zoo
  bind ${HOST}:${port}
  default_backend live
backend live
  server one ${HOST}:${target}
`,
    args: ({ file }) => ['-db', '-f', file]
  },
  Squid: {
    expect: STREAMS,
    binary: 'squid',
    package: 'squid',
    forward: true,
    config: ({ port, dir, root }) => `
http_port ${HOST}:${port}
error_directory ${root}/usr/share/squid/errors/templates
icon_directory ${root}/usr/share/squid/icons
mime_table ${root}/usr/share/squid/mime.conf
unlinkd_program /bin/true
logfile_daemon /bin/true
pid_filename ${dir}/pid
cache_log ${dir}/log
access_log none
cache_store_log none
coredump_dir ${dir}
pinger_enable off
icp_port 0
shutdown_lifetime 0 seconds
visible_hostname zoo
acl CONNECT method CONNECT
acl SSL_ports port 443
http_access deny CONNECT !SSL_ports
http_access allow localhost
http_access deny all
`,
    args: ({ file }) => ['-N', '-n', 'zoo', '-f', file]
  },
  'Apache httpd': {
    expect: SOCKETS,
    binary: 'apache2',
    package: 'apache2',
    config: ({ port, target, dir, root }) => `
ServerRoot ${dir}
ServerName zoo
Listen ${HOST}:${port}
PidFile ${dir}/pid
ErrorLog ${dir}/log
DefaultRuntimeDir ${dir}
Mutex file:${dir}
StartServers 1
${APACHE_MODULES.map((name) => `LoadModule ${name}_module ${root}/usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
${process.getuid() === 0 ? 'User www-data\nGroup www-data' : ''}
ProxyPreserveHost On
ProxyPass / http://${HOST}:${target}/ upgrade=websocket
`,
    args: ({ file }) => ['-DFOREGROUND', '-f', file]
  },
  'Varnish, built-in VCL': varnish('', STREAMS),
  'Varnish, WebSocket piped': varnish(VARNISH_PIPE, SOCKETS),
  Caddy: {
    expect: SOCKETS,
    binary: 'caddy',
    package: 'caddy',
    config: ({ port, target }) => `
{
  admin off
  auto_https off
}
http://:${port} {
  bind ${HOST}
  reverse_proxy ${HOST}:${target}
}
`,
    args: ({ file }) => ['run', '--config', file, '--adapter', 'caddyfile']
  },
  tinyproxy: {
    expect: STREAMS,
    binary: 'tinyproxy',
    package: 'tinyproxy',
    forward: true,
    config: ({ port, dir }) => `
Port ${port}
Listen ${HOST}
Timeout 600
LogFile "${dir}/log"
PidFile "${dir}/pid"
Allow ${HOST}
ConnectPort 443
ConnectPort 563
`,
    args: ({ file }) => ['-d', '-c', file]
  },
  mitmproxy: {
    expect: { current: 'websocket', 'xhr-only': 'xhr-poll' },
    binary: 'mitmdump',
    package: 'mitmproxy',
    forward: true,
    config: () => '',
    args: ({ port, dir }) => ['-q', '--mode', 'regular', '--listen-host', HOST, '--listen-port', String(port), '--set', `confdir=${dir}`]
  }
}

/** Finds an engine: its program and its environment. Rejects if it is neither there nor available. */
export async function locate(name) {
  const { binary, package: from, locate: own } = ENGINES[name]
  if (own) return own()
  const inside = (root) => FOLDERS.map((folder) => `${root}${folder}/${binary}`).find(existsSync)
  if (inside('')) return { program: inside(''), root: '', env: {} }
  const { root, library } = await unpacked(from)
  const env = { LD_LIBRARY_PATH: library, PYTHONPATH: `${root}/usr/lib/python3/dist-packages` }
  return { program: inside(root), root, env }
}

async function freePort() {
  const server = net.createServer().listen(0, HOST)
  await once(server, 'listening')
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Resolves to whether a server listens on the port. */
const listens = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, HOST)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })

async function listening(child, port, output, patience = 20_000) {
  const end = performance.now() + patience
  while (!(await listens(port))) {
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > end) throw new Error(`never listened: ${output.join('')}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Starts a real proxy before `target`; returns `{ port, forward, close }`. */
export async function startEngine(name, target) {
  const engine = ENGINES[name]
  const { program, root, env: around } = await locate(name)
  const dir = await mkdtemp(path.join(tmpdir(), 'zoo-'))
  // Some engines drop root and still write here.
  await chmod(dir, 0o777)
  await mkdir(`${dir}/home`)
  const file = `${dir}/${engine.file ?? 'config'}`
  const place = { dir, file, root, target, port: await freePort() }
  await writeFile(file, engine.config(place))
  const env = { ...process.env, HOME: `${dir}/home`, XDG_DATA_HOME: `${dir}/home`, XDG_CONFIG_HOME: `${dir}/home`, ...around }
  const child = spawn(program, engine.args(place), { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const output = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => output.length < 200 && output.push(String(text)))
  const killed = () => child.kill('SIGKILL')
  process.once('exit', killed)
  const close = async () => {
    await ended(child)
    process.off('exit', killed)
    await rm(dir, { recursive: true, force: true, maxRetries: 3 })
  }
  try {
    await listening(child, place.port, output)
  } catch (error) {
    await close()
    throw error
  }
  return { port: place.port, forward: engine.forward, close }
}

async function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  // Some engines take ten seconds to end their own child processes first.
  const impatient = setTimeout(() => child.kill('SIGKILL'), 15_000)
  await exit
  clearTimeout(impatient)
}
