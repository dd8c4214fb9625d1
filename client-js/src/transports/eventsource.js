/** An answer by EventSource: each event is a text in JSON. */
import { requester, spell } from './dom.js'

export const eventSource = requester((url, frames, hear, end, credentials) => {
  const source = new EventSource(url + 'data=' + spell(frames), { withCredentials: credentials === 'include' })
  source.onmessage = (event) => hear(event.data, 1)
  // It would come back by itself, with the same words.
  source.onerror = () => end()
  return () => source.close()
})
