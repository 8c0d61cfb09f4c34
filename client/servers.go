package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// SetServers replaces the servers of the connect string while the session
// lives (Java: ZooKeeper.updateServerList). A chroot may be left out; one that
// is given must be that of the Client, for it cannot be changed.
//
// When the session's server is not in the new list, the session moves to one
// that is. When it is, the session moves with the probability that spreads
// the clients of the old list evenly over the new one, if all of them are
// told the same: after servers were added, the share that belongs to these
// moves to them, and nobody moves among the old ones. The probabilities are
// those of Java's StaticHostProvider (ZOOKEEPER-1355; Shraer and others,
// "Dynamic Reconfiguration of Primary/Backup Clusters", 2012).
//
// A move waits for the answers under way, for a third of the session timeout
// at most, so that it makes no call ambiguous. Persistent watches yield an
// EventGap, as after every change of the server.
func (c *Client) SetServers(servers string) error {
	list, root, err := parseServers(servers)
	if err != nil {
		return err
	}
	if root != "" && root != c.s.chroot {
		return &Error{Op: "setServers", Code: ErrBadArguments, Err: fmt.Errorf(
			"chroot %s: that of a Client cannot be changed, leave it out or dial again", root)}
	}
	return c.s.setServers(list)
}

// Servers returns the servers that the Client knows, host:port each, sorted.
func (c *Client) Servers() []string {
	r := c.s.ring
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(slices.Values(r.servers))
}

func (s *session) setServers(list []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.final != nil {
		e := &Error{Op: "setServers", Err: s.final}
		if code, ok := errors.AsType[Code](s.final); ok {
			e.Code, e.Err = code, nil
		}
		return e
	}
	current := ""
	if s.link != nil {
		current = s.link.server
	}
	if s.ring.replace(list, current, rand.Float64) {
		s.depart(newServers{})
	}
	select {
	case s.relist <- struct{}{}: // ends a pause
	default:
	}
	return nil
}

// replace takes over a new list, and returns whether the session must leave
// its present server. random returns numbers from 0 to 1.
func (r *ring) replace(list []string, current string, random func() float64) (move bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list = slices.Compact(slices.Sorted(slices.Values(list)))
	before := slices.Compact(slices.Sorted(slices.Values(r.servers)))
	r.servers, r.first, r.at = shuffled(list), nil, 0
	r.begun()
	if r.stop != nil && !slices.Contains(list, r.trying) {
		r.stop(unlisted{r.trying})
	}
	if current == "" {
		return false
	}
	b := balance{random: random}
	for _, server := range r.servers {
		if slices.Contains(before, server) {
			b.kept = append(b.kept, server)
		} else {
			b.added = append(b.added, server)
		}
	}
	r.first = b.plan(len(before), slices.Contains(list, current))
	return r.first != nil
}

// A balance says where a client of an old list of servers goes.
type balance struct {
	kept, added []string // the new list: servers of the old one, and others
	random      func() float64
}

// plan returns the order in which to try the new servers, or nil to stay.
// before is how many servers there were, mine says that ours is one of kept.
//
// Every old server has 1/before of the clients and shall have 1/after.
func (b *balance) plan(before int, mine bool) []string {
	after := len(b.kept) + len(b.added)
	var toKept float64 // the share of those who move that goes to kept servers
	switch {
	case after > before && mine && b.random() >= 1-float64(before)/float64(after):
		return nil
	case after > before: // the kept servers have too many already
	case mine:
		return nil
	case before > len(b.kept):
		// What the kept ones lack, over what the removed ones set free.
		lack := float64(len(b.kept)) * float64(before-after)
		toKept = lack / (float64(after) * float64(before-len(b.kept)))
	}
	return b.draw(toKept)
}

// draw orders the servers: each next one comes from the kept ones with the
// probability toKept, as long as both kinds are left.
func (b *balance) draw(toKept float64) []string {
	kept, added := b.kept, b.added
	var out []string
	for len(kept) > 0 && len(added) > 0 {
		if b.random() < toKept {
			out, kept = append(out, kept[0]), kept[1:]
		} else {
			out, added = append(out, added[0]), added[1:]
		}
	}
	return slices.Concat(out, kept, added)
}

// newServers ends the connection to a server that is to be left.
type newServers struct{}

func (newServers) Error() string { return "moving to another server, the list of servers has changed" }

// unlisted ends an attempt to reach a server that is not wanted any more.
type unlisted struct{ server string }

func (e unlisted) Error() string { return e.server + " is not in the list of servers any more" }

// depart ends the connection once the calls that were sent are answered, or
// when that takes too long. No more are sent meanwhile. The caller holds mu.
func (s *session) depart(why error) {
	l := s.link
	if l == nil || l.leaving != nil {
		return
	}
	l.leaving = why
	if len(s.pending) == 0 {
		l.cancel(why)
		return
	}
	l.limit = time.AfterFunc(l.timeout/3, func() { l.cancel(why) })
}
