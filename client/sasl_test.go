package client

import (
	"context"
	"testing"
	"testing/synctest"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

type talk struct {
	t    *testing.T
	want []string
	say  []string
}

func (k *talk) Next(_ context.Context, challenge []byte) ([]byte, bool, error) {
	if string(challenge) != k.want[0] {
		k.t.Errorf("challenge %q, want %q", challenge, k.want[0])
	}
	say := k.say[0]
	k.want, k.say = k.want[1:], k.say[1:]
	if say == "" {
		return nil, len(k.say) == 0, nil
	}
	return []byte(say), len(k.say) == 0, nil
}

func TestSASLComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.options(long)
		o.Auth = []Auth{{"digest", []byte("a:b")}}
		o.SASL = func(server string) (SASL, error) {
			if server != "a:2181" {
				t.Error(server)
			}
			return &talk{t, []string{"", "challenge", "rspauth"}, []string{"", "response", ""}}, nil
		}
		c, err := New("a", o)
		if err != nil {
			t.Fatal(err)
		}
		p := f.next()
		password := []byte("0123456789abcdef")
		p.greet(proto.ConnectResponse{TimeoutMS: 9000, SessionID: 0x77, Password: password})
		for _, step := range [][2]string{{"", "challenge"}, {"response", "rspauth"}} {
			xid, b := p.want(proto.OpSASL)
			d := jute.NewDecoder(b)
			if token := d.Buffer(); token == nil || string(token) != step[0] {
				t.Errorf("token %q, want %q", token, step[0])
			}
			p.reply(xid, 0, proto.OK, jute.AppendBuffer(nil, []byte(step[1])))
		}
		p.want(proto.OpAuth)
		p.reply(proto.XidAuth, 0, proto.OK, nil)
		if got := c.Session().Password; string(got) != string(password) { // later frames do not overwrite it
			t.Errorf("password %q", got)
		}
		end(c, p)

		o.SASL = func(string) (SASL, error) { return &talk{t, []string{""}, []string{"x"}}, nil }
		if c, err = New("a", o); err != nil {
			t.Fatal(err)
		}
		p = f.accept(long)
		xid, _ := p.want(proto.OpSASL)
		p.reply(xid, 0, proto.AuthFailed, jute.AppendBuffer(nil, nil))
		<-c.Done()
		if c.State() != AuthFailed {
			t.Error(c.Err())
		}
	})
}

// FuzzReply feeds a client what no server sends.
func FuzzReply(f *testing.F) {
	f.Add(proto.AppendReplyHeader(nil, proto.ReplyHeader{Xid: 1, Zxid: 5}), uint8(0))
	f.Add(append(proto.AppendReplyHeader(nil, proto.ReplyHeader{Xid: 1}), node("x", 5)...), uint8(1))
	f.Add(append(proto.AppendReplyHeader(nil, proto.ReplyHeader{Xid: -1}), proto.AppendWatcherEvent(nil, 3, "no slash")...), uint8(2))
	f.Add(append(proto.AppendReplyHeader(nil, proto.ReplyHeader{Xid: 1}), proto.AppendMultiHeader(nil, proto.MultiEnd)...), uint8(3))
	f.Fuzz(func(t *testing.T, frame []byte, which uint8) {
		o, _ := Options{}.withDefaults()
		s := newSession([]string{"a:1"}, "", o)
		s.link = &link{}
		c := &Client{s: s, root: "/r"}
		s.watches.add(&Watch{s: s, root: "/r", path: "/r/x", kind: watchRecursive, q: newQueue[Event](0, nil)})
		ctx := t.Context()
		switch which % 8 {
		case 0:
			start(ctx, s, c.getRequest("/a"), nil)
		case 1:
			start(ctx, s, c.childrenRequest("/a"), nil)
		case 2:
			start(ctx, s, c.getACLRequest("/a"), nil)
		case 3:
			start(ctx, s, c.Multi().Create("/a", nil).Check("/a", 1).Set("/a", nil, 1).request(), nil)
		case 4:
			start(ctx, s, c.createRequest("/a", nil, nil, proto.OpCreate2), nil)
		case 5:
			start(ctx, s, c.existsRequest("/a"), nil)
		case 6:
			start(ctx, s, c.MultiRead().Get("/a").Children("/a").request(), nil)
		case 7:
			start(ctx, s, c.whoAmIRequest(), nil)
		}
		_, _ = s.fill(nil)
		_ = s.reply(frame)
	})
}
