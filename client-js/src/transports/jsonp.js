/** Answers as scripts, which come from anywhere into any browser: a poll or an upload. */
import { conceal, expose, load, remove, requester, soon } from './dom.js'
import { root } from '../env.js'

/** Pieces of at most 1,500 characters that end between two characters of the text: Internet Explorer takes addresses of 2,083. */
const PIECES = /(?:[^%]{1,3}|%..){1,500}(?!%[89AB])/g

let uploads = 0

export const jsonp = requester((url, text, hear, end) => {
  const pieces = encodeURIComponent(text).match(PIECES)
  let at = 0
  let script
  // An upload too long for one address goes in parts, one after the other. The secret is the third field of its first record.
  if (pieces[1]) url += 'upload=' + ++uploads + '&secret=' + text.split(',')[2] + '&part='
  const next = () => {
    /** Called by the script, and at its end: then without an answer, and first where it did not come. */
    const settle = (answer) => {
      if (root[name] !== settle) return
      conceal(name)
      // Not within the script, which may run while it is being put into the page.
      soon(() => {
        remove(element)
        if (answer == null || hear(answer) || at === pieces.length) end()
        else next()
      })
    }
    const name = expose(settle)
    const element = load(document, 'script', url + (pieces[1] ? at + '.' + pieces.length + '&' : '') + 'data=' + pieces[at++] + '&callback=' + name, settle)
    script = element
  }
  next()
  // The function stays: it may be called yet.
  return () => remove(script)
})
