package client

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
)

func TestConnectStrings(t *testing.T) {
	for in, want := range map[string]string{
		"a":                         "a:2181 ",
		"a:1, b ,c:3/x/y":           "a:1,b:2181,c:3 /x/y",
		"[::1]:5,::1,[fe80::1]/":    "[::1]:5,[::1]:2181,[fe80::1]:2181 ",
		"10.0.0.1:2181,,host.x:1/a": "10.0.0.1:2181,host.x:1 /a",
	} {
		servers, root, err := parseServers(in)
		if got := strings.Join(servers, ",") + " " + root; err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "/a", "a:0", "a:x", "a:70000", ":1", "a//b", "a/b/", "[::1"} {
		if servers, root, err := parseServers(in); err == nil {
			t.Errorf("%q: %q %q", in, servers, root)
		}
		if _, err := New(in, Options{}); err == nil {
			t.Errorf("%q: a client", in)
		}
	}
}

func FuzzConnectString(f *testing.F) {
	f.Add("a:1,[::1]/x")
	f.Fuzz(func(t *testing.T, in string) {
		servers, root, err := parseServers(in)
		if err == nil && (len(servers) == 0 || root != "" && root[0] != '/') {
			t.Errorf("%q: %q %q", in, servers, root)
		}
	})
}

func TestChrootPaths(t *testing.T) {
	for _, x := range []struct{ root, path, full string }{
		{"", "/", "/"}, {"", "/a", "/a"}, {"/r", "/", "/r"}, {"/r", "/a", "/r/a"}, {"/r/s", "/a/b", "/r/s/a/b"},
	} {
		if got := join(x.root, x.path); got != x.full || strip(x.root, got) != x.path {
			t.Errorf("%+v: %q, %q", x, got, strip(x.root, got))
		}
	}
	for _, outside := range []string{"/ra", "/", "/zookeeper/config"} {
		if got := strip("/r", outside); got != outside {
			t.Errorf("%q becomes %q", outside, got)
		}
	}
	if !within("/r", "/r") || !within("/r", "/r/a") || within("/r", "/ra") || !within("/", "/a") {
		t.Error("within")
	}
}

func TestQueueLosesNothing(t *testing.T) {
	q := newQueue[int](0, nil)
	const n = 1000
	got := make(chan int)
	for range 3 {
		go func() {
			sum := 0
			for {
				v, err := q.next(t.Context())
				if err != nil {
					got <- sum
					return
				}
				sum += v
			}
		}()
	}
	for i := range n {
		q.push(i)
	}
	q.close(io.EOF, false)
	if sum := <-got + <-got + <-got; sum != n*(n-1)/2 {
		t.Errorf("sum %d", sum)
	}
	q.push(1)
	if _, err := q.next(t.Context()); err != io.EOF {
		t.Error(err)
	}
	q = newQueue(3, func() int { return -1 })
	for i := range 5 {
		q.push(i)
	}
	q.close(io.EOF, false)
	var all []int
	for v, err := q.next(t.Context()); err == nil; v, err = q.next(t.Context()) {
		all = append(all, v)
	}
	if !slices.Equal(all, []int{-1, 3, 4}) {
		t.Error(all)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newQueue[int](0, nil).next(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestErrorsSayWhat(t *testing.T) {
	err := error(&Error{Op: "create", Path: "/a", Code: ErrConnectionLoss, Err: io.EOF, Sent: true})
	var code Code
	if !errors.Is(err, ErrConnectionLoss) || !errors.Is(err, io.EOF) || errors.Is(err, ErrNoNode) || !errors.As(err, &code) ||
		code.Name() != "ConnectionLoss" || !Ambiguous(err) || Ambiguous(io.EOF) {
		t.Error(err)
	}
	if got, want := err.Error(), "zookeeper: create /a: the connection was lost: EOF (the request was sent and may have been carried out: read before you repeat it)"; got != want {
		t.Error(got)
	}
	me := error(&MultiError{Index: 2, Err: &Error{Op: "check", Path: "/l", Code: ErrBadVersion}})
	if !errors.Is(me, ErrBadVersion) || me.Error() != "part 2 of a multi: zookeeper: check /l: version does not match" {
		t.Error(me)
	}
	if Code(-99).Error() != "error code -99" || ErrClosed.Name() != "Closed" {
		t.Error("codes")
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []Options{{SessionTimeout: -1}, {SessionTimeout: 1 << 62}, {Resume: &Session{}}} {
		if _, err := New("a", o); err == nil {
			t.Errorf("%+v", o)
		}
	}
}

func TestTexts(t *testing.T) {
	for got, want := range map[string]string{
		ACL{PermRead | PermWrite, "ip", "10.0.0.0/8"}.String(): "ip:10.0.0.0/8:rw",
		Event{EventGap, "/a", 0}.String():                      "gap /a",
		EventType(9).String():                                  "event 9",
		State(77).String():                                     "unknown",
		NodeRemoved.String():                                   "removed",
		Zxid(0x100000002).String():                             "0x100000002",
		SessionID(-1).String():                                 "0xffffffffffffffff",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestErrIsThereWithTheState looks at the moment at which the last state is
// announced.
func TestErrIsThereWithTheState(t *testing.T) {
	var c *Client
	made := make(chan struct{})
	o := Options{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, io.EOF }}
	o.Hooks.State = func(v StateChange) {
		<-made
		if v.State.Final() && !errors.Is(c.Err(), ErrClosed) {
			t.Error(c.Err())
		}
	}
	var err error
	if c, err = New("a", o); err != nil {
		t.Fatal(err)
	}
	close(made)
	_ = c.Close()
}

// TestCallsWithAnEndedContextFail makes calls whose context has ended before:
// each is finished once, whichever of the two ends is seen first.
func TestCallsWithAnEndedContextFail(t *testing.T) {
	c, err := New("127.0.0.1:1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 200 {
		if _, _, err := c.Get(ctx, "/a"); !errors.Is(err, context.Canceled) || Ambiguous(err) {
			t.Fatalf("got %v", err)
		}
	}
}
