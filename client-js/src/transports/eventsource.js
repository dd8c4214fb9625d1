/** An answer by EventSource: each event is a text in JSON. */
import { requester } from './dom.js'

export const eventSource = requester((url, text, hear, end, credentials) => {
  const source = new EventSource(url + 'data=' + encodeURIComponent(text), { withCredentials: credentials === 'include' })
  source.onmessage = (event) => hear(event.data, 1)
  // It would come back by itself, with the same words.
  source.onerror = end
  return () => source.close()
})
