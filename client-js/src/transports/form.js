/**
 * Uploads by a form in a hidden frame: they may be large and cross origins, but the page cannot read the
 * answer.
 */
import { MOMENT, ended, expose, place, remove, requester, soon } from './dom.js'

export const formPost = requester((url, text, read, end) => {
  const name = expose()
  const box = document.createElement('div')
  // Internet Explorer 6 and 7 find a frame only by a name that stands in the markup.
  box.innerHTML = '<form method="post" target="' + name + '"><input type="hidden" name="data"/></form><iframe name="' + name + '"></iframe>'
  const form = box.firstChild
  form.action = url
  // A form changes line ends, and encodes text by the charset of the page.
  form.firstChild.value = encodeURIComponent(text)
  box.style.display = 'none'
  place(document, box)
  form.submit()
  // This comes after the submit, because the empty frame loads too.
  ended(box.lastChild, () => end(0))
  // The next upload need not wait for this. A browser whose empty frame loads late is still sending.
  return () => soon(() => remove(box), MOMENT)
})
