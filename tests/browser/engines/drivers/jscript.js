/*
 * A page's timers and messages for JScript without a browser: cscript jscript.js ORIGIN SECONDS. A script
 * that does not parse fails here.
 */
var ORIGIN = WScript.Arguments(0), LAST = new Date().getTime() + 1000 * WScript.Arguments(1)
var window = this, self = this, document = {}, navigator = { userAgent: 'JScript ' + ScriptEngineMajorVersion() + '.' + ScriptEngineMinorVersion() }
var location = { href: ORIGIN + '/', protocol: 'http:', host: ORIGIN.slice(7) }
var timers = [], ids = 0, anywire, scenario, plan

/* Wine's encodeURIComponent refuses characters beyond the first plane, which Microsoft's does not. */
var simple = encodeURIComponent
encodeURIComponent = function (text) {
  return String(text).replace(/[\ud800-\udbff][\udc00-\udfff]|[^\ud800-\udfff]+/g, function (found) {
    var code, i, escaped = ''
    if (found.length !== 2 || found.charCodeAt(0) < 0xd800 || found.charCodeAt(0) > 0xdbff) return simple(found)
    code = (found.charCodeAt(0) - 0xd800) * 1024 + found.charCodeAt(1) - 0xdc00 + 0x10000
    for (i = 0; i < 4; i++, code = Math.floor(code / 64)) escaped = '%' + ((i < 3 ? 128 + code % 64 : 240 + code)).toString(16) + escaped
    return escaped
  })
}

function setTimeout(run, ms) {
  timers[timers.length] = { id: ++ids, at: new Date().getTime() + (ms || 0), run: run }
  return ids
}

function clearTimeout(id) {
  var kept = [], i
  for (i = 0; i < timers.length; i++) if (timers[i].id !== id) kept[kept.length] = timers[i]
  timers = kept
}

function load(path, name) {
  var xhr = new ActiveXObject('Microsoft.XMLHTTP')
  xhr.open('GET', ORIGIN + path, false)
  xhr.send(null)
  try {
    return new Function(xhr.responseText + '\nreturn ' + name)()
  } catch (e) {
    xhr.open('POST', ORIGIN + '/report', false)
    xhr.send('{"agent":"' + navigator.userAgent + '","done":1,"cases":[{"way":"","across":false,"name":"parses","ms":0,"failure":"' + path + ' does not run"}]}')
    WScript.Quit(1)
  }
}

function fire() {
  var due = timers, i, at = new Date().getTime()
  for (i = 0; i < due.length; i++) {
    if (due[i].at <= at) {
      clearTimeout(due[i].id)
      due[i].run()
      return 1
    }
  }
}

load('/json.js', 'JSON')
anywire = load('/live/client.js', 'anywire')
scenario = load('/scenario.js', 'scenario')
plan = load('/plan.js', 'plan')
plan.base = ORIGIN
scenario(plan)
// Only a request of this kind lets the events of other requests through while it waits.
var pump = new ActiveXObject('WinHttp.WinHttpRequest.5.1')
while (new Date().getTime() < LAST) {
  while (fire()) {}
  pump.Open('GET', ORIGIN + '/pump', true)
  pump.Send()
  try { pump.WaitForResponse(0.02) } catch (e) {}
  try { pump.Abort() } catch (e) {}
}
