-- A client in Neovim over a channel of sockconnect(), one JSON value a line. Its arguments are the socket and its name.
local follow = dofile(vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':h') .. '/neovim-client.lua')

follow(function(socket, client, connected)
  local held = ''

  -- The items were lines; the first goes on where the last one of before stopped, and only [''] is the end.
  local function take(_, items)
    if #items == 1 and items[1] == '' then return client:ended() end
    items[1] = held .. items[1]
    held = table.remove(items)
    for _, line in ipairs(items) do
      client:receive(line)
    end
  end

  local isOpen, channel = pcall(vim.fn.sockconnect, 'pipe', socket, { on_data = take })
  if not isOpen then return client:ended() end
  connected(function(text)
    -- A channel that has just ended cannot be sent to; its end is told to `take`.
    pcall(vim.fn.chansend, channel, text .. '\n')
  end)
end)
