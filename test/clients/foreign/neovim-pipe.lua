-- A client in Neovim over a libuv pipe, framed by Content-Length. Its arguments are the socket and its name.
local follow = dofile(vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':h') .. '/neovim-client.lua')
local uv = vim.uv or vim.loop

follow(function(socket, client, connected)
  local pipe = uv.new_pipe(false)
  local held = ''

  local function close()
    if pipe:is_closing() then return end
    pipe:close()
    client:ended()
  end

  local function take(chunk)
    held = held .. chunk
    while true do
      local _, header, length = held:find('^Content%-Length: (%d+)\r\n\r\n')
      if not header or #held < header + length then return end
      client:receive(held:sub(header + 1, header + length))
      held = held:sub(header + length + 1)
    end
  end

  pipe:connect(socket, function(failure)
    if failure then return close() end
    pipe:read_start(function(broken, chunk)
      if broken or not chunk then close() else take(chunk) end
    end)
    connected(function(text)
      pipe:write('Content-Length: ' .. #text .. '\r\n\r\n' .. text)
    end)
  end)
end)
