package metrics

import "sync/atomic"

// Stats are the numbers of Java's ServerStats: what the words srvr and stat show, and the gauges made from them.
// They are not printed by Each. Make one with NewServer.
type Stats struct {
	PacketsReceived Counter       // frames and four-letter words from clients
	PacketsSent     Counter       // replies and watch events
	RequestLatency  Summary       // ms, reads and writes. Use Server.ObserveLatency
	ResponseSizes   ResponseSizes // bytes of each reply and watch event, without the frame length
	AuthFailed      Counter       // connections refused for what they presented; srst keeps it
}

// Reset forgets latencies, packet counts and response sizes (Java ServerStats.reset).
func (s *Stats) Reset() {
	s.PacketsReceived.Reset()
	s.PacketsSent.Reset()
	s.RequestLatency.Reset()
	s.ResponseSizes.Reset()
}

// ObserveLatency records the milliseconds from reading a request to its reply being ready, under the latency that
// srvr shows and under readlatency or updatelatency. A negative latency is dropped (Java ServerStats.updateLatency).
func (s *Server) ObserveLatency(ms int64, write bool) {
	if ms < 0 {
		return
	}
	s.RequestLatency.Observe(ms)
	if write {
		s.Update.Observe(ms)
	} else {
		s.Read.Observe(ms)
	}
}

// ResponseSizes keeps the last, the least and the greatest size of a response in bytes, -1 while there was none
// (Java BufferStats). The zero value must be Reset before use; NewServer does.
type ResponseSizes struct {
	last, least, most atomic.Int64
}

// Observe records the size of one response.
func (r *ResponseSizes) Observe(bytes int64) {
	r.last.Store(bytes)
	for old := r.most.Load(); bytes > old && !r.most.CompareAndSwap(old, bytes); {
		old = r.most.Load()
	}
	for old := r.least.Load(); (old == -1 || bytes < old) && !r.least.CompareAndSwap(old, bytes); {
		old = r.least.Load()
	}
}

// Last returns the size of the latest response.
func (r *ResponseSizes) Last() int64 { return r.last.Load() }

// Min returns the least size.
func (r *ResponseSizes) Min() int64 { return r.least.Load() }

// Max returns the greatest size.
func (r *ResponseSizes) Max() int64 { return r.most.Load() }

// Reset forgets all sizes.
func (r *ResponseSizes) Reset() {
	r.last.Store(-1)
	r.least.Store(-1)
	r.most.Store(-1)
}
