/** Answers as scripts, which come from anywhere into any browser. */
import { conceal, expose, load, remove, requester, spell } from './dom.js'

/** Pieces of at most 1,500 characters that end between two characters of the text: Internet Explorer takes addresses of 2,083. */
const PIECES = /(?:[^%]{1,3}|%..){1,500}(?!%[89AB])/g

let uploads = 0

/** Calls back with the text of a script, or without one where it ends and has said nothing. */
const ask = (url, answer) => {
  let settled
  const settle = (text) => {
    if (settled) return
    settled = 1
    conceal(name)
    remove(script)
    answer(text)
  }
  const name = expose(settle)
  const script = load(document, 'script', url + '&callback=' + name, settle)
  // The function stays: it may be called yet.
  return () => remove(script)
}

export const jsonpPoll = requester((url, frames, hear, end) =>
  ask(url + 'data=' + spell(frames), (text) => {
    if (text) hear(text)
    end()
  })
)

/** What is too long for one address goes in parts, one after the other. */
export const jsonpSend = requester((url, frames, hear, end) => {
  const pieces = spell(frames).match(PIECES)
  let at = 0
  let close
  if (pieces[1]) url += 'upload=' + ++uploads + '&secret=' + frames[0][3] + '&part='
  const next = () => {
    close = ask(
      url + (pieces[1] ? at + '.' + pieces.length + '&' : '') + 'data=' + pieces[at++],
      (text) => (text == null || hear(text) || at === pieces.length ? end() : next())
    )
  }
  next()
  return () => close()
})
