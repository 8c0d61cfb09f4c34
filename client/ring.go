package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A ring says which server to try next, and how long to wait before.
type ring struct {
	base time.Duration
	cap  time.Duration

	mu       sync.Mutex
	servers  []string // in random order
	at       int
	failures int      // since a server worked
	late     bool     // in this round a server took too long
	slow     int      // rounds in which one did, since a server worked
	first    []string // tried before all others, once
	trying   string   // the server that is being dialed, or ""
	stop     context.CancelCauseFunc
	known    map[string][]string // the addresses a host had last
}

const baseBackoff = 100 * time.Millisecond

func newRing(servers []string, o Options) *ring {
	return &ring{
		servers: shuffled(servers), known: make(map[string][]string),
		base: baseBackoff, cap: min(o.MaxBackoff, o.SessionTimeout/4),
	}
}

func shuffled(list []string) []string {
	out := slices.Clone(list)
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func (r *ring) next() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.first) > 0 {
		s := r.first[0]
		r.first = r.first[1:]
		return s
	}
	r.at++
	return r.servers[(r.at-1)%len(r.servers)]
}

// prefer has a server tried next.
func (r *ring) prefer(server string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.first = []string{server}
	r.begun()
}

// worked says that the last server was of use.
func (r *ring) worked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun()
}

func (r *ring) begun() { r.failures, r.late, r.slow = 0, false, 0 }

// failed returns how long to wait before the next server: not at all in a
// round, and from one round to the next a random time that doubles. late says
// that the server did not answer in time.
func (r *ring) failed(late bool) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures++
	r.late = r.late || late
	if r.failures%len(r.servers) != 0 {
		return 0
	}
	if r.late {
		r.late = false
		r.slow++
	}
	d := min(r.base<<min(r.failures/len(r.servers)-1, 16), r.cap)
	return d/2 + rand.N(d/2+1)
}

// size returns how many servers there are, and in how many rounds over all of
// them one took too long.
func (r *ring) size() (servers, slow int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.servers), r.slow
}

// other returns the i-th server, modulo their number, unless it is current
// and there are more.
func (r *ring) other(i int, current string) (server string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	server = r.servers[i%len(r.servers)]
	return server, server != current || len(r.servers) == 1
}

// begin notes which server is being dialed, so that replace can put an end
// to it.
func (r *ring) begin(server string, stop context.CancelCauseFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trying, r.stop = server, stop
	if !r.has(server) {
		stop(unlisted{server})
	}
}

func (r *ring) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trying, r.stop = "", nil
}

// attached ends the search for a server. It returns false if that is not in
// the list any more.
func (r *ring) attached(server string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ok := r.has(server)
	if ok {
		r.first = nil
	}
	return ok
}

func (r *ring) has(server string) bool {
	return slices.Contains(r.servers, server) || slices.Contains(r.first, server)
}

// resolve asks for the addresses of a host, and falls back on those it had
// last when nobody knows. The result is in random order, families in turn.
func (r *ring) resolve(ctx context.Context, host string, ask func(context.Context, string) ([]string, error)) ([]string, error) {
	if _, err := netip.ParseAddr(host); err == nil {
		return []string{host}, nil
	}
	addrs, err := ask(ctx, host)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil && len(addrs) > 0 {
		r.known[host] = slices.Clone(addrs)
	} else if addrs = slices.Clone(r.known[host]); len(addrs) == 0 {
		if err == nil {
			err = fmt.Errorf("no address for %s", host)
		}
		return nil, err
	}
	return inTurn(addrs), nil
}
