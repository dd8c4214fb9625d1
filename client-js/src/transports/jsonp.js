/** Polls and uploads whose answers are scripts, which every browser loads from any origin. */
import { conceal, expose, load, remove, requester, soon } from './dom.js'
import { root } from '../env.js'

/**
 * Pieces of at most 1,500 characters, none of which splits a character of the text: Internet Explorer accepts
 * addresses of up to 2,083 characters.
 */
const PIECES = /(?:[^%]{1,3}|%..){1,500}(?!%[89AB])/g

let uploads = 0

export const jsonp = requester((url, text, read, end, include, receive) => {
  const pieces = encodeURIComponent(text).match(PIECES)
  let at = 0
  let script
  // An upload that is too long for one address goes in parts. The secret is the third field of its first
  // record.
  if (pieces[1]) url += 'upload=' + ++uploads + '&secret=' + text.split(',')[2] + '&part='
  const next = () => {
    /**
     * The script calls this with the answer; then its end does without one. If the script fails, only its end
     * does.
     */
    const settle = (answer) => {
      if (root[name] !== settle) return
      conceal(name)
      // A script may run while its element is being inserted, so the rest must wait.
      soon(() => {
        remove(element)
        if (answer == null || read(answer) || at === pieces.length) end()
        else {
          // The answer to a part is empty, but a sign of life.
          receive(['i'])
          next()
        }
      })
    }
    const name = expose(settle)
    const element = load(document, 'script', url + (pieces[1] ? at + '.' + pieces.length + '&' : '') + 'data=' + pieces[at++] + '&callback=' + name, settle)
    script = element
  }
  next()
  // The function stays, because the script may still call it.
  return () => remove(script)
})
