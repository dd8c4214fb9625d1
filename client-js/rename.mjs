/**
 * Short names for a bundle. Which bindings may not share a name is what terser found out about scopes (its AST holds it after mangling),
 * the quirks of old browsers among it; here it is only read. Nothing is parsed or printed twice, so the source map is terser's own.
 */

/** The order of names for what has none stored. */
const ORDER = 'etnrioslacudfmhpgbvykwxTERSDAOIMLPCBNFGHUKVWYXZjqzJQ_$'
/** Words, and what a list has of its own. */
const RESERVED = /^(as|at|do|if|in|is|of)$/

export const nth = (n) => {
  const letter = ORDER[n % ORDER.length]
  return n < ORDER.length ? letter : letter + nth(Math.floor(n / ORDER.length) - 1)
}

/** Names of one letter, then of two. */
export const POOL = Array.from({ length: 1500 }, (_, n) => nth(n)).filter((name) => !RESERVED.test(name))

/** Properties of ours end in an underscore. */
const OURS = /_$/

/**
 * Variables that hold an object made by one literal that gets no properties later: nothing but its keys can be found on it. So a property
 * that is only ever said of one of them may be called like one that is never said of it.
 */
const CLOSED = ['machine', 'chooser']

/** What a function is called in a path: after what it is assigned to, or handed to; nothing where that has no name. */
const label = (parent) => {
  const named = parent.left ?? parent.key ?? parent.name ?? parent.expression
  const name = named?.property ?? named?.name ?? named
  return typeof name === 'string' ? name : ''
}

const plain = (name) => String(name).replace(/\$\d+$/, '')

/** Calls back for each node with its ancestors. */
const walk = (ast, each) => {
  const above = []
  const visit = (node, descend) => {
    each(node, above)
    above.push(node)
    descend?.call(node)
    above.pop()
  }
  ast.walk({ _visit: visit, push() {}, pop() {} })
}

/** Numbers what would be called the same. */
const numbered = () => {
  const seen = {}
  return (name) => {
    seen[name] = (seen[name] ?? 0) + 1
    return seen[name] > 1 ? `${name}#${seen[name]}` : name
  }
}

const rival = (one, other) => {
  if (!one || !other || one === other) return
  one.rivals.add(other)
  other.rivals.add(one)
}

/** Says `name` or asks for it: where a node tells of a property. */
const property = (node, name) => {
  if (node.TYPE === 'Dot') return name ? (node.property = name) : node.property
  if (node.TYPE === 'ConciseMethod') return name ? (node.key.name = name) : node.key.name
  if (node.TYPE === 'ObjectKeyVal' && typeof node.key === 'string') return name ? (node.key = name) : node.key
}

/** The one of `CLOSED` on which a property is said to be, or another object. */
const holder = (node, above) => {
  const literal = node.TYPE !== 'Dot'
  const variable = literal ? above.at(-2)?.TYPE === 'VarDef' && above.at(-2).name : node.expression
  const name = plain((variable || {}).name)
  return (literal || node.expression.TYPE === 'SymbolRef') && CLOSED.includes(name) ? name : 'other'
}

const surveyProperties = (ast) => {
  const found = new Map()
  walk(ast, (node, above) => {
    const name = property(node)
    if (!OURS.test(name)) return
    const item = found.get(name) ?? { path: '.', name: name.slice(0, -1), nodes: [], holders: new Set(), rivals: new Set() }
    item.rename = (name) => item.nodes.forEach((node) => property(node, name))
    item.nodes.push(node)
    item.holders.add(holder(node, above))
    found.set(name, item)
  })
  const items = [...found.values()]
  for (const one of items) for (const other of items) if ([...one.holders].some((held) => other.holders.has(held))) rival(one, other)
  return items
}

/** The scopes with their paths, and the bindings that terser renames, in the order in which the code tells of them. */
const scan = (ast) => {
  const scopes = new Map()
  const numbers = new Map()
  const found = new Map()
  walk(ast, (node, above) => {
    const { thedef, block_scope, TYPE } = node
    if (node.variables) {
      const outer = above.findLast((one) => one.variables)
      const name = outer ? numbers.get(outer)(plain(label(above.at(-1)))) : ''
      scopes.set(node, outer ? `${scopes.get(outer)}/${name}` : '')
      numbers.set(node, numbered())
    }
    if (block_scope) scopes.set(block_scope, scopes.get(above.findLast((one) => one.variables)))
    if (!TYPE.startsWith('Symbol') || !thedef || found.has(thedef)) return
    const old = thedef.mangled_name ?? thedef.name
    const rename = (name) => (thedef.mangled_name = name)
    // Globals, and what terser leaves alone, keep their names.
    found.set(thedef, { fixed: !thedef.mangled_name, old, rename, rivals: new Set() })
  })
  return { scopes, found }
}

const surveyBindings = (ast) => {
  const { scopes, found } = scan(ast)
  const numbers = numbered()
  for (const [def, item] of found) {
    const path = scopes.get(def.scope) ?? '?'
    const [, name] = numbers(`${path} ${plain(def.name)}`).split(' ')
    Object.assign(item, { path, name })
  }
  const apart = (own, near) => {
    for (const one of own) for (const other of near) rival(found.get(one), found.get(other))
  }
  for (const scope of scopes.keys()) {
    const own = [...scope.variables.values()]
    apart(own, [...own, ...scope.enclosed])
  }
  for (const def of found.keys()) {
    // The name of a function expression belongs to what surrounds it in old browsers, and must differ from what is inside in others.
    const around = def.orig[0].TYPE === 'SymbolLambda' ? [def.scope, def.scope.parent_scope] : []
    for (const scope of around) apart([def], [...scope.variables.values(), ...scope.enclosed])
  }
  return [...found.values()]
}

/** What can be renamed: `path` and `name` tell it again in a later build, `rivals` may not be called the same. */
export const survey = (ast) => [...surveyProperties(ast), ...surveyBindings(ast)]

/** Whether nothing near is called so. */
const free = (item, name) => {
  for (const other of item.rivals) if (other.now === name) return false
  return true
}

/** Gives out the stored names as far as they still fit, the rest as terser would. */
export const choose = (items, stored = {}) => {
  const kept = new Map()
  for (const [path, names] of Object.entries(stored)) {
    for (const pair of names.split(' ')) kept.set(`${path} ${pair.slice(0, pair.indexOf(':'))}`, pair.slice(pair.indexOf(':') + 1))
  }
  for (const item of items) item.now = item.fixed ? item.old : undefined
  for (const item of items) {
    const name = kept.get(`${item.path} ${item.name}`)
    if (name && !item.fixed && free(item, name)) item.now = name
  }
  for (const item of items) item.now ??= [item.old, ...POOL].find((name) => name && free(item, name))
}

/** The names as `choose` takes them: one line for each function. */
export const store = (items) => {
  const stored = {}
  for (const { path, name, now, fixed } of items) {
    if (!fixed) stored[path] = `${stored[path] ? `${stored[path]} ` : ''}${name}:${now}`
  }
  return stored
}
