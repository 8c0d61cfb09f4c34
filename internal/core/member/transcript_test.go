package member

import (
	"strconv"
	"strings"
	"testing"

	"quokka/internal/core/watch"
	"quokka/internal/proto"
	"quokka/internal/transcript"
)

// TestTranscripts replays those of testdata that are about one server; what
// the inputs mean is said at the function input.
func TestTranscripts(t *testing.T) {
	transcript.Run(t, "testdata/[^e]*.txt", func(t *testing.T) transcript.Step {
		var w *world
		return func(words []string) []string {
			if w == nil || words[0] == "config" {
				w = newWorld(t, testConfig())
			}
			w.input(words)
			return w.take()
		}
	})
}

// input is one line of a transcript:
//
//	config snapcount=N perminute=N     a new server
//	at MS                              what time it is
//	connect CONN SESSION TIMEOUT [badpassword] [seen=ZXID]
//	request CONN SESSION XID OP [PATH]
//	touch CONN SESSION TIMEOUT HEARD
//	gone CONN SESSION
//	tick
//	durable [ZXID] [incarnation=N]
//	orphan SESSION PATH                puts an ephemeral into the tree
//	restart                            a new member over the state
func (w *world) input(f []string) {
	w.t.Helper()
	arg := func(i int) int64 { return w.number(f, i) }
	switch f[0] {
	case "config":
		w.configure(f[1:])
	case "at":
		w.at(arg(1))
	case "connect":
		w.connect(f)
	case "request":
		w.send(f)
	case "touch":
		w.m.Touch(watch.ConnID(arg(1)), w.session(f[2]), int32(arg(3)), arg(4))
	case "gone":
		w.m.Gone(watch.ConnID(arg(1)), w.session(f[2]))
	case "tick":
		w.m.Tick()
		w.m.Upkeep()
	case "durable":
		w.report(f)
	case "orphan":
		owner := proto.SessionID(0x777)
		code := w.state.Tree().Create(f[1], nil, nil, int64(owner), -1, w.state.LastZxid(), wallBase)
		if code != proto.OK {
			w.t.Fatalf("%v: %v", f, code)
		}
	case "restart":
		w.start()
	default:
		w.t.Fatalf("no such input: %v", f)
	}
}

func (w *world) configure(options []string) {
	cfg := testConfig()
	for _, o := range options {
		name, text, _ := strings.Cut(o, "=")
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			w.t.Fatalf("%s: %v", o, err)
		}
		switch name {
		case "snapcount":
			cfg.SnapCount = int(n)
		case "snapbytes":
			cfg.SnapBytes = n
		case "perminute":
			cfg.ContainerPerMinute = n
		case "replayed":
			cfg.Replayed = int(n)
		default:
			w.t.Fatalf("no such option: %s", o)
		}
	}
	w.cfg = cfg
	w.start()
}

func (w *world) number(f []string, i int) int64 {
	w.t.Helper()
	if i >= len(f) {
		w.t.Fatalf("%v: a number is missing", f)
	}
	n, err := strconv.ParseInt(f[i], 0, 64)
	if err != nil {
		w.t.Fatalf("%v: %v", f, err)
	}
	return n
}

// session is the id behind a name: s1 is the first that was made, 0 none,
// and any other number stands for itself.
func (w *world) session(name string) proto.SessionID {
	if n, err := strconv.Atoi(strings.TrimPrefix(name, "s")); err == nil && name[0] == 's' {
		return w.ids[n-1]
	}
	return proto.SessionID(w.number([]string{name}, 0))
}

func (w *world) connect(f []string) {
	id := w.session(f[2])
	r := proto.ConnectRequest{TimeoutMS: int32(w.number(f, 3)), SessionID: id, Password: passwordOf(id)}
	for _, o := range f[4:] {
		if z, ok := strings.CutPrefix(o, "seen="); ok {
			r.LastZxidSeen = proto.Zxid(w.number([]string{z}, 0))
		} else if o == "badpassword" {
			r.Password = make([]byte, proto.PasswordLen)
		} else if o == "nopassword" {
			r.Password = nil
		} else {
			w.t.Fatalf("no such option: %s", o)
		}
	}
	w.m.Connect(watch.ConnID(w.number(f, 1)), r)
}

func (w *world) send(f []string) {
	path := ""
	if len(f) > 5 {
		path = f[5]
	}
	var op proto.Op
	var body []byte
	switch f[4] {
	case "create":
		op, body = proto.OpCreate, createBody(path, 0)
	case "ephemeral":
		op, body = proto.OpCreate, createBody(path, proto.FlagEphemeral)
	case "container":
		op, body = proto.OpCreateContainer, createBody(path, proto.FlagContainer)
	case "ttl":
		op = proto.OpCreateTTL
		body = proto.AppendCreateRequest(nil, op, &proto.CreateRequest{
			Path: path, Flags: proto.FlagPersistentTTL, TTL: 1000,
			ACL: []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "world", ID: "anyone"}}},
		})
	case "delete":
		op, body = proto.OpDelete, deleteBody(path)
	case "sync":
		op, body = proto.OpSync, pathBody(path)
	case "malformed":
		op, body = proto.OpSetData, []byte{0, 0, 0, 9, 1}
	case "close":
		op = proto.OpCloseSession
	default:
		w.t.Fatalf("no such request: %v", f)
	}
	w.request(watch.ConnID(w.number(f, 1)), w.session(f[2]), int32(w.number(f, 3)), op, body)
}

func (w *world) report(f []string) {
	z, inc := w.logged, uint64(incarnation)
	for _, o := range f[1:] {
		if n, ok := strings.CutPrefix(o, "incarnation="); ok {
			inc = uint64(w.number([]string{n}, 0))
		} else {
			z = proto.Zxid(w.number([]string{o}, 0))
		}
	}
	if inc == incarnation {
		w.durable = max(w.durable, z)
	}
	w.m.Durable(inc, z, int64(z)*100)
}
