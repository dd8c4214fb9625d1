/*
 * The scenario that every engine runs with the client. It is ES3, and uses nothing that Internet Explorer 6
 * lacks.
 */
var scenario = (function () {
  var TOTAL = 200
  var EVENTS = 12
  var CODE = 3005
  /*
   * Each text is at the start of some messages and at the end of others, so that any two follow each other.
   */
  var SPECIAL = [
    '\u00f1 \u6f22\u5b57 \ud83d\ude00 \udbff\udfff', '\u0000', controls(0, 32) + controls(127, 160), '\r', '\n', '\r\n', '\n\r\r\n\n', '\t \u000b\f \u00a0',
    '\u2028\u2029', '\ufeff', '\ufffd\ufffe\uffff', '</script>', '</SCRIPT ><script>', '<!--', '-->--!>', ']]>', '"\'`', '\\', '\\u0041\\n\\', '1:m5:n1:',
    ' ', '%', '%00%41%E9%u0041', '+', 'a=b&c=d;e#f?g', '&amp; &lt;&#0;&nbsp', '\u00e9e\u0301\u200d\u202e\u200b', '$&$1', '{"a":[1]}', '\ud83d\ude00'
  ]
  var hasBytes = typeof Uint8Array !== 'undefined'
  var plan, report
  /* Texts that the engine cannot send or receive unchanged. */
  var spares

  function now() { return new Date().getTime() }

  function quote(value) {
    var text = '', i, code
    if (typeof value === 'number' || typeof value === 'boolean') return String(value)
    value = String(value)
    for (i = 0; i < value.length; i++) {
      code = value.charCodeAt(i)
      if (code < 32 || code > 126 || code === 34 || code === 92) text += '\\u' + ('000' + code.toString(16)).slice(-4)
      else text += value.charAt(i)
    }
    return '"' + text + '"'
  }

  function json(value) {
    var parts = [], i, name
    if (value && typeof value === 'object') {
      if (typeof value.join !== 'undefined') {
        for (i = 0; i < value.length; i++) parts[i] = json(value[i])
        return '[' + parts.join(',') + ']'
      }
      for (name in value) if (value[name] !== undefined) parts[parts.length] = quote(name) + ':' + json(value[name])
      return '{' + parts.join(',') + '}'
    }
    return quote(value)
  }

  function post(path, body, done) {
    var xhr = typeof XMLHttpRequest === 'undefined' ? new ActiveXObject('Microsoft.XMLHTTP') : new XMLHttpRequest()
    xhr.open('POST', plan.base + path, true)
    xhr.setRequestHeader('Content-Type', 'text/plain')
    xhr.onreadystatechange = function () {
      if (xhr.readyState === 4 && done) done()
    }
    xhr.send(body)
  }

  function spell(n) {
    var text = '#' + n + ' ', i
    for (i = 0; i < n % 13; i++) text += '\u00e9\u20ac\ud83d\ude00x'
    return text
  }

  function bytesOf(text) {
    var raw = unescape(encodeURIComponent(text)), bytes = new Uint8Array(raw.length), i
    for (i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i)
    return bytes
  }

  function controls(from, to) {
    var text = ''
    while (from < to) text += String.fromCharCode(from++)
    return text
  }

  function special(n) {
    var piece = SPECIAL[n % SPECIAL.length], i
    for (i = 0; i < spares.length; i++) piece = piece.split(spares[i]).join('')
    return n % 10 === 3 ? '' : n % 60 < 30 ? n + ' ' + piece : piece + ' ' + n
  }

  function longText(length) {
    var parts = [], size = 0, i
    for (i = 0; size < length; i++) {
      parts[i] = i + ','
      size += parts[i].length
    }
    return parts.join('').slice(0, length)
  }

  /* A received message in a form that can be compared: a text, or its bytes as an array of numbers. */
  function plain(data) {
    if (typeof data === 'string') return data
    return hasBytes ? new Uint8Array(data) : data
  }

  function same(received, sent) {
    var i
    received = plain(received)
    if (typeof sent === 'string' || typeof received === 'string') return received === sent
    if (received.length !== sent.length) return false
    for (i = 0; i < sent.length; i++) if (received[i] !== sent[i]) return false
    return true
  }

  function utf8(n) {
    var raw = unescape(encodeURIComponent(spell(n))), bytes = [], i
    for (i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i)
    return bytes
  }

  /* Seconds after which a session that is not open is given up. */
  var OPENING = 12

  function statusOf(session) {
    var trace = session.trace(), lines = [], i
    for (i = Math.max(0, trace.length - 4); i < trace.length; i++) lines[lines.length] = trace[i].transport + ' ' + (trace[i].outcome || 'alive')
    return session.state + ' on ' + (session.transport || 'nothing') + '; ' + lines.join(', ')
  }

  /* Opens a session and watches it; its `end` ends the case, once, with a failure or none. */
  function open(trial, seconds, finish) {
    var began = now(), session, over, timer, opening
    var watched = { resumed: { full: 0, gap: 0, 'new': 0 } }
    function end(failure) {
      if (over) return
      over = 1
      clearTimeout(timer)
      clearTimeout(opening)
      watched.ms = now() - began
      session.off('message', take)
      if (session.state !== 'closed') session.abort()
      setTimeout(function () { finish(failure || '', watched) }, 0)
    }
    function guard(run) {
      return function (a, b, c) {
        if (over || !run) return
        try {
          run(a, b, c)
        } catch (e) {
          end('threw: ' + (e.message || e))
        }
      }
    }
    function take(data) { guard(watched.message)(data) }
    spares = trial.allow && trial.allow[0] === 'websocket' ? [] : plan.spares
    session = anywire.connect((trial.across ? plan.elsewhere : plan.base) + '/live', trial.allow ? { transports: trial.allow } : {})
    watched.session = session
    watched.end = end
    watched.guard = guard
    session.on('message', take)
    session.on('open', function (how) {
      if (!how.first) return
      watched.opened = now() - began
      guard(watched.open)()
    })
    session.on('resumed', function (how) { watched.resumed[how.outcome]++ })
    session.on('closed', function (how) {
      if (watched.closed) guard(watched.closed)(how)
      else end('closed by itself: ' + how.code + ' ' + how.reason)
    })
    opening = setTimeout(function () {
      if (watched.opened === undefined) end('not open after ' + OPENING + ' s: ' + statusOf(session))
    }, OPENING * 1000)
    timer = setTimeout(function () { end((watched.stage || 'no end') + ' after ' + seconds + ' s: ' + statusOf(session)) }, seconds * 1000)
    return watched
  }

  /* Sends the messages `sent` and compares their echoes, in order. */
  function echo(watched, sent, expected, then) {
    var next = 0, i
    watched.stage = 'received 0 of ' + sent.length
    watched.message = function (data) {
      if (!same(data, expected[next])) return watched.end('message ' + next + ' differs: ' + quote(data) + ' for ' + quote(expected[next]))
      watched.stage = 'received ' + ++next + ' of ' + sent.length
      if (next === sent.length) then()
    }
    for (i = 0; i < sent.length; i++) if (watched.session.send(sent[i]) === false) return watched.end('refused message ' + i)
  }

  function exchange(trial, finish) {
    var watched = open(trial, 30, finish), sent = [], i
    for (i = 0; i < TOTAL; i++) sent[i] = special(i)
    function flushed(done) {
      watched.end(!done ? 'flush failed' : watched.session.transport !== trial.allow[0] ? 'carried by ' + watched.session.transport : '')
    }
    function lone() { echo(watched, ['\ud800 alone \udc00'], ['\ufffd alone \ufffd'], function () { watched.session.flush(flushed) }) }
    watched.open = function () { echo(watched, sent, sent, lone) }
  }

  /*
   * Numbered messages, every tenth of them binary, from the server and to it; then all byte values there and
   * back.
   */
  function binary(trial, finish) {
    var watched = open(trial, 30, finish), next = 1, i
    var every = hasBytes ? new Uint8Array(256) : null
    function all() {
      if (!hasBytes) return watched.end()
      for (i = 0; i < 256; i++) every[i] = i
      echo(watched, [every, every.buffer], [every, every], function () { watched.end() })
    }
    function sendNumbered() {
      for (i = 1; i <= TOTAL; i++) watched.session.send(i % 10 || !hasBytes ? spell(i) : bytesOf(spell(i)))
      watched.stage = 'waits for the tally'
      watched.message = function (data) {
        var wrong = hasBytes ? 0 : TOTAL / 10
        if (data !== '{"received":' + TOTAL + ',"lost":0,"repeated":0,"disordered":0,"wrong":' + wrong + '}') return watched.end('server received ' + data)
        all()
      }
      watched.session.send('!check')
    }
    watched.open = function () {
      watched.message = function (data) {
        if (!same(data, next % 10 ? spell(next) : utf8(next))) return watched.end('number ' + next + ' of the server differs')
        watched.stage = 'received ' + next + ' of ' + TOTAL + ' of the server'
        if (next++ === TOTAL) sendNumbered()
      }
      watched.session.send('!burst ' + TOTAL)
    }
  }

  /* Values for an event: an engine without bytes has none to send. */
  function thing(n) {
    return { text: special(n * 5), bytes: hasBytes && n % 5 === 0 ? [bytesOf(spell(n)), new Uint8Array([0, 255])] : [] }
  }

  function sameThing(received, sent) {
    var i
    if (received.text !== sent.text || received.bytes.length !== sent.bytes.length) return false
    for (i = 0; i < sent.bytes.length; i++) if (!same(received.bytes[i], sent.bytes[i])) return false
    return true
  }

  /*
   * Events there and back, in order; a request whose handler asks the page the same back before it answers;
   * and the faults of either side.
   */
  function talk(watched, target, where, then) {
    var every = [], next = 0, sent = [], i
    for (i = 0; i < 256; i++) every[i] = i
    for (i = 0; i < EVENTS; i++) sent[i] = thing(i)
    function wrong(what) { watched.end(where + ': ' + what) }
    function ask(name, value, done) {
      watched.stage = where + ': waits for the answer to ' + name
      target.request(name, value, watched.guard(done))
    }
    function nobody() {
      ask('no such event', sent[1], function (fault) {
        if (!fault || fault.code !== 'unknown') return wrong('an unknown event got ' + json(fault))
        then()
      })
    }
    function refused() {
      ask('refuse', sent[2], function (fault) {
        if (!fault || fault.code !== 'refused' || fault.message !== 'as you wish' || fault.data !== sent[2].text) return wrong('refused with ' + json(fault))
        ask('ask back', { text: 'no', bytes: [] }, function (fault) {
          if (!fault || fault.code !== 'busy' || fault.data[0] !== 7) return wrong('the fault of the page came back as ' + json(fault))
          nobody()
        })
      })
    }
    target.on('echo back', watched.guard(function (value, bytes, reply) {
      if (!same(bytes, every)) return wrong('the bytes of a request differ')
      if (value.text === 'no') reply.fail({ code: 'busy', message: 'not now', data: [7] })
      else reply(value)
    }))
    target.on('echo', watched.guard(function (value, bytes) {
      if (!sameThing(value, sent[next])) return wrong('event ' + next + ' differs: ' + quote(value.text) + ' for ' + quote(sent[next].text))
      if (!same(bytes, every)) return wrong('the bytes of event ' + next + ' differ')
      watched.stage = where + ': received ' + ++next + ' of ' + EVENTS + ' events'
      if (next === EVENTS) {
        ask('ask back', sent[5], function (fault, back) {
          if (fault) return wrong('asked back, and got ' + json(fault))
          if (!sameThing(back, sent[5])) return wrong('the answer differs')
          refused()
        })
      }
    }))
    watched.stage = where + ': received no event'
    for (i = 0; i < EVENTS; i++) if (!target.emit('echo', sent[i])) return wrong('refused event ' + i)
  }

  function events(trial, finish) {
    var watched = open(trial, 40, finish), session = watched.session
    function stranger() {
      watched.stage = 'waits for the refusal of a channel'
      session.channel('/nowhere').on('connect_error', watched.guard(function (fault) {
        watched.end(fault.code === 'unknown' ? '' : 'an unknown channel got ' + json({ code: fault.code, message: fault.message }))
      }))
    }
    function inside() {
      var channel = session.channel('/lab'), opened = 0
      channel.on('open', function (how) { opened += how.first ? 1 : 100 })
      talk(watched, channel, 'channel', function () {
        channel.on('closed', watched.guard(function (how) {
          if (how.code !== 3001 || how.reason !== 'good \u00e9' || opened !== 1) return watched.end('channel closed: ' + json(how) + ', opened: ' + opened)
          stranger()
        }))
        watched.stage = 'waits for the end of the channel'
        channel.emit('kick', { text: 'good \u00e9', bytes: [] })
      })
    }
    watched.open = function () { talk(watched, session, 'session', inside) }
  }

  function large(trial, finish) {
    /* An emulator takes seconds to make these, which are none of the opening's. */
    var sent = [longText(trial.large)], bytes, i, watched
    if (hasBytes) {
      bytes = new Uint8Array(trial.large)
      for (i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + (i >> 8)) & 255
      sent[1] = bytes
    }
    watched = open(trial, 60, finish)
    watched.open = function () { echo(watched, sent, sent, function () { watched.end() }) }
  }

  function cut(trial, finish) {
    var watched = open(trial, 40, finish), received = 0, sent = 0
    function sendUpTo(to) {
      while (sent < to) watched.session.send(special(sent++))
    }
    function whole() {
      if (received < 100) return
      if (watched.resumed['new'] || watched.resumed.gap) return watched.end('resumed with loss')
      if (watched.resumed.full) return watched.end()
      setTimeout(whole, 20)
    }
    watched.message = function (data) {
      if (data !== special(received)) return watched.end('message ' + received + ' differs')
      watched.stage = 'received ' + ++received + ' of 100'
      if (received === 50) {
        sendUpTo(75)
        post('/cut', '', function () { sendUpTo(100) })
      }
      if (received === 100) {
        // The next answer follows an answer that ended like any other, and nothing was interrupted.
        if (trial.seamless) return watched.end()
        watched.stage = 'all received, but never resumed'
        whole()
      }
    }
    watched.open = function () { sendUpTo(50) }
  }

  function closedHere(trial, finish) {
    var watched = open(trial, 15, finish)
    watched.closed = function (how) {
      watched.end(how.code === 3001 && how.reason === 'good \u00e9' && how.unacknowledged === 0 ? '' : json(how))
    }
    watched.open = function () {
      watched.session.send('last')
      watched.session.close(3001, 'good \u00e9')
    }
  }

  function closedThere(trial, finish) {
    var watched = open(trial, 15, finish), received = 0
    watched.message = function () { received++ }
    watched.closed = function (how) {
      watched.end(how.code === CODE && how.reason === 'good night' && received === 22 ? '' : received + ' received, ' + json(how))
    }
    watched.open = function () {
      watched.session.send('one')
      watched.session.send('two')
      watched.session.send('!burst 20')
      // The close is requested after the burst, which a timer of the server sends.
      watched.message = function (data) {
        if (++received === 22) watched.session.send('!close ' + CODE + ' good night')
      }
    }
  }

  /* The client chooses. Its choice is the transport that carries after two seconds without a change. */
  function alone(finish) {
    var watched = open({ allow: plan.alone }, 30, finish), began = now(), last = now()
    watched.session.on('transport', function () { last = now() })
    // The client reports a change of transport when something happens, so a message is sent.
    function again() {
      echo(watched, ['again'], ['again'], function () {
        report.chose = watched.session.transport
        report.way = statusOf(watched.session)
        watched.end()
      })
    }
    function settled() {
      if (now() - last < 2000) setTimeout(settled, 100)
      else again()
    }
    watched.message = function (data) {
      if (data !== 'hello') return watched.end('received ' + data)
      report.first = now() - began
      report.firstBy = watched.session.transport
      last = now()
      settled()
    }
    watched.session.send('hello')
  }

  var CASES = { exchange: exchange, binary: binary, events: events, large: large, cut: cut, 'closed by the page': closedHere, 'closed by the server': closedThere }

  function finished(last) {
    report.done = last ? 1 : 0
    post('/report', json(report))
  }

  function run(jobs) {
    var job = jobs[0], began = now()
    if (!job) return finished(1)
    function next(failure, watched) {
      var rest = [], i
      report.cases[report.cases.length] = {
        way: job.trial.name, across: job.trial.across, name: job.name, failure: failure, ms: now() - began, opened: watched && watched.opened
      }
      // A transport that does not even open is not tried five times more.
      for (i = 1; i < jobs.length; i++) {
        if (!(watched && watched.opened !== undefined) && jobs[i].trial === job.trial) {
          report.cases[report.cases.length] = { way: job.trial.name, across: job.trial.across, name: jobs[i].name, failure: 'not tried', ms: 0 }
        } else rest[rest.length] = jobs[i]
      }
      if (rest.length) finished(0)
      run(rest)
    }
    try {
      if (job.trial.name) CASES[job.name](job.trial, next)
      else alone(next)
    } catch (e) {
      next('threw: ' + (e.message || e))
    }
  }

  return function (wanted) {
    var jobs = [{ trial: { name: '', across: false }, name: 'by itself' }], trial, i, k
    plan = wanted
    report = { agent: typeof navigator === 'undefined' ? '' : navigator.userAgent, bytes: hasBytes, cases: [] }
    for (i = 0; i < plan.trials.length; i++) {
      trial = plan.trials[i]
      for (k = 0; k < trial.cases.length; k++) jobs[jobs.length] = { trial: trial, name: trial.cases[k] }
    }
    run(jobs)
  }
})()
