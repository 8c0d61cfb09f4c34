package member

import (
	"quokka/internal/core/state"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// reaper deletes containers and TTL nodes, not too many at a time
// (ContainerManager).
type reaper struct {
	next  int64 // running time of the next look
	last  int64 // running time up to which deletions were allotted
	queue []string
}

// reap looks for candidates when it is time, and proposes the deletions that
// the rate allows. Whether a candidate is one still, the state machine
// decides when it prepares the deletion.
func (m *Member) reap() {
	r := &m.reaper
	if m.now.Running >= r.next && len(r.queue) == 0 {
		r.queue = m.state.ContainerCandidates(m.now.Wall, m.cfg.MaxNeverUsedMS)
		r.next = m.now.Running + m.cfg.ContainerCheckMS
		r.last = m.now.Running - minuteMS/max(m.cfg.ContainerPerMinute, 1)
		if len(r.queue) > 0 {
			m.note(NoteReaped, 0, int64(len(r.queue)))
		}
	}
	n := min((m.now.Running-r.last)*m.cfg.ContainerPerMinute/minuteMS, int64(len(r.queue)))
	if n <= 0 {
		return
	}
	for _, path := range r.queue[:n] {
		m.propose(&state.Request{Op: proto.OpDeleteContainer, Body: jute.AppendString(nil, path)})
	}
	r.queue = r.queue[n:]
	r.last = m.now.Running
}

const minuteMS = 60_000

// snapshots decides when the log rolls and a snapshot is taken: after about
// SnapCount transactions or SnapBytes of log, spread at random over the
// second half of that so that the servers of an ensemble do not all stop to
// write at once (SyncRequestProcessor.shouldSnapshot).
type snapshots struct {
	count     int
	bytes     int64
	rng       uint64
	since     int        // transactions since the log rolled
	limit     int        // roll at this many
	byteLimit int64      // or at this size
	tooLarge  bool       // the file has that size
	rolled    proto.Zxid // the last transaction before the current file
	at        proto.Zxid // take a snapshot once this is applied; 0 is none
}

func newSnapshots(cfg Config) snapshots {
	s := snapshots{count: max(cfg.SnapCount, 2), bytes: cfg.SnapBytes, rng: cfg.Seed, since: cfg.Replayed}
	s.draw()
	return s
}

func (s *snapshots) draw() {
	s.limit = s.count/2 + int(s.random()%uint64(s.count/2))
	s.byteLimit = 0
	if half := uint64(max(s.bytes, 0) / 2); half > 0 {
		s.byteLimit = int64(half + s.random()%half)
	}
}

// random is splitmix64.
func (s *snapshots) random() uint64 { return random(&s.rng) }

func random(state *uint64) uint64 {
	*state += 0x9e3779b97f4a7c15
	z := *state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// logged counts a transaction, and tells whether the log rolls after it.
func (s *snapshots) logged(z proto.Zxid) bool {
	s.since++
	if s.since <= s.limit && !s.tooLarge {
		return false
	}
	s.since, s.tooLarge = 0, false
	s.at, s.rolled = z, z
	s.draw()
	return true
}

// size is the size of the log's file in which z is. It may be the file
// before the current one, which grows no more.
func (s *snapshots) size(z proto.Zxid, bytes int64) {
	if z > s.rolled {
		s.tooLarge = s.byteLimit > 0 && bytes > s.byteLimit
	}
}

// applied tells whether a snapshot is due once z is applied.
func (s *snapshots) applied(z proto.Zxid) bool {
	if s.at == 0 || z < s.at {
		return false
	}
	s.at = 0
	return true
}
