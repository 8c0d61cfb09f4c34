package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

const long = 9 * time.Second

// serveOne answers the next request.
func (p *peer) serveOne(op proto.Op, zxid proto.Zxid, code proto.Code, body []byte) []byte {
	p.t.Helper()
	xid, b := p.want(op)
	p.reply(xid, zxid, code, body)
	return b
}

// get arms a watch.
func get(c *Client, p *peer, path string, zxid proto.Zxid) *Watch {
	p.t.Helper()
	call := async(func() (*Watch, error) { _, _, w, err := c.GetW(p.t.Context(), path); return w, err })
	p.serveOne(proto.OpGetData, zxid, proto.OK, node("", zxid))
	w, err := call()
	if err != nil {
		p.t.Fatal(err)
	}
	return w
}

func persistent(c *Client, p *peer, path string) *Watch {
	p.t.Helper()
	call := async(func() (*Watch, error) { return c.WatchTree(p.t.Context(), path) })
	p.serveOne(proto.OpAddWatch, 1, proto.OK, []byte{0, 0, 0, 0})
	w, err := call()
	if err != nil {
		p.t.Fatal(err)
	}
	return w
}

func (p *peer) setWatches(op proto.Op) proto.SetWatchesRequest {
	p.t.Helper()
	xid, b := p.want(op)
	if xid != proto.XidSetWatches {
		p.t.Errorf("setWatches with xid %d", xid)
	}
	d := jute.NewDecoder(b)
	r := proto.DecodeSetWatchesRequest(&d, op)
	if d.Err() != nil || d.Len() != 0 {
		p.t.Fatal(d.Err(), d.Len())
	}
	return r
}

// ZOOKEEPER-4655: the second event of a multi is lost with the connection. The
// server makes up for it only if the client does not claim to have seen its
// zxid.
func TestEventsDoNotAdvanceTheZxid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a", f.options(long))
		wa, wb := get(c, p, "/a", 5), get(c, p, "/b", 6)
		p.event(proto.EventNodeDataChanged, "/a", 7)
		if e, err := wa.Next(t.Context()); err != nil || e != (Event{EventDataChanged, "/a", 7}) {
			t.Error(e, err)
		}
		p.lose()
		q := f.accept(long)
		r := q.setWatches(proto.OpSetWatches)
		if q.hi.LastZxidSeen != 6 || r.RelativeZxid != 6 || !slices.Equal(r.Data, []string{"/b"}) {
			t.Errorf("%+v, %+v", q.hi, r)
		}
		q.event(proto.EventNodeDataChanged, "/b", -1)
		q.reply(proto.XidSetWatches, 100, proto.OK, nil)
		if e, err := wb.Next(t.Context()); err != nil || e != (Event{EventDataChanged, "/b", 0}) {
			t.Error(e, err)
		}
		// Nor does the reply to setWatches: others with the same zxid may follow.
		q.lose()
		q = f.accept(long)
		if q.hi.LastZxidSeen != 6 {
			t.Errorf("%+v", q.hi)
		}
		end(c, q)
	})
}

// The order is: connect, credentials, watches, then what waits.
func TestOrderOnANewConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.options(long)
		o.Auth = []Auth{{"digest", []byte("a:b")}}
		c, p := fakeClient(f, "a", o)
		xid, _ := p.want(proto.OpAuth)
		p.reply(xid, 0, proto.OK, nil)
		added := async(func() (int, error) { return 0, c.AddAuth(t.Context(), "digest", []byte("c:d")) })
		xid, _ = p.want(proto.OpAuth)
		p.reply(xid, 0, proto.OK, nil)
		if _, err := added(); err != nil || xid != proto.XidAuth {
			t.Fatal(err, xid)
		}
		get(c, p, "/w", 5)
		persistent(c, p, "/tree")
		f.set("a:2181", errDown)
		p.lose()
		waits := async(func() (Stat, error) { return c.Set(t.Context(), "/x", nil, -1) })
		synctest.Wait()
		f.set("a:2181", nil)
		q := f.accept(long)
		for _, want := range []string{"a:b", "c:d"} {
			_, b := q.want(proto.OpAuth)
			d := jute.NewDecoder(b)
			if a := proto.DecodeAuthPacket(&d); string(a.Auth) != want {
				t.Errorf("%+v, want %s", a, want)
			}
		}
		r := q.setWatches(proto.OpSetWatches2)
		if !slices.Equal(r.Data, []string{"/w"}) || !slices.Equal(r.PersistentRecursive, []string{"/tree"}) {
			t.Errorf("%+v", r)
		}
		xid, _ = q.want(proto.OpSetData)
		q.reply(proto.XidAuth, 0, proto.OK, nil)
		q.reply(proto.XidAuth, 0, proto.OK, nil)
		q.reply(proto.XidSetWatches, 6, proto.OK, nil)
		q.reply(xid, 7, proto.OK, stat(7))
		if _, err := waits(); err != nil {
			t.Error(err)
		}
		end(c, q)
	})
}

func TestRefusedCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a", f.options(long))
		added := async(func() (int, error) { return 0, c.AddAuth(t.Context(), "digest", []byte("x")) })
		xid, _ := p.want(proto.OpAuth)
		p.reply(xid, 0, proto.AuthFailed, nil)
		if _, err := added(); !errors.Is(err, ErrAuthFailed) {
			t.Error(err)
		}
		p.lose() // as servers do
		end(c, f.accept(long))

		o := f.options(long)
		o.Auth = []Auth{{"digest", []byte("wrong")}}
		c, p = fakeClient(f, "a", o)
		xid, _ = p.want(proto.OpAuth)
		p.reply(xid, 0, proto.AuthFailed, nil)
		<-c.Done()
		if !errors.Is(c.Err(), ErrAuthFailed) || c.State() != AuthFailed {
			t.Error(c.Err(), c.State())
		}
	})
}

// Lists are split, and all parts name the same zxid.
func TestManyWatchesAreSplit(t *testing.T) {
	table := newWatches()
	s := &session{}
	total := 0
	for i := range 4000 {
		path := fmt.Sprintf("/%s%05d", strings.Repeat("x", 90), i)
		table.add(&Watch{s: s, path: path, kind: watchKind(i % int(watchKinds))})
		total++
	}
	b := table.requests(nil, 42)
	requests := 0
	for len(b) > 0 {
		n := int(jute32(b))
		h, body, err := proto.DecodeRequestHeader(b[4 : 4+n])
		if err != nil || h.Op != proto.OpSetWatches2 || h.Xid != proto.XidSetWatches || n > maxWatchBytes+200 {
			t.Fatal(h, err, n)
		}
		d := jute.NewDecoder(body)
		r := proto.DecodeSetWatchesRequest(&d, h.Op)
		if d.Err() != nil || d.Len() != 0 || r.RelativeZxid != 42 {
			t.Fatal(d.Err(), r.RelativeZxid)
		}
		total -= len(r.Data) + len(r.Exist) + len(r.Child) + len(r.Persistent) + len(r.PersistentRecursive)
		b = b[4+n:]
		requests++
	}
	if total != 0 || requests != 4 {
		t.Errorf("%d watches are missing in %d requests", total, requests)
	}
	if b := (&watches{}).requests(nil, 42); b != nil {
		t.Error("a request without watches")
	}
}

func jute32(b []byte) int32 { d := jute.NewDecoder(b); return d.Int() }

func TestOneShotsRideOnPersistentWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a", f.options(long))
		tree := persistent(c, p, "/a")
		call := async(func() (*Watch, error) { _, _, w, err := c.GetW(t.Context(), "/a"); return w, err })
		b := p.serveOne(proto.OpGetData, 5, proto.OK, node("", 5))
		w, err := call()
		if err != nil || b[len(b)-1] != 0 {
			t.Fatal(err, b)
		}
		_ = tree.Close() // it must stay on the server
		p.event(proto.EventNodeDataChanged, "/a", 6)
		if e, err := w.Next(t.Context()); err != nil || e.Type != EventDataChanged {
			t.Error(e, err)
		}
		d := jute.NewDecoder(p.serveOne(proto.OpRemoveWatches, 6, proto.OK, nil)) // now it goes
		if r := proto.DecodePathMode(&d); r.Path != "/a" || r.Mode != proto.WatcherAny {
			t.Errorf("%+v", r)
		}
		end(c, p)
	})
}

func TestOldServerIsAskedToRemoveOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a", f.options(long))
		w, v := get(c, p, "/a", 5), get(c, p, "/b", 5)
		_ = w.Close()
		p.serveOne(proto.OpRemoveWatches, -1, proto.Unimplemented, nil)
		p.lose()
		q := f.accept(long)
		if r := q.setWatches(proto.OpSetWatches); !slices.Equal(r.Data, []string{"/b"}) {
			t.Errorf("%+v", r)
		}
		_ = v.Close()
		end(c, q) // which asks for closeSession next
	})
}

// A watch on its way must not fall to the removal of another one.
func TestRemovalSparesAWatchOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a", f.options(long))
		w := get(c, p, "/a", 5)
		call := async(func() (*Watch, error) { _, _, w, err := c.GetW(t.Context(), "/a"); return w, err })
		xid, _ := p.want(proto.OpGetData)
		_ = w.Close()
		p.reply(xid, 5, proto.OK, node("", 5))
		if _, err := call(); err != nil {
			t.Error(err)
		}
		end(c, p) // nothing but closeSession comes
	})
}

func TestAbandonedWatchIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a", f.options(long))
		ctx, cancel := context.WithCancel(t.Context())
		call := async(func() (*Watch, error) { return c.Watch(ctx, "/a") })
		xid, _ := p.want(proto.OpAddWatch)
		cancel()
		if w, err := call(); w != nil || !Ambiguous(err) {
			t.Error(w, err)
		}
		p.reply(xid, 5, proto.OK, []byte{0, 0, 0, 0})
		p.serveOne(proto.OpRemoveWatches, 5, proto.OK, nil)
		end(c, p)
	})
}

func TestReadsAreSentAgainByPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.options(long)
		o.RetryReads = 1
		c, p := fakeClient(f, "a", o)
		read := async(func() ([]byte, error) { b, _, err := c.Get(t.Context(), "/r"); return b, err })
		p.want(proto.OpGetData)
		write := async(func() (Stat, error) { return c.Set(t.Context(), "/w", nil, -1) })
		p.want(proto.OpSetData)
		p.lose()
		if _, err := write(); !errors.Is(err, ErrConnectionLoss) || !Ambiguous(err) {
			t.Error(err)
		}
		q := f.accept(long)
		q.serveOne(proto.OpGetData, 5, proto.OK, node("x", 5))
		if b, err := read(); err != nil || string(b) != "x" {
			t.Error(b, err)
		}
		read = async(func() ([]byte, error) { b, _, err := c.Get(t.Context(), "/r"); return b, err })
		for range 2 {
			q.want(proto.OpGetData)
			q.lose()
			q = f.accept(long)
		}
		if _, err := read(); !errors.Is(err, ErrConnectionLoss) {
			t.Error(err)
		}
		end(c, q)
	})
}

func TestPipelineStaysBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.options(long)
		o.RetryReads = 5
		c, p := fakeClient(f, "a", o)
		line := c.Pipeline()
		a := line.Set(t.Context(), "/a", nil, -1)
		p.want(proto.OpSetData)
		p.lose()
		b := line.Get(t.Context(), "/b")
		q := f.accept(long)
		if _, err := a.Wait(t.Context()); !Ambiguous(err) {
			t.Error(err)
		}
		if _, err := b.Wait(t.Context()); !errors.Is(err, ErrConnectionLoss) || Ambiguous(err) {
			t.Error(err)
		}
		if err := line.Wait(t.Context()); !Ambiguous(err) {
			t.Error(err)
		}
		line = c.Pipeline()
		a = line.Set(t.Context(), "/a", nil, -1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		xid, _ := q.want(proto.OpSetData)
		if _, err := a.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) || !Ambiguous(err) {
			t.Error(err)
		}
		q.reply(xid, 5, proto.OK, stat(5)) // only the waiting has ended
		if _, err := a.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		end(c, q)
	})
}

