var page = require('webpage').create(), system = require('system')
page.onError = function (message) { system.stderr.write('error: ' + message + '\n') }
page.open(system.args[1], function (status) {
  if (status !== 'success') phantom.exit(3)
})
