/** A request by Gecko's XMLHttpRequest of old: each part of the answer is loaded for itself. */
import { requester } from './dom.js'

export const multipart = requester((url, text, hear, end, credentials) => {
  const xhr = new XMLHttpRequest()
  xhr.multipart = true
  xhr.open('POST', url, true)
  xhr.withCredentials = credentials === 'include'
  xhr.setRequestHeader('Content-Type', 'text/plain;charset=UTF-8')
  // It does not tell the end of the whole, so an empty part does.
  xhr.onload = () => (xhr.responseText ? hear(xhr.responseText) : end())
  xhr.onerror = () => end(-1)
  xhr.send(text)
  return () => xhr.abort()
})