func TestOddReplies(t *testing.T) {
	for name, odd := range map[string]func(p *peer, xid int32){
		"another xid":     func(p *peer, xid int32) { p.reply(xid+1, 5, proto.OK, stat(5)) },
		"half a header":   func(p *peer, _ int32) { p.write([]byte{0, 0, 0}) },
		"unasked auth":    func(p *peer, _ int32) { p.reply(proto.XidAuth, 0, proto.OK, nil) },
		"half an event":   func(p *peer, _ int32) { p.reply(proto.XidEvent, 0, proto.OK, []byte{0}) },
		"refused watches": func(p *peer, _ int32) { p.reply(proto.XidSetWatches, 0, proto.MarshallingError, nil) },
		"negative length": func(p *peer, _ int32) { _, _ = p.conn.Write([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				c, p := fakeClient(f, "a", f.options(long))
				call := async(func() (Stat, error) { return c.Set(t.Context(), "/a", nil, -1) })
				xid, _ := p.want(proto.OpSetData)
				odd(p, xid)
				if _, err := call(); !errors.Is(err, ErrConnectionLoss) || !Ambiguous(err) {
					t.Error(err)
				}
				end(c, f.accept(long))
			})
		})
	}
}

func TestSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.options(long)
		o.MaxRequest, o.MaxReply = 1000, 2000
		c, p := fakeClient(f, "a", o)
		_, err := c.Set(t.Context(), "/a", make([]byte, 1000), -1)
		if !errors.Is(err, ErrBadArguments) || !strings.Contains(err.Error(), "MaxRequest") {
			t.Error(err)
		}
		call := async(func() ([]byte, error) { b, _, err := c.Get(t.Context(), "/a"); return b, err })
		xid, _ := p.want(proto.OpGetData)
		go func() { // the client does not read to the end
			b := proto.AppendReplyHeader([]byte{0, 0, 8, 0}, proto.ReplyHeader{Xid: xid, Zxid: 5})
			_, _ = p.conn.Write(append(b, make([]byte, 2032)...))
		}()
		if _, err := call(); !errors.Is(err, ErrMarshalling) || !strings.Contains(err.Error(), "MaxReply") || Ambiguous(err) {
			t.Error(err)
		}
		q := f.accept(long)
		call = async(func() ([]byte, error) { b, _, err := c.Get(t.Context(), "/a"); return b, err })
		q.serveOne(proto.OpGetData, 5, proto.OK, []byte{0, 0, 9})
		if _, err := call(); !errors.Is(err, ErrMarshalling) {
			t.Error(err)
		}
		end(c, q)
	})
}

// A session that a server without a quorum gave is known to nobody else.
func TestReadOnlySessionIsNotTakenAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.options(long)
		o.ReadOnly = true
		f.set("b:2181", errDown)
		c, err := New("a,b", o)
		if err != nil {
			t.Fatal(err)
		}
		p := f.next()
		p.greet(proto.ConnectResponse{TimeoutMS: 9000, SessionID: 0x1, Password: make([]byte, 16), ReadOnly: true})
		if !p.hi.ReadOnly {
			t.Error("the client did not say that it takes a read-only server")
		}
		synctest.Wait()
		if c.State() != ConnectedReadOnly {
			t.Fatal(c.State())
		}
		f.set("b:2181", nil)
		q := f.next()
		word := make([]byte, 4)
		if _, err := io.ReadFull(q.conn, word); err != nil || string(word) != "isro" {
			t.Fatal(word, err)
		}
		_, _ = q.conn.Write([]byte("rw"))
		q = f.accept(long)
		synctest.Wait()
		if q.addr != "b:2181" || q.hi.SessionID != 0 || c.State() != Connected || c.Session().ID != 0x77 {
			t.Error(q.addr, q.hi, c.State(), c.Session())
		}
		q.lose()
		if q = f.accept(long); q.hi.SessionID != 0x77 {
			t.Error(q.hi)
		}
		end(c, q)
	})
}

// TestStatesAreComplete flips the connection and misses no state.
func TestStatesAreComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.options(long)
		var hooked []State
		o.Hooks.State = func(v StateChange) { hooked = append(hooked, v.State) }
		c, p := fakeClient(f, "a", o)
		var seen []State
		begun := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for v := range c.States(t.Context()) {
				if seen = append(seen, v.State); len(seen) == 1 {
					close(begun)
				}
			}
		}()
		<-begun
		for range 10 {
			p.lose()
			p = f.accept(long)
			synctest.Wait()
		}
		end(c, p)
		<-done
		if len(seen) != 22 || seen[21] != Closed || !slices.Equal(seen, hooked) {
			t.Errorf("%v, hooks %v", seen, hooked)
		}
		for v := range c.States(t.Context()) {
			if v.State != Closed {
				t.Error(v)
			}
		}
	})
}
