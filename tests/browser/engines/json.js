/*
 * JSON for engines without it, in ES3: what the client needs of it, which is a replacer that is a function, and
 * a reviver.
 */
if (typeof JSON === 'undefined' || !JSON) JSON = (function () {
  var SHORT = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }
  var WORD = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+\-]?\d+)?)/
  var has = SHORT.hasOwnProperty

  function escape(found) { return '\\u' + ('000' + found.charCodeAt(0).toString(16)).slice(-4) }

  function quote(text) { return '"' + text.replace(/["\\\x00-\x1f\x7f-\x9f\u2028\u2029]/g, escape) + '"' }

  /* The text of `holder[key]`; undefined if it has none. */
  function write(holder, key, replacer) {
    var value = holder[key], parts = [], name, text
    if (value && typeof value.toJSON === 'function') value = value.toJSON(key)
    if (replacer) value = replacer.call(holder, key, value)
    if (value === null) return 'null'
    if (typeof value === 'string') return quote(value)
    if (typeof value === 'boolean') return String(value)
    if (typeof value === 'number') return isFinite(value) ? String(value) : 'null'
    if (typeof value !== 'object') return undefined
    if (SHORT.toString.call(value) === '[object Array]') {
      for (name = 0; name < value.length; name++) parts[name] = write(value, name, replacer) || 'null'
      return '[' + parts.join(',') + ']'
    }
    for (name in value) {
      if (has.call(value, name) && (text = write(value, name, replacer)) !== undefined) parts[parts.length] = quote(name) + ':' + text
    }
    return '{' + parts.join(',') + '}'
  }

  function revive(holder, key, reviver) {
    var value = holder[key], name
    if (value && typeof value === 'object') {
      for (name in value) if (has.call(value, name)) value[name] = revive(value, name, reviver)
    }
    return reviver.call(holder, key, value)
  }

  function parse(text, reviver) {
    var at = 0, all = {}

    function fail() { throw new SyntaxError('this is no JSON, at ' + at) }

    /* The next character that is no space. */
    function peek() {
      while (/[ \t\r\n]/.test(text.charAt(at))) at++
      return text.charAt(at)
    }

    /* Whether the next character is this one, which is then passed. */
    function take(wanted) {
      if (peek() !== wanted) return false
      at++
      return true
    }

    function string() {
      var value = '', from, found
      if (!take('"')) fail()
      for (from = at; ; ) {
        found = text.charAt(at++)
        if (found === '"') return value + text.slice(from, at - 1)
        // Wine's JScript compares texts by a collation of its own.
        if (!found || found.charCodeAt(0) < 32) fail()
        if (found === '\\') {
          value += text.slice(from, at - 1)
          found = text.charAt(at++)
          if (found === 'u' && /^[\da-f]{4}$/i.test(text.substr(at, 4))) {
            value += String.fromCharCode(parseInt(text.substr(at, 4), 16))
            at += 4
          } else if (has.call(SHORT, found)) value += SHORT[found]
          else fail()
          from = at
        }
      }
    }

    function value() {
      var result, name, word
      if (peek() === '"') return string()
      if (take('[')) {
        result = []
        if (take(']')) return result
        do result[result.length] = value()
        while (take(','))
        return take(']') ? result : fail()
      }
      if (take('{')) {
        result = {}
        if (take('}')) return result
        do {
          name = string()
          if (!take(':')) fail()
          result[name] = value()
        } while (take(','))
        return take('}') ? result : fail()
      }
      word = WORD.exec(text.substr(at, 40))
      if (!word) fail()
      at += word[0].length
      return word[0] === 'null' ? null : word[0] === 'true' ? true : word[0] === 'false' ? false : parseFloat(word[0])
    }

    text = String(text)
    all[''] = value()
    if (peek()) fail()
    return reviver ? revive(all, '', reviver) : all['']
  }

  return { parse: parse, stringify: function (value, replacer) { return write({ '': value }, '', replacer) } }
})()
