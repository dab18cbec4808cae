-- Tells what waits for your answer, of all agents; what was asked while Neovim was closed, when it starts.
local function connect(path)
  local isOpen, channel, rest = false, 0, ''
  local function call(method, params)
    local request = { jsonrpc = '2.0', id = 1, method = method, params = params }
    pcall(vim.fn.chansend, channel, vim.json.encode(request) .. '\n')
  end
  local function take(line)
    local params = vim.json.decode(line).params or {}
    for _, event in ipairs(params.events or {}) do
      local blocker, ask = event.data, event.data.request
      if blocker.state == 'pending' then
        local what = ask.questions and { ask.questions[1].question } or { ask.permission, unpack(ask.patterns or {}) }
        vim.notify(('%s (sessiond answer %s)'):format(table.concat(what, ' '), blocker.id))
      end
    end
    if params.cursor then call('events/ack', { name = 'nvim', cursor = params.cursor }) end
  end
  local function receive(_, lines) -- the first goes on where the last of before stopped; [''] is the end
    if #lines == 1 and lines[1] == '' then vim.defer_fn(function() connect(path) end, 1000) end
    lines[1] = rest .. lines[1]
    rest = table.remove(lines)
    for _, line in ipairs(lines) do take(line) end
  end
  isOpen, channel = pcall(vim.fn.sockconnect, 'pipe', path, { on_data = receive })
  if not isOpen then return receive(0, { '' }) end
  call('events/subscribe', { name = 'nvim', filter = { types = { 'blocker/updated' } } })
end
vim.fn.jobstart('sessiond socket', { stdout_buffered = true, on_stdout = function(_, out) connect(out[1]) end })
