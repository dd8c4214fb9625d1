/** A form posted into a hidden frame: it can be big and go anywhere, but nothing of the answer can be read. */
import { ended, expose, place, remove, requester } from './dom.js'

export const formPost = requester((url, text, hear, end) => {
  const name = expose()
  const box = document.createElement('div')
  // Names that are not given in the markup Internet Explorer 6 and 7 do not find.
  box.innerHTML = '<form method="post" target="' + name + '"><input type="hidden" name="data"/></form><iframe name="' + name + '"></iframe>'
  const form = box.firstChild
  form.action = url
  // Forms change line ends, and the page's charset would count.
  form.firstChild.value = encodeURIComponent(text)
  box.style.display = 'none'
  place(document, box)
  form.submit()
  // Not before: the empty frame has loaded too.
  ended(box.lastChild, () => end(0))
  return () => remove(box)
})
