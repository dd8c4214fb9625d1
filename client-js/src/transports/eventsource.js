/** Answers by EventSource: each event is a text in JSON. */
import { requester } from './dom.js'

export const eventSource = requester((url, text, read, end, include) => {
  const source = new EventSource(url + 'data=' + encodeURIComponent(text), { withCredentials: include })
  source.onmessage = (event) => read(event.data, 1)
  // The browser would repeat the request by itself.
  source.onerror = end
  return () => source.close()
})
