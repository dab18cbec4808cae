-- What both of Neovim's clients do, whatever they are connected by. `connect(client)` opens a connection, returns a
-- function that sends one text over it, or nothing, and tells client:receive(text) and, once, client:ended().
local socket, name = vim.fn.fnamemodify(vim.fn.argv(0), ':p'), vim.fn.argv(1)
local session = 'ses_' .. name

local function tell(line)
  io.stdout:write(vim.json.encode(line) .. '\n')
  io.stdout:flush()
end

local function op(type, params)
  params.sessionId = session
  return { opId = name .. '-' .. type, type = type, params = params }
end

local ops = {
  op('session/create', { title = name .. ' 𝄞' }),
  op('message/put', { messageId = 'msg_' .. name, role = 'user' }),
  op('part/put', {
    messageId = 'msg_' .. name,
    partId = 'prt_' .. name,
    part = { type = 'text', text = 'from ' .. name .. ': 𝄞 🙂 ﷽ 👩‍👩‍👧 é e\204\129' },
  }),
}

local cursor
local appended = false

local Client = {}
Client.__index = Client

function Client:call(method, params, answered)
  self.lastId = self.lastId + 1
  self.waiting[self.lastId] = answered
  self.send(vim.json.encode({ jsonrpc = '2.0', id = self.lastId, method = method, params = params }))
end

function Client:append()
  if appended then return self:subscribe() end
  self:call('ops/append', { ops = ops }, function(result)
    appended = true
    tell({ appended = result.cursor })
    self:subscribe()
  end)
end

function Client:subscribe()
  local params = cursor and { from = cursor, snapshot = 'never' } or { from = 'start' }
  self:call('events/subscribe', params, function(result)
    cursor = result.cursor
    tell({ subscribed = result.mode, from = params.from })
  end)
end

local function textOf(event)
  local text
  if event.type == 'part/updated' then text = event.data.text end
  if vim.startswith(event.type, 'session/') then text = event.data.title end
  return type(text) == 'string' and text or ''
end

function Client:receive(text)
  local message = vim.json.decode(text)
  local params = message.params
  if message.error then
    tell({ refused = message.error })
    os.exit(1)
  elseif message.id then
    self.waiting[message.id](message.result)
  elseif params.prev then
    if params.prev ~= cursor then tell({ gap = { params.prev, cursor } }) end
    -- The pieces of a large op have no cursor before the last: until then they would come again.
    vim.list_extend(self.pieces, params.events or {})
    if not params.cursor then return end
    for _, event in ipairs(self.pieces) do
      tell({ seq = event.seq, type = event.type, text = textOf(event) })
    end
    self.pieces = {}
    cursor = params.cursor
  end
end

local run

function Client:ended()
  vim.defer_fn(run, 100)
end

return function(connect)
  run = function()
    local client = setmetatable({ waiting = {}, lastId = 0, pieces = {} }, Client)
    connect(socket, client, function(send)
      client.send = send
      client:call('initialize', { protocolVersion = 1, client = { name = name, version = '1' } }, function()
        tell({ connected = true })
        client:append()
      end)
    end)
  end
  run()
end
