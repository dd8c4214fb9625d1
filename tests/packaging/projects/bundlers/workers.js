/** Asks a worker, or the like, to exchange a message with the server at `url`. */
const ask = (target, url) =>
  new Promise((resolve, reject) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = ({ data }) => (data.error ? reject(Error(data.error)) : resolve(data.answer))
    target.postMessage(url, [port2])
  })

self.exchange = async (url) => {
  await navigator.serviceWorker.register('/worker.js')
  const { active } = await navigator.serviceWorker.ready
  return [await ask(new Worker('/worker.js'), url), await ask(active, url)]
}
