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
	{Name: "S21 a log with a hole (ZOOKEEPER-2846, ZOOKEEPER-4352, ZOOKEEPER-2418)", Servers: 5, Text: `
		base
		set memory 1
		set disk no
		stop B
		write /a1 via E
		await applied A
		stop A
		write /a2 via E
		write /a3 via E
		stop C D E
		start C D E
		await serving C D E
		start B
		await serving B
		stop C
		write /b1 via E
		write /b2 via E
		await applied B
		stop B D E
		set disk yes
		start A B C
		await leader B
		await serving A C
		write /c via B
		await applied A C
		kill A
		start A
		expect /a1
		expect /a2
		expect /a3
		expect /b2
		expect /c`},
	{Name: "S22 read-only service beside the committed log (ZOOKEEPER-3526)", Text: `
		set readonly yes
		base
		write /x via C
		kill A B
		await readonly C
		reader C 900
		reader C close
		wait 1800
		start B
		await serving B C
		start A
		await serving A
		write /y via B
		await applied A
		expect /base
		expect /x
		expect /y`},
	{Name: "S23 a lagging follower while writes flow (ZOOKEEPER-962, ZOOKEEPER-1319, ZOOKEEPER-1412)", Text: `
		base
		set memory 1
		set disk no
		stop A
		write /a via C
		stop B C
		start B C
		await serving B C
		write /b via C
		start A
		ask /c via C
		wait 20
		ask /d via C
		wait 280
		kill A
		write /e via C
		start A
		ask /f via C
		await serving A
		stop A
		write /g via C
		kill B C
		start B C
		await serving B C
		ask /h via B
		start A
		ask /i via C
		await applied A
		expect /b
		expect /d
		expect /e
		expect /g`},
	{Name: "S33 a counter that is used up (ZOOKEEPER-1277)", Text: `
		set counter 40
		base
		client A 8000
		client B 8000
		client C 8000
		remember
		fill /r 45 via C
		await serving A B C
		fill /s 45 via A
		await serving A B C
		unbroken A C
		kill A
		fill /t 45 via B
		start A
		await serving A
		await serving B C
		stop B
		fill /u 45 via C
		start B
		await serving B
		power C
		await leader B
		fill /v 45 via B
		start C
		await serving C
		fill /w 45 via A
		expect /r45
		expect /s45
		expect /v45
		expect /w45`},
	{Name: "S35 a voter that has lost its data", Text: `
		base
		set autocreate no
		stop A
		write /x via C
		kill B
		wipe C
		start A C
		wait 3000
		await looking A C
		start B
		await serving A B C
		expect /x`},
	{Name: "S35 a voter without data that may begin anew", Servers: 3, Text: `
		base
		set autocreate no
		write /x via C
		await durable B C
		blank A
		start A
		kill C
		await serving A B
		write /y via B
		power A B
		start A B C
		await serving A B C
		expect /x
		expect /y`},
	{Name: "S37 a stale leader answers sync (ZOOKEEPER-1675)", Text: `
		base
		freeze C
		await leader B
		write /y via B
		sync /y via C
		thaw C
		wait 2000`},
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
