/** Uploads that nobody answers, by forms: what they brought is acknowledged on the link that carries. */

import { soon } from './dom.js'

/** What is not acknowledged within this is sent again. */
const PATIENCE = 3000
/** So many in succession in vain are no accident. */
const VAIN = 2

/** Notes in `blind_` what an upload of `frames` waits for, until `wake` is called, and returns the way it shall go: another where no form gets through. */
export const blindly = (link, frames, acked, wake) => {
  const base = link.base_
  base.vain_ = acked < base.blindly_ ? base.vain_ + 1 : 0
  // As where a policy forbids frames. Scripts do get through: they brought the start.
  if (base.vain_ >= VAIN) return (link.base_ = [base[0], base[1], 'jsonp-send', base[1], base[4]])
  frames.splice(1, 0, ['w'])
  link.blind_ = base.blindly_ = link.cursor_ - 1
  soon(() => {
    link.blind_ = 0
    wake()
  }, PATIENCE)
  return base
}
