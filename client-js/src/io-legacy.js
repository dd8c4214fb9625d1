/** The same for any browser: the global `io`. */
import { root } from './env.js'
import { createIo } from './facade.js'
import anywire from './legacy.js'

/** The script that runs now. Where the browser does not tell, it is the last one of those that the page has so far. */
const script = () => {
  const page = root.document
  // An engine without a page may have a document all the same.
  if (!page || !page.getElementsByTagName) return
  const scripts = page.getElementsByTagName('script')
  return (page.currentScript || scripts[scripts.length - 1] || 0).src
}

export default createIo(anywire.connect, script())
