package member

import (
	"iter"
	"math/rand/v2"
	"testing"

	"quokka/internal/core/watch"
	"quokka/internal/proto"
)

// sitter is a client that is heard now and then.
type sitter struct {
	pipe    *pipe
	session proto.SessionID
	heard   int64 // by its server
	quiet   int64 // it says nothing before this time
}

// TestEnsembleExpiry checks over random times, while nothing fails, that no
// session expires before its timeout after its client was heard, whatever
// server that was, and that every silent one does soon. A follower tells the
// leader each half tick.
func TestEnsembleExpiry(t *testing.T) {
	for seed := range uint64(40) {
		runExpiry(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func runExpiry(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 11))
	r := newRealm(t, realmOptions{servers: 3, leaderServes: true, parkMS: 2000})
	sitters := map[proto.SessionID]*sitter{}
	const timeout, delay, tick = 4000, 600, 1000
	expired := 0
	r.expired = func(_ *host, id proto.SessionID) {
		expired++
		if s := sitters[id]; r.now < s.heard+timeout-delay {
			t.Errorf("%s expired at %d, was heard at %d", r.name(id), r.now, s.heard)
		}
		delete(sitters, id)
	}
	for _, h := range r.hosts {
		h.start()
	}
	r.run(1000)
	for next := range watch.ConnID(1200) {
		r.now += int64(rng.IntN(60))
		if rng.IntN(30) == 0 {
			p := r.connect(next+1, r.hosts[rng.IntN(3)], proto.ConnectRequest{TimeoutMS: timeout})
			r.settle()
			sitters[p.session] = &sitter{p, p.session, r.now, 0}
		}
		for s := range living(r, sitters) {
			s.act(r, rng, next+1)
		}
		for _, h := range r.hosts {
			h.tick()
		}
		r.settle()
		for s := range living(r, sitters) {
			if r.now > s.heard+timeout+tick+delay {
				t.Errorf("%s lives at %d, was heard at %d", r.name(s.session), r.now, s.heard)
			}
		}
	}
	if expired == 0 {
		t.Error("no session expired")
	}
}

// living are the clients whose sessions are open, in the order of these.
func living(r *realm, all map[proto.SessionID]*sitter) iter.Seq[*sitter] {
	return func(yield func(*sitter) bool) {
		for id := range r.hosts[0].state.Sessions().All() {
			if s := all[id]; s != nil && !yield(s) {
				return
			}
		}
	}
}

// act has a client be heard, move, break its connection or fall silent.
func (s *sitter) act(r *realm, rng *rand.Rand, next watch.ConnID) {
	switch k := rng.IntN(200); {
	case r.now < s.quiet:
	case k == 0:
		s.quiet = r.now + 9000
	case k < 4 && s.pipe.open:
		s.pipe.shut()
	case k < 8 || !s.pipe.open:
		q := proto.ConnectRequest{TimeoutMS: 4000, SessionID: s.session, Password: passwordOf(s.session)}
		p := r.connect(next<<8|watch.ConnID(k), r.hosts[rng.IntN(3)], q)
		r.settle()
		if p.open {
			s.pipe, s.heard = p, r.now
		}
	case k < 60:
		s.pipe.heard, s.heard = r.now, r.now
		s.pipe.host.m.Touch(s.pipe.id, s.session, 4000, r.now)
	}
}
