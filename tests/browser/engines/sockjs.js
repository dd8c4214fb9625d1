/*
 * The scenario of SockJS's clients, of every generation, which are the global `SockJS`. It is ES3, and uses nothing
 * that Internet Explorer 6 lacks.
 */
var sockjs = (function () {
  var TOTAL = 200
  var isOld = /^0\./.test(SockJS.version)

  function controls(from, to) {
    var all = [], i
    for (i = from; i < to; i++) all[all.length] = String.fromCharCode(i)
    return all
  }

  function repeated(text, count) {
    var parts = []
    while (count-- > 0) parts[count] = text
    return parts.join('')
  }

  /* Texts that some engine, transport or escape may damage. */
  function odd() {
    var c0 = controls(0, 32), c1 = controls(127, 160)
    return c0.concat(c1, [
      '', c0.join(''), c1.join(''), '\r\n', '\n\r\r\n\n', '\u00f1 \u6f22\u5b57 \ud83d\ude00 \udbff\udfff', '\u2028\u2029', '\ufeff', '\ufffd\ufff0\ufffe\uffff',
      '\u0300\u0333\u0591\u200b\u200d\u202e\u2060', '</script>', '</SCRIPT ><script>', '<!--', ']]>', '"\'`', '\\', '\\u0041\\n\\', ' ', '  a  ',
      '100%', '%00%41%E9%u0041%zz', '+', 'a=b&c=d;e#f?g', '&amp; &lt;&#0;&nbsp', '$&$1', '[]', '{"a":[1]}', 'o', 'h', 'c[3000,"Go away!"]', 'null'
    ])
  }

  function numbered(n) {
    return '#' + n + ' ' + repeated('\u00e9\u20ac\ud83d\ude00x', n % 13)
  }

  function base64(text) {
    var raw = unescape(encodeURIComponent(text)), out = '', i, three
    var letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    for (i = 0; i < raw.length; i += 3) {
      three = (raw.charCodeAt(i) << 16) | ((raw.charCodeAt(i + 1) || 0) << 8) | (raw.charCodeAt(i + 2) || 0)
      out += letters.charAt(three >> 18) + letters.charAt((three >> 12) & 63)
      out += (i + 1 < raw.length ? letters.charAt((three >> 6) & 63) : '=') + (i + 2 < raw.length ? letters.charAt(three & 63) : '=')
    }
    return out
  }

  function shown(text) {
    return escape(String(text).slice(0, 80))
  }

  /* A socket that has these transports, and more time than these clients allow: the machine may be busy. */
  function dial(url, transports) {
    if (isOld) return new SockJS(url, null, { protocols_whitelist: transports, rtt: 5000 })
    SockJS.prototype.countRTO = function () { return 5000 }
    return new SockJS(url, null, { transports: transports })
  }

  /*
   * Opens a socket and watches it. Its `end` ends the case, once, with a failure or none; a case has what happens next
   * in `open`, `message` and `closed`.
   */
  function watch(trial, finish) {
    var socket, over, timer
    var watched = { stage: 'not open' }
    function end(failure) {
      if (over) return
      over = 1
      clearTimeout(timer)
      socket.close()
      setTimeout(function () { finish(failure || '') }, 0)
    }
    function guard(name) {
      return function (event) {
        if (over || !watched[name]) return
        try {
          watched[name](event)
        } catch (e) {
          end('threw: ' + (e.message || e))
        }
      }
    }
    watched.closed = function (event) { end('closed with ' + event.code + ' ' + event.reason + ': ' + watched.stage) }
    watched.end = end
    timer = setTimeout(function () { end(watched.stage + ' after ' + trial.seconds + ' s') }, trial.seconds * 1000)
    socket = watched.socket = dial(trial.url, [trial.transport])
    socket.onopen = function () {
      var name = isOld ? socket.protocol : socket.transport
      watched.stage = 'open'
      if (name === trial.transport) guard('open')()
      else end('carried by ' + name)
    }
    socket.onmessage = guard('message')
    socket.onclose = guard('closed')
    return watched
  }

  /* Sends texts and compares what comes back. */
  function echo(watched, texts, expected, then) {
    var next = 0, i
    watched.stage = 'received 0 of ' + texts.length
    watched.message = function (event) {
      if (event.data !== expected[next]) return watched.end('message ' + next + ' differs: ' + shown(event.data) + ' for ' + shown(expected[next]))
      watched.stage = 'received ' + ++next + ' of ' + texts.length
      if (next === texts.length) then()
    }
    for (i = 0; i < texts.length; i++) watched.socket.send(texts[i])
  }

  function characters(trial, finish) {
    var watched = watch(trial, finish), texts = odd()
    function halves() {
      echo(watched, ['\ud800 alone \udc00', 'a\udfff'], ['\ufffd alone \ufffd', 'a\ufffd'], function () { watched.end() })
    }
    watched.open = function () { echo(watched, texts, texts, halves) }
  }

  function order(trial, finish) {
    var watched = watch(trial, finish), texts = [], next = 1, i
    for (i = 0; i < TOTAL; i++) texts[i] = i + ' ' + repeated('\u00e9\ud83d\ude00', i % 13)
    function burst() {
      watched.stage = 'received nothing of the server'
      watched.message = function (event) {
        var expected = next % 10 ? numbered(next) : base64(numbered(next))
        if (event.data !== expected) return watched.end('number ' + next + ' of the server differs: ' + shown(event.data))
        watched.stage = 'received ' + next + ' of the server'
        if (next++ === TOTAL) watched.end()
      }
      watched.socket.send('!burst ' + TOTAL)
    }
    watched.open = function () { echo(watched, texts, texts, burst) }
  }

  /* More than the limit of an answer, behind which a client asks for the next one. */
  function large(trial, finish) {
    var watched = watch(trial, finish), texts = [], i
    for (i = 0; i < 20; i++) texts[i] = repeated(i % 2 ? '0123456789' : '\u00e9%"\\\n<&+=\u2028', trial.large / 200)
    watched.open = function () { echo(watched, texts, texts, function () { watched.end() }) }
  }

  function closedHere(trial, finish) {
    var watched = watch(trial, finish)
    watched.open = function () {
      echo(watched, ['before'], ['before'], function () {
        watched.closed = function (event) {
          watched.end(event.code === 3001 && event.reason === 'good \u00e9' && event.wasClean ? '' : 'closed with ' + event.code + ' ' + event.reason)
        }
        watched.socket.close(3001, 'good \u00e9')
      })
    }
  }

  function closedThere(trial, finish) {
    var watched = watch(trial, finish), received = 0
    watched.closed = function (event) {
      var well = event.code === 3005 && event.reason === 'good night \u00e9' && event.wasClean && received === 20
      watched.end(well ? '' : received + ' received, closed with ' + event.code + ' ' + event.reason)
    }
    watched.open = function () {
      watched.message = function () {
        if (++received === 20) watched.socket.send('!close 3005 good night \u00e9')
      }
      watched.socket.send('!burst 20')
    }
  }

  var CASES = { characters: characters, order: order, large: large, 'closed by the page': closedHere, 'closed by the server': closedThere }

  function post(report) {
    var xhr = typeof XMLHttpRequest === 'undefined' ? new ActiveXObject('Microsoft.XMLHTTP') : new XMLHttpRequest()
    xhr.open('POST', '/report', true)
    xhr.setRequestHeader('Content-Type', 'text/plain')
    xhr.send(JSON.stringify(report))
  }

  /* Runs every case of every trial, and reports after each. */
  function run(plan) {
    var report = { cases: [], version: SockJS.version }, jobs = [], i, k
    for (i = 0; i < plan.trials.length; i++) {
      for (k = 0; k < plan.trials[i].cases.length; k++) jobs[jobs.length] = { trial: plan.trials[i], name: plan.trials[i].cases[k] }
    }
    function note(job, failure, ms) {
      report.cases[report.cases.length] = { way: job.trial.transport, across: job.trial.across, name: job.name, failure: failure, ms: ms }
    }
    function next() {
      var job = jobs.shift(), began = new Date().getTime()
      if (!job) report.done = 1
      post(report)
      if (!job) return
      job.trial.url = (job.trial.across ? plan.elsewhere : plan.here) + '/sockjs'
      function finish(failure) {
        note(job, failure, new Date().getTime() - began)
        // A transport that does not even open is not tried again.
        while (/^not open/.test(failure) && jobs.length && jobs[0].trial === job.trial) note(jobs.shift(), 'not tried', 0)
        next()
      }
      try {
        CASES[job.name](job.trial, finish)
      } catch (e) {
        finish('threw: ' + (e.message || e))
      }
    }
    next()
  }

  return { dial: dial, cases: CASES, run: run }
})()
