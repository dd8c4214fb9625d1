/** A request by the XMLHttpRequest of old Gecko, which loads each part of an answer separately. */
import { NETWORK } from '../codes.js'
import { post, requester } from './dom.js'

export const multipart = requester((url, text, read, end, include) => {
  const xhr = new XMLHttpRequest()
  xhr.multipart = true
  post(xhr, url, include)
  // Gecko does not report the end of the whole answer, so the server ends it with an empty part.
  xhr.onload = () => (xhr.responseText ? read(xhr.responseText) : end())
  xhr.onerror = () => end(NETWORK)
  xhr.send(text)
  return () => xhr.abort()
})
