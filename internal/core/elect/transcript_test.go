package elect

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
	"quokka/internal/transcript"
)

// TestTranscripts replays testdata/*.txt: a line at the margin is an input,
// the indented lines below it are the effects. What the inputs mean is said
// at the function input.
func TestTranscripts(t *testing.T) {
	transcript.Run(t, "testdata/*.txt", func(t *testing.T) transcript.Step {
		s := &script{t: t}
		return func(words []string) []string {
			s.input(words)
			return s.effects()
		}
	})
}

// script is a transcript that is being replayed.
type script struct {
	t      *testing.T
	e      *Election
	active quorum.Membership
	now    int64
	shown  status // what the effects have told already
	extra  []string
}

type status struct {
	decided, finalizing bool
	state               proto.PeerState
	vote                Vote
	until               int64
	newer               string
}

func (s *script) status() status {
	st := status{finalizing: s.e.finalizing}
	if st.finalizing {
		st.until = s.e.finalizeAt
	}
	st.newer, _ = s.e.NewerConfig()
	var v Vote
	if st.state, v, st.decided = s.e.Result(); st.decided {
		st.vote = v
	}
	return st
}

// input is one line of a transcript:
//
//	server ID [delay=MS] [reconfig]    a new process
//	members LINE... [next LINE...]     LINE is 1 or 4:observer, group.1=1:2, weight.1=0, version=HEX
//	at MS                              what time it is, then a tick
//	look ZXID EPOCH                    ZXID is EPOCH.COUNTER or -1
//	vote FROM STATE LEADER ZXID ROUND EPOCH [v=N] [config=HEX]
//	leave
//	designate LEADER ZXID EPOCH
//	epoch EPOCH                        SetPeerEpoch
//	refuse                             RefuseConfig
//	doubt                              shows it
//	round                              shows it
func (s *script) input(f []string) {
	s.t.Helper()
	switch f[0] {
	case "server":
		s.start(f[1:])
	case "members":
		s.members(f[1:])
	case "at":
		s.now = s.number(f[1])
		s.e.Tick(s.now)
	case "look":
		s.e.Look(s.now, s.zxid(f[1]), proto.Epoch(s.number(f[2])))
	case "vote":
		s.vote(f[1:])
	case "leave":
		s.e.Leave()
	case "designate":
		s.e.Designate(proto.ServerID(s.number(f[1])), s.zxid(f[2]), proto.Epoch(s.number(f[3])))
	case "epoch":
		s.e.SetPeerEpoch(proto.Epoch(s.number(f[1])))
	case "refuse":
		s.e.RefuseConfig()
	case "doubt":
		at, ok := s.e.Doubt()
		s.extra = append(s.extra, fmt.Sprintf("doubt: %v at %d", ok, at))
	case "round":
		s.extra = append(s.extra, fmt.Sprintf("round: %d", s.e.Round()))
	default:
		s.t.Fatalf("no such input: %v", f)
	}
}

func (s *script) start(f []string) {
	cfg := Config{Me: proto.ServerID(s.number(f[0]))}
	for _, o := range f[1:] {
		if ms, ok := strings.CutPrefix(o, "delay="); ok {
			cfg.ObserverDelayMS = s.number(ms)
		} else if o == "reconfig" {
			cfg.ReconfigEnabled = true
		} else {
			s.t.Fatalf("no such option: %s", o)
		}
	}
	s.e, s.shown, s.now = New(cfg), status{}, 0
}

func (s *script) members(f []string) {
	active, next, _ := strings.Cut(strings.Join(f, " "), " next ")
	s.active = makeMembers(s.t, strings.Fields(active)...)
	seen := s.active
	if next != "" {
		seen = makeMembers(s.t, strings.Fields(next)...)
	}
	s.e.SetMembers(s.active, seen)
}

