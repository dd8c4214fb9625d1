/**
 * Tests that run `src/` directly import this first: the modules are then those of the bundle for current
 * browsers.
 */
globalThis.LEGACY = false
