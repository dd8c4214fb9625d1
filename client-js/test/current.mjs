/**
 * Imported first by tests that run `src/` as it stands: there the modules are those of the bundle for current
 * browsers.
 */
globalThis.LEGACY = false