// makeMembers makes a membership of short lines.
func makeMembers(t testing.TB, lines ...string) quorum.Membership {
	t.Helper()
	var text strings.Builder
	for _, l := range lines {
		if !strings.Contains(l, "=") {
			id, role, _ := strings.Cut(l, ":")
			if role == "" {
				role = "participant"
			}
			l = fmt.Sprintf("server.%s=h%s:2888:3888:%s", id, id, role)
		}
		text.WriteString(l + "\n")
	}
	m, err := quorum.ParseMembership(text.String(), false)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (s *script) vote(f []string) {
	s.t.Helper()
	if len(f) < 6 {
		s.t.Fatalf("a vote needs FROM STATE LEADER ZXID ROUND EPOCH: %v", f)
	}
	n := proto.Notification{
		State: -1, Leader: proto.ServerID(s.number(f[2])), Zxid: s.zxid(f[3]),
		ElectionEpoch: s.number(f[4]), PeerEpoch: proto.Epoch(s.number(f[5])), Version: 2,
	}
	for _, st := range []proto.PeerState{proto.Looking, proto.Following, proto.Leading, proto.Observing} {
		if st.String() == f[1] {
			n.State = st
		}
	}
	n.Config = s.active.Text()
	for _, o := range f[6:] {
		if v, ok := strings.CutPrefix(o, "v="); ok {
			n.Version, n.Config = int32(s.number(v)), ""
		} else if v, ok := strings.CutPrefix(o, "config="); ok {
			n.Config = "server.1=a:2888:3888:participant\nversion=" + v
		} else {
			s.t.Fatalf("no such option: %s", o)
		}
	}
	s.e.Vote(s.now, proto.ServerID(s.number(f[0])), n)
}

func (s *script) number(text string) int64 {
	s.t.Helper()
	if text == "none" {
		return none
	}
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *script) zxid(text string) proto.Zxid {
	s.t.Helper()
	epoch, counter, ok := strings.Cut(text, ".")
	if !ok {
		return proto.Zxid(s.number(text))
	}
	return proto.MakeZxid(proto.Epoch(s.number(epoch)), uint32(s.number(counter)))
}

func number(n int64) string {
	if n == none {
		return "none"
	}
	return strconv.FormatInt(n, 10)
}

func (v Vote) text() string {
	zxid := number(int64(v.Zxid))
	if v.Zxid >= 0 {
		zxid = fmt.Sprintf("%d.%d", v.Zxid.Epoch(), v.Zxid.Counter())
	}
	return fmt.Sprintf("%s %s %d %s", number(int64(v.Leader)), zxid, v.ElectionEpoch, number(int64(v.PeerEpoch)))
}

// effects tells what is to be sent, in the words of the input vote, and what
// has changed.
func (s *script) effects() []string {
	out := s.extra
	s.extra = nil
	var to []string
	sends := s.e.TakeSends()
	for i, o := range sends {
		if want := s.e.members.text; o.N.Config != want || o.N.Version != 2 {
			s.t.Errorf("notification with version %d and the configuration %q, want %q", o.N.Version, o.N.Config, want)
		}
		to = append(to, number(int64(o.To)))
		if i+1 < len(sends) && sends[i+1].N == o.N {
			continue
		}
		v := Vote{o.N.Leader, o.N.Zxid, o.N.ElectionEpoch, o.N.PeerEpoch}
		out = append(out, fmt.Sprintf("to %s: %s %s", strings.Join(to, ","), o.N.State, v.text()))
		to = nil
	}
	was, is := s.shown, s.status()
	s.shown = is
	switch {
	case is.decided && is != was:
		out = append(out, fmt.Sprintf("%s %s by %v", is.state, is.vote.text(), s.e.Electors()))
	case is.finalizing && is != was:
		out = append(out, fmt.Sprintf("a quorum; wait until %d", is.until))
	case was.finalizing && !is.finalizing:
		out = append(out, "no quorum any more")
	}
	if is.newer != was.newer && is.newer != "" {
		out = append(out, "newer configuration: "+strings.ReplaceAll(is.newer, "\n", " "))
	}
	return out
}
