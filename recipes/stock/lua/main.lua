-- What is said here is what the tests of the recipe expect; put your program in its place.
local function primes(limit)
	local sieve, found = {}, {}
	for n = 2, limit do
		if not sieve[n] then
			found[#found + 1] = n
			for multiple = n * n, limit, n do
				sieve[multiple] = true
			end
		end
	end
	return found
end

local function words(path)
	return coroutine.wrap(function()
		for line in assert(io.open(path)):lines() do
			for word in line:gmatch("%a+") do
				coroutine.yield(word:lower())
			end
		end
	end)
end

local count, order = {}, {}
for word in words("/srv/text.txt") do
	count[word] = (count[word] or 0) + 1
end
for word in pairs(count) do
	order[#order + 1] = word
end
table.sort(order, function(a, b)
	if count[a] ~= count[b] then
		return count[a] > count[b]
	end
	return a < b
end)
print(_VERSION)
print(("most used: %s (%d)"):format(order[1], count[order[1]]))
print(("primes below 200000: %d"):format(#primes(200000)))
print(("a folder can be written: %s"):format(io.open("/tmp/x", "w") ~= nil))
print(("another program: %s"):format(os.execute("true") == true))
os.exit(tonumber(arg[1] or 0))
