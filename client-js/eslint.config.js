const globals = {
  LEGACY: 'readonly', self: 'readonly', navigator: 'readonly', globalThis: 'readonly', document: 'readonly', localStorage: 'readonly', crypto: 'readonly', fetch: 'readonly',
  setTimeout: 'readonly', clearTimeout: 'readonly', queueMicrotask: 'readonly', URL: 'readonly', TextEncoder: 'readonly', TextDecoder: 'readonly',
  AbortController: 'readonly', XMLHttpRequest: 'readonly', ActiveXObject: 'readonly', Promise: 'readonly', Uint8Array: 'readonly', Uint32Array: 'readonly',
  Blob: 'readonly', XDomainRequest: 'readonly', EventSource: 'readonly', CollectGarbage: 'readonly', URLSearchParams: 'readonly', process: 'readonly', console: 'readonly', Buffer: 'readonly'
}

const common = {
  'no-undef': 'error',
  'no-unused-vars': ['error', { caughtErrors: 'none' }],
  'no-redeclare': 'error',
  'no-dupe-keys': 'error',
  'no-unreachable': 'error',
  'no-fallthrough': 'error',
  'no-self-assign': 'error',
  'prefer-const': 'error',
  'no-var': 'error',
  eqeqeq: ['error', 'always', { null: 'ignore' }]
}

/** Syntax that babel can turn into ES3 only with helper functions, or not at all. */
const plain = ['ClassDeclaration', 'ClassExpression', 'YieldExpression', 'SpreadElement', 'ObjectPattern > RestElement', 'ForInStatement', 'TaggedTemplateExpression', 'BigIntLiteral']

export default [
  { ignores: ['dist/', 'node_modules/'] },
  { languageOptions: { ecmaVersion: 2022, sourceType: 'module', globals }, rules: { ...common, 'max-lines': ['error', 500] } },
  { files: ['src/**/*.js'], rules: { 'no-restricted-syntax': ['error', ...plain], 'max-lines': ['error', 420] } },
  // Only the bundle for current browsers has this file.
  { files: ['src/**/*.js'], ignores: ['src/transports/fetch.js'], rules: { 'no-restricted-syntax': ['error', ...plain, 'AwaitExpression'] } },
  {
    // The pure files: no clock, no randomness, no I/O.
    files: ['src/session.js', 'src/chooser.js', 'src/codec.js', 'src/bytes.js', 'src/text.js', 'src/list.js', 'src/message.js', 'src/parts.js'],
    rules: { 'no-restricted-globals': ['error', 'Date', 'setTimeout', 'fetch', 'document', 'localStorage', 'crypto', 'Math.random'], 'no-restricted-properties': ['error', { object: 'Math', property: 'random' }] }
  },
  {
    files: ['src/**/*.js'],
    // Timers belong to these files; elsewhere the order of events must not depend on them.
    ignores: ['src/client.js', 'src/api.js', 'src/events.js', 'src/links.js', 'src/update.js', 'src/uploads.js', 'src/promised.js', 'src/env.js', 'src/transports/dom.js'],
    rules: { 'no-restricted-globals': ['error', 'Date', 'setTimeout', 'setInterval'] }
  }
]
