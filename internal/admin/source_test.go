package admin

import (
	"iter"
	"maps"
	"net/netip"
	"slices"
	"time"

	"quokka/internal/metrics"
	"quokka/internal/proto"
)

// fakeSource is a server that stands still.
type fakeSource struct {
	down, readOnly bool
	status         Status
	conf           Conf
	metrics        *metrics.Server
	conns          []ConnInfo
	connExpiries   map[time.Time][]ConnInfo
	expiries       map[time.Time][]proto.SessionID
	ephemerals     map[proto.SessionID][]string
	quotas         []Quota
	watches        map[string][]proto.SessionID
	digests        []Digest
	mask           int64
	connResets     int
	timeouts       map[proto.SessionID]int32       // of a learner; nil for others
	local          map[time.Time][]proto.SessionID // nil without local sessions
}

const session = proto.SessionID(0x100001bdc900000)

// verified is the state in which the samples of the golden tests were taken from a Java server.
func verified() *fakeSource {
	m := metrics.NewServer()
	for _, ms := range []int64{2, 3, 10} {
		m.ObserveLatency(ms, true)
	}
	m.PacketsReceived.Add(6)
	m.PacketsSent.Add(5)
	client := ConnInfo{
		Remote: netip.MustParseAddrPort("127.0.0.1:39584"), InterestOps: 1, Received: 4, Sent: 4,
		Session: session, LastOp: "GETD", Established: time.UnixMilli(1795359610716), TimeoutMS: 10000,
		LastCxid: 3, LastZxid: 3, LastResponseMS: 1831286, LastLatencyMS: 2, AvgLatencyMS: 5, MaxLatencyMS: 10,
	}
	word := ConnInfo{Remote: netip.MustParseAddrPort("127.0.0.1:39608"), Received: 1, LastCxid: -1}
	at := time.Date(2026, 11, 22, 15, 0, 20, 0, time.UTC)
	return &fakeSource{
		metrics: m,
		status:  Status{Mode: "standalone", Zxid: 3, NodeCount: 7, Connections: 2, Uptime: time.Minute},
		conf: Conf{
			ClientPort: 21011, SecureClientPort: -1, DataDir: "/data/zk/s2/version-2", DataLogDir: "/data/zk/s2/version-2",
			TickTimeMS: 500, MaxClientCnxns: 60, MinSessionTimeoutMS: 1000, MaxSessionTimeoutMS: 10000,
			ClientPortListenBacklog: -1,
		},
		conns:        []ConnInfo{word, client},
		expiries:     map[time.Time][]proto.SessionID{at: {session}},
		connExpiries: map[time.Time][]ConnInfo{at.Add(9 * time.Second): {client, {Remote: netip.MustParseAddrPort("127.0.0.1:39632")}}},
		ephemerals:   map[proto.SessionID][]string{session: {"/k/e"}},
		watches:      map[string][]proto.SessionID{"/k": {session}},
		mask:         DefaultTraceMask,
	}
}

func (f *fakeSource) Serving() bool                   { return !f.down }
func (f *fakeSource) ReadOnly() bool                  { return f.readOnly }
func (f *fakeSource) Status() Status                  { return f.status }
func (f *fakeSource) Conf() Conf                      { return f.conf }
func (f *fakeSource) DirSizes() (data, log int64)     { return 67109337, 67109337 }
func (f *fakeSource) Metrics() *metrics.Server        { return f.metrics }
func (f *fakeSource) Connections() iter.Seq[ConnInfo] { return slices.Values(f.conns) }
func (f *fakeSource) Quotas() iter.Seq[Quota]         { return slices.Values(f.quotas) }
func (f *fakeSource) DigestLog() iter.Seq[Digest]     { return slices.Values(f.digests) }
func (f *fakeSource) TraceMask() int64                { return f.mask }
func (f *fakeSource) SetTraceMask(mask int64)         { f.mask = mask }
func (f *fakeSource) ResetConnections()               { f.connResets++ }

func (f *fakeSource) ConnectionExpiries() Expiries[ConnInfo] { return expiriesOf(f.connExpiries) }

func (f *fakeSource) LocalSessionExpiries() (Expiries[proto.SessionID], bool) {
	return expiriesOf(f.local), f.local != nil
}

func (f *fakeSource) SessionExpiries() (Expiries[proto.SessionID], bool) {
	return expiriesOf(f.expiries), f.timeouts == nil
}

func (f *fakeSource) SessionTimeouts() (int, iter.Seq2[proto.SessionID, int32]) {
	return len(f.timeouts), func(yield func(proto.SessionID, int32) bool) {
		for _, id := range slices.Sorted(maps.Keys(f.timeouts)) {
			if !yield(id, f.timeouts[id]) {
				return
			}
		}
	}
}

func (f *fakeSource) Ephemerals() (int, iter.Seq2[proto.SessionID, []string]) {
	return len(f.ephemerals), maps.All(f.ephemerals)
}

func (f *fakeSource) WatchSummary() (connections, paths, total int) {
	by := f.bySession()
	for _, paths := range by {
		total += len(paths)
	}
	return len(by), len(f.watches), total
}

func (f *fakeSource) WatchesByPath() iter.Seq2[string, []proto.SessionID] { return maps.All(f.watches) }

func (f *fakeSource) WatchesBySession() iter.Seq2[proto.SessionID, []string] {
	return maps.All(f.bySession())
}

func (f *fakeSource) bySession() map[proto.SessionID][]string {
	by := map[proto.SessionID][]string{}
	for path, ids := range f.watches {
		for _, id := range ids {
			by[id] = append(by[id], path)
		}
	}
	return by
}

func expiriesOf[T any](m map[time.Time][]T) Expiries[T] {
	e := Expiries[T]{Buckets: len(m)}
	keys := slices.SortedFunc(maps.Keys(m), time.Time.Compare)
	for _, k := range keys {
		e.Elements += len(m[k])
	}
	e.Each = func(yield func(time.Time, []T) bool) {
		for _, k := range keys {
			if !yield(k, m[k]) {
				return
			}
		}
	}
	return e
}
