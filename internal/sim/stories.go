package sim

// Stories are the schedules that broke other implementations, with the
// issues of ZooKeeper in which they were found.
var Stories = []Story{
	{Name: "S01 retained memory, commit lost (ZOOKEEPER-2845)", Text: `
		base
		hold C>B COMMIT
		cut C-A
		write /x via C
		kill C
		kill A
		sever C-B
		await looking B
		heal
		start A
		await serving A B
		expect /x`},
	{Name: "S02 retained memory, phantom kept (ZOOKEEPER-2845)", Text: `
		base
		cut C-B
		hold A>C ACK
		ask /x via C
		await durable A
		kill C
		kill B
		sever A-C
		await looking A
		heal
		cut A-B
		start C
		await leader C
		cut A-C
		kill C
		heal
		start B
		await serving A B`},
	{Name: "S03 an isolated leader's failed write", Text: `
		base
		freeze A B
		ask /y via C
		await durable C
		kill A
		kill B
		kill C
		start A B
		await serving A B
		start C
		await serving C
		expect no /y`},
	{Name: "S04 late joiner with a higher zxid (ZOOKEEPER-1154)", Text: `
		base
		freeze A B
		ask /y via C
		await durable C
		kill A
		kill B
		power C
		start A B
		await serving A B
		write /z via B
		start C
		await serving C
		expect no /y
		expect /z`},
	{Name: "S05 leaked writer (ZOOKEEPER-4712)", Text: `
		base
		slow A 800
		ask /a via C
		ask /b via C
		ask /c via C
		wait 5
		cut A-C
		sever A-C
		wait 50
		kill C
		await serving A B
		heal
		start C`},
	{Name: "S06 temporary disk error (ZOOKEEPER-4882)", Text: `
		base
		fail A EIO
		write /x via C
		wait 100
		start A
		await serving A
		write /y via C
		kill A
		start A
		await serving A
		expect /x
		expect /y`},
	{Name: "S07 hole in the committed log's cache (ZOOKEEPER-4925)", Servers: 5, Text: `
		base
		stop A
		write /foo1 via E
		write /foo2 via E
		stop D
		write /bar1 via E
		write /bar2 via E
		start D
		await serving D
		stop E
		await leader D
		start A
		await serving A
		expect /bar1
		expect /bar2`},
	{Name: "S10 ack before persist (ZOOKEEPER-3911)", Text: `
		base
		freeze A B
		ask /x via C
		await durable C
		kill A
		kill B
		kill C
		start C B
		await leader C
		power B
		start A
		power C
		start B`},
	{Name: "S11 asynchronous persist (ZOOKEEPER-4646, ZOOKEEPER-3023)", Text: `
		base
		freeze A B
		ask /x via C
		await durable C
		kill A
		kill B
		kill C
		slow B 300
		start C B
		wait 400
		power B
		start A
		power C
		start B
		await serving A B`},
	{Name: "S12 epoch first (ZOOKEEPER-4643, ZOOKEEPER-4785)", Text: `
		base
		stop B
		write /x via C
		await applied A
		slow B 200
		start B
		wait 600
		power B
		power C
		start B
		await serving A B
		expect /x`},
	{Name: "S13 order of acks (ZOOKEEPER-4685)", Text: `
		base
		stop A
		slow A 300
		start A
		ask /a via C
		wait 100
		ask /b via C
		wait 100
		ask /c via C
		await serving A
		expect /a
		expect /b
		expect /c`},
	{Name: "S14 COMMIT between the ack of NEWLEADER and UPTODATE (ZOOKEEPER-4394)", Text: `
		base
		stop A
		write /x via C
		hold C>A UPTODATE
		start A
		wait 300
		ask /y via C
		wait 100
		heal
		await applied A
		expect /x
		expect /y`},
	{Name: "S15 DIFF taken as state (ZOOKEEPER-2355)", Text: `
		base
		cut C-A
		sever C-A
		write /x via C
		write /y via C
		hold C>A PROPOSAL
		heal
		hold C>A PROPOSAL
		wait 300
		sever C-A
		heal
		await serving A
		expect /x
		expect /y`},
	{Name: "S16 SNAP with writes around it (ZOOKEEPER-3104)", Text: `
		base
		wipe A
		write /a via C
		hold C>A SNAP
		start A
		ask /b via C
		wait 20
		ask /c via C
		wait 20
		heal
		ask /d via C
		await serving A
		kill A
		start A
		await serving A
		expect /d`},
	{Name: "S17 SNAP in memory only (ZOOKEEPER-3642, ZOOKEEPER-2872)", Text: `
		base
		wipe A
		write /a via C
		hold C>A NEWLEADER
		start A
		wait 300
		sever A-C
		heal
		await serving A
		write /b via C
		power A
		start A
		await serving A
		expect /a
		expect /b`},
	{Name: "S18 dirty snapshot and TRUNC (ZOOKEEPER-1549, ZOOKEEPER-4837)", Text: `
		base
		freeze A B
		ask /phantom via C
		await durable C
		kill A
		kill B
		kill C
		cut A-C
		start C
		wait 300
		kill C
		start C
		wait 300
		kill C
		start A B
		await serving A B
		heal
		start C
		await serving C
		expect no /phantom`},
	{Name: "S19 interrupted TRUNC (ZOOKEEPER-5094)", Text: `
		base
		freeze A B
		ask /phantom via C
		await durable C
		kill A
		kill B
		kill C
		start A B
		await serving A B
		write /x via B
		hold B>C NEWLEADER
		start C
		wait 300
		sever B-C
		heal
		await serving C
		write /y via B
		kill C
		start C
		await serving C
		expect no /phantom
		expect /x
		expect /y`},
	{Name: "S20 unsynced state after TRUNC", Text: `
		base
		freeze A B
		ask /phantom via C
		await durable C
		kill A
		kill B
		kill C
		start A B
		await serving A B
		kill A
		start C
		await serving C
		write /x via B
		power C
		power B
		start A C
		await serving A C
		expect no /phantom
		expect /x`},
	{Name: "S42 a parked request whose session has moved (ZOOKEEPER-2684)", Text: `
		base
		client A 900
		cut A-C
		sever A-C
		await looking A
		ask /late via A
		wait 590
		move A C
		write /early via C
		kill C
		heal
		await serving A B`},
	{Name: "S45 a new leader with an old connection of a session that lives elsewhere", Text: `
		base
		client B 4000
		move B C
		wait 3300
		kill C
		await leader B
		wait 1000
		start C
		await serving C`},
	{Name: "S24 zombie link (ZOOKEEPER-3240)", Text: `
		base
		cut A>C
		ask /x via C
		wait 2000
		heal
		await serving A
		expect /x`},
	{Name: "S30 disloyal voter (ZOOKEEPER-3109)", Text: `
		base
		cut A-C
		cut B-C
		await leader B
		heal
		cut A-B
		await leader B
		write /x via B
		heal
		await serving A B C`},
	{Name: "S31 repeated failed discovery", Text: `
		base
		kill A B C
		hold C>A LEADERINFO
		hold C>B LEADERINFO
		start A B C
		wait 100
		power C
		heal
		hold B>A NEWLEADER
		start C
		wait 100
		power B
		start B
		wait 60
		power C
		wait 200
		start C
		heal
		await serving A B C`},
	{Name: "S32 crash points of the epoch files (ZOOKEEPER-1653, ZOOKEEPER-2307, ZOOKEEPER-2354)", Text: `
		base
		kill C
		wait 60
		power B
		start B C
		wait 50
		power B
		wait 10
		power A
		start A B
		wait 45
		power A B
		start A B
		await serving A B C`},
	{Name: "S34 two rounds, nothing committed", Text: `
		base
		freeze A B
		ask /x via C
		await durable C
		kill A B C
		cut A-C
		cut B-C
		start C
		wait 200
		heal
		start B
		wait 60
		power B
		wait 60
		start B
		wait 60
		kill C
		start C
		wait 60
		power B
		start A B
		await serving A B C`},
}
