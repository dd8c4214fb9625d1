/** A request by the XMLHttpRequest of old Gecko, which loads each part of an answer separately. */
import { NETWORK } from '../codes.js'
import { requester } from './dom.js'

export const multipart = requester((url, text, read, end, credentials) => {
  const xhr = new XMLHttpRequest()
  xhr.multipart = true
  xhr.open('POST', url, true)
  xhr.withCredentials = credentials === 'include'
  xhr.setRequestHeader('Content-Type', 'text/plain;charset=UTF-8')
  // Gecko does not report the end of the whole answer, so the server ends it with an empty part.
  xhr.onload = () => (xhr.responseText ? read(xhr.responseText) : end())
  xhr.onerror = () => end(NETWORK)
  xhr.send(text)
  return () => xhr.abort()
})
