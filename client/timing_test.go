package client

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"quokka/internal/proto"
)

func TestPingsEveryThird(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.options(9 * time.Second)
		var took []time.Duration
		o.Hooks.Ping = func(d time.Duration) { took = append(took, d) }
		c, p := fakeClient(f, "a", o)
		begin := time.Now()
		for i := range 3 {
			xid, _ := p.want(proto.OpPing)
			if at := time.Since(begin); xid != proto.XidPing || at != time.Duration(i+1)*3*time.Second {
				t.Errorf("ping %d after %v", i, at)
			}
			time.Sleep(10 * time.Millisecond)
			p.reply(xid, 1, proto.OK, nil)
		}
		// A request is as good as a ping.
		time.Sleep(time.Second)
		call := async(func() (Stat, error) { return c.Set(t.Context(), "/a", nil, -1) })
		xid, _ := p.want(proto.OpSetData)
		sent := time.Now()
		p.reply(xid, 1, proto.OK, stat(1))
		if _, err := call(); err != nil {
			t.Error(err)
		}
		p.pong()
		if at := time.Since(sent); at != 3*time.Second {
			t.Errorf("the next ping came %v after a request", at)
		}
		end(c, p)
		if !slices.Equal(took, []time.Duration{10e6, 10e6, 10e6, 0}) {
			t.Errorf("pings took %v", took)
		}
	})
}

// What counts is when a request was sent, not when its answer came: the server
// may have had it right away. Events and servers without a quorum prove
// nothing.
func TestLastContactIsWhenTheAnsweredRequestWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.options(9 * time.Second)
		o.ReadOnly = true
		begin := time.Now()
		c, p := fakeClient(f, "a", o)
		since := func(want time.Duration) {
			t.Helper()
			synctest.Wait()
			if at := c.LastContact().Sub(begin); at != want {
				t.Errorf("the last contact was after %v, want %v", at, want)
			}
		}
		since(0)
		time.Sleep(time.Second)
		call := async(func() (Stat, error) { return c.Set(t.Context(), "/a", nil, -1) })
		xid, _ := p.want(proto.OpSetData)
		time.Sleep(time.Second)
		p.event(proto.EventNodeDataChanged, "/b", 7)
		since(0)
		p.reply(xid, 1, proto.OK, stat(1))
		if _, err := call(); err != nil {
			t.Error(err)
		}
		since(time.Second)
		xid, _ = p.want(proto.OpPing) // after 4 s
		time.Sleep(time.Second)
		p.reply(xid, 1, proto.OK, nil)
		since(4 * time.Second)
		p.lose()
		q := f.next()
		q.greet(proto.ConnectResponse{TimeoutMS: 9000, SessionID: 0x77, Password: make([]byte, 16), ReadOnly: true})
		since(4 * time.Second)
		_ = q.conn.Close()
		end(c, f.accept(9*time.Second))
		if at := c.LastContact().Sub(begin); at < 5*time.Second {
			t.Errorf("the last contact was after %v, which is before the last connection", at)
		}
	})
}

func TestLongTimeoutsArePingedOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a", f.options(10*time.Minute))
		begin := time.Now()
		p.pong()
		if at := time.Since(begin); at != 10*time.Second {
			t.Errorf("a ping after %v", at)
		}
		end(c, p)
	})
}

func TestSilentServerIsLeftAfterTwoThirds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a,b", f.options(9*time.Second))
		begin := time.Now()
		p.gone() // pings are read, nothing is answered
		if at := time.Since(begin); at != 6*time.Second {
			t.Errorf("left after %v", at)
		}
		q := f.accept(9 * time.Second)
		if at := time.Since(begin); at != 6*time.Second || q.addr == p.addr || q.hi.SessionID != 0x77 {
			t.Errorf("%v: session %v at %s", at, q.hi.SessionID, q.addr)
		}
		end(c, q)
	})
}

// A server that does not read does not block the client for ever either.
func TestServerThatDoesNotReadIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _ := fakeClient(f, "a,b", f.options(9*time.Second))
		begin := time.Now()
		_, err := c.Set(t.Context(), "/a", make([]byte, 1000), -1)
		if at := time.Since(begin); at != 6*time.Second || !Ambiguous(err) || !errors.Is(err, ErrConnectionLoss) {
			t.Errorf("%v after %v", err, at)
		}
		end(c, f.accept(9*time.Second))
	})
}

func TestFirstRoundIsFastThenSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		for _, s := range []string{"a:2181", "b:2181", "c:2181"} {
			f.set(s, errDown)
		}
		begin := time.Now()
		c, err := New("a,b,c", f.options(30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		f.mu.Lock()
		tried, times := slices.Clone(f.tried), slices.Clone(f.times)
		f.mu.Unlock()
		for round := 0; 3*round+2 < len(times); round++ {
			three := slices.Sorted(slices.Values(tried[3*round : 3*round+3]))
			if !slices.Equal(three, []string{"a:2181", "b:2181", "c:2181"}) || times[3*round] != times[3*round+2] {
				t.Fatalf("round %d: %v", round, f.log(begin))
			}
		}
		want := baseBackoff
		for round := 1; 3*round < len(times); round++ {
			if gap := times[3*round].Sub(times[3*round-1]); gap < want/2 || gap > want {
				t.Errorf("%v before round %d, want up to %v", gap, round, want)
			}
			want = min(2*want, defaultMaxBackoff)
		}
		if len(times) < 30 || times[0] != begin {
			t.Error(f.log(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = c.WaitConnected(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "connection refused") {
			t.Error(err)
		}
		_ = c.Close()
	})
}

// TestPatienceGrowsWithSlowServersOnly: who refuses makes nobody wait longer
// for the next one.
func TestPatienceGrowsWithSlowServersOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.set("a:2181", errDown)
		c, err := New("a", f.options(9*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // many rounds
		f.set("a:2181", nil)
		for _, patience := range []time.Duration{3 * time.Second, 6 * time.Second, 9 * time.Second, 9 * time.Second} {
			p := f.next()
			begin := time.Now()
			p.gone() // it reads, and says nothing
			if at := time.Since(begin); at != patience {
				t.Errorf("given up after %v, want %v", at, patience)
			}
		}
		p := f.accept(9 * time.Second)
		p.lose()
		p = f.next()
		begin := time.Now()
		if p.gone(); time.Since(begin) != 9*time.Second { // nothing was asked: it has not worked yet
			t.Errorf("given up after %v", time.Since(begin))
		}
		end(c, f.accept(9*time.Second))
	})
}

func TestCallsWaitForAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.set("a:2181", errDown)
		c, err := New("a", f.options(9*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, err = c.Create(ctx, "/never", nil)
		if !errors.Is(err, context.DeadlineExceeded) || Ambiguous(err) || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		call := async(func() (Stat, error) { return c.Set(t.Context(), "/a", nil, -1) })
		time.Sleep(5 * time.Second)
		f.set("a:2181", nil)
		p := f.accept(9 * time.Second)
		xid, _ := p.want(proto.OpSetData) // and not the create that was given up
		p.reply(xid, 5, proto.OK, stat(5))
		if _, err := call(); err != nil {
			t.Error(err)
		}
		end(c, p)
	})
}

func TestContextEndsASentCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a", f.options(9*time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		call := async(func() (Stat, error) { return c.Set(ctx, "/a", nil, -1) })
		xid, _ := p.want(proto.OpSetData)
		cancel()
		if _, err := call(); !errors.Is(err, context.Canceled) || !Ambiguous(err) {
			t.Error(err)
		}
		next := async(func() (Stat, error) { return c.Set(t.Context(), "/b", nil, -1) })
		xid2, _ := p.want(proto.OpSetData)
		p.reply(xid, 5, proto.OK, stat(5)) // nobody waits for it any more
		p.reply(xid2, 6, proto.OK, stat(6))
		if st, err := next(); err != nil || st.Mzxid != 6 {
			t.Error(st, err)
		}
		end(c, p)
	})
}

// Both what ends the call and what ends the waiting for it are there at once.
func TestContextThatEndedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a", f.options(9*time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 100 {
			if _, _, w, err := c.ExistsW(ctx, "/a"); w != nil || Ambiguous(err) || !errors.Is(err, context.Canceled) {
				t.Fatal(w, err)
			}
		}
		end(c, p)
	})
}

func TestExpiryOnReconnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a", f.options(9*time.Second))
		p.lose()
		call := async(func() (Stat, error) { return c.Set(t.Context(), "/a", nil, -1) })
		q := f.next()
		q.greet(proto.ConnectResponse{Password: make([]byte, 16)})
		if _, err := call(); !errors.Is(err, ErrSessionExpired) || Ambiguous(err) {
			t.Error(err)
		}
		<-c.Done()
		if !errors.Is(c.Err(), ErrSessionExpired) || c.State() != Expired {
			t.Error(c.Err(), c.State())
		}
		_ = c.Close()
	})
}

// A server that is behind closes without an answer. The session goes on
// with another, and with all it has seen.
func TestServerThatIsBehindIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a,b,c", f.options(9*time.Second))
		call := async(func() (Stat, error) { return c.Set(t.Context(), "/a", nil, -1) })
		xid, _ := p.want(proto.OpSetData)
		p.reply(xid, 1000, proto.OK, stat(1000))
		_, _ = call()
		p.lose()
		for range 2 {
			q := f.next()
			hi, err := proto.DecodeConnectRequest(q.frame())
			if err != nil || hi.LastZxidSeen != 1000 || hi.SessionID != 0x77 {
				t.Errorf("%+v, %v", hi, err)
			}
			_ = q.conn.Close()
		}
		q := f.accept(9 * time.Second)
		if q.hi.LastZxidSeen != 1000 {
			t.Errorf("%+v", q.hi)
		}
		end(c, q)
	})
}

func TestCloseWithoutAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a", f.options(9*time.Second))
		begin := time.Now()
		go func() { p.want(proto.OpCloseSession) }() // and no answer
		_ = c.Close()
		if at := time.Since(begin); at != 3*time.Second || c.State() != Closed {
			t.Errorf("closed after %v: %v", at, c.State())
		}
		f.set("a:2181", errDown)
		c, err := New("a", f.options(9*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		begin = time.Now()
		_ = c.Close()
		if at := time.Since(begin); at != 0 {
			t.Errorf("closed after %v", at)
		}
	})
}

func TestAddressesRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.options(9 * time.Second)
		known := []string{"10.0.0.1", "10.0.0.2", "::1"}
		o.Resolve = func(context.Context, string) ([]string, error) {
			if known == nil {
				return nil, errors.New("no such host")
			}
			return known, nil
		}
		o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if !strings.HasPrefix(addr, "10.0.0.2") { // the others are silent
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return f.dial(ctx, network, addr)
		}
		begin := time.Now()
		c, p := fakeClient(f, "name:2181", o)
		if at := time.Since(begin); at < stagger || at > 2*stagger {
			t.Errorf("connected after %v", at)
		}
		known = nil // the resolver fails: what it said before is still good
		p.lose()
		end(c, f.accept(9*time.Second))
	})
}
