package peers

import (
	"bytes"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"quokka/internal/core/quorum"
	"quokka/internal/jute"
	"quokka/internal/net/frame"
)

var twoAddrs = []quorum.HostPort{{Host: "127.0.0.1", Port: 21022}, {Host: "::1", Port: 3888}}

// The bytes of V1 were recorded from Java 3.8.0.
func TestInitialMessageHasJavasBytes(t *testing.T) {
	v1 := appendInitial(nil, 2, twoAddrs, false)
	if got, want := hex.EncodeToString(v1), "ffffffffffff0000"+"0000000000000002"+"0000000f"+hex.EncodeToString([]byte("127.0.0.1:21022")); got != want {
		t.Errorf("V1\n got %s\nwant %s", got, want)
	}
	v2 := appendInitial(nil, 2, twoAddrs, true)
	if got, want := hex.EncodeToString(v2), "ffffffffffff0001"+"0000000000000002"+"0000001a"+hex.EncodeToString([]byte("127.0.0.1:21022|[::1]:3888")); got != want {
		t.Errorf("V2\n got %s\nwant %s", got, want)
	}
}

func message(version, sid int64, text string) []byte {
	return jute.AppendString(jute.AppendLong(jute.AppendLong(nil, version), sid), text)
}

func TestInitialMessageForms(t *testing.T) {
	many := strings.Repeat("h:1|", 511) + "h:1"
	for name, c := range map[string]struct {
		in   []byte
		want initial
		fail string
	}{
		"ancient":      {in: jute.AppendLong(nil, 7), want: initial{sid: 7}},
		"observer":     {in: jute.AppendLong(nil, math.MaxInt64), want: initial{sid: anonymous}},
		"V1":           {in: message(initialV1, 2, "127.0.0.1:21022"), want: initial{2, twoAddrs[:1]}},
		"V2":           {in: message(initialV2, 2, "127.0.0.1:21022|[::1]:3888"), want: initial{2, twoAddrs}},
		"wildcard":     {in: message(initialV1, 2, "0.0.0.0:3888"), want: initial{sid: 2}},
		"wildcard6":    {in: message(initialV2, 2, "[::]:3888|127.0.0.1:21022"), want: initial{2, twoAddrs[:1]}},
		"too many":     {in: message(initialV2, 2, many), want: initial{2, slices.Repeat([]quorum.HostPort{{Host: "h", Port: 1}}, maxTold)}},
		"version":      {in: message(-3, 2, "h:1"), fail: "unrecognized protocol version -3"},
		"empty":        {in: message(initialV1, 2, ""), fail: "buffer length: 0"},
		"long":         {in: message(initialV1, 2, strings.Repeat("x", 2049)), fail: "buffer length: 2049"},
		"negative":     {in: jute.AppendInt(message(initialV1, 2, "")[:16], -1), fail: "buffer length: -1"},
		"no port":      {in: message(initialV1, 2, "host"), fail: `badly formed address: "host"`},
		"no host":      {in: message(initialV1, 2, ":1"), fail: `badly formed address: ":1"`},
		"port":         {in: message(initialV1, 2, "h:x"), fail: `bad port number: "x"`},
		"port size":    {in: message(initialV1, 2, "h:65536"), fail: `bad port number: "65536"`},
		"one is bad":   {in: message(initialV2, 2, "h:1||h:2"), fail: `badly formed address: ""`},
		"half a head":  {in: message(initialV1, 2, "h:1")[:12], fail: "unexpected EOF"},
		"half an addr": {in: message(initialV1, 2, "h:1")[:21], fail: "unexpected EOF"},
		"nothing":      {fail: "EOF"},
	} {
		in := append(bytes.Clone(c.in), "rest"...)
		if strings.Contains(c.fail, "EOF") {
			in = c.in
		}
		fr := frame.NewReader(iotest.OneByteReader(bytes.NewReader(in)), maxVote)
		m, err := readInitial(fr)
		if c.fail != "" {
			if err == nil || !strings.Contains(err.Error(), c.fail) {
				t.Errorf("%s: error %v, want %q", name, err, c.fail)
			}
			continue
		}
		if err != nil || m.sid != c.want.sid || !slices.Equal(m.addrs, c.want.addrs) {
			t.Errorf("%s: %+v, %v; want %+v", name, m, err, c.want)
		}
		if rest, err := fr.Peek(4); err != nil || string(rest) != "rest" {
			t.Errorf("%s: behind it is %q, %v", name, rest, err)
		}
	}
}

func FuzzInitial(f *testing.F) {
	f.Add(jute.AppendLong(nil, 7))
	f.Add(appendInitial(nil, 2, twoAddrs, false))
	f.Add(appendInitial(nil, 2, twoAddrs, true))
	f.Add(message(initialV2, -1, "[fe80::1%eth0]:1|0.0.0.0:0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readInitial(frame.NewReader(bytes.NewReader(b), maxVote))
		if err != nil {
			return
		}
		n, _ := initialSize(b)
		if whole, err := decodeInitial(b[:n]); err != nil || whole.sid != m.sid || !slices.Equal(whole.addrs, m.addrs) {
			t.Fatalf("in one piece it is %+v, %v, not %+v", whole, err, m)
		}
		if len(m.addrs) == 0 {
			return
		}
		again, err := decodeInitial(appendInitial(nil, m.sid, m.addrs, true))
		if err != nil || again.sid != m.sid || !slices.Equal(again.addrs, m.addrs) {
			t.Fatalf("%+v comes back as %+v, %v", m, again, err)
		}
	})
}

func TestOwnAddressWithoutConfigurationIsTheBoundOne(t *testing.T) {
	p := start(t, Options{Me: 9})
	p.SetServers(nil)
	l, port := listenRaw(t)
	p.SetServers([]quorum.Server{server(3, 1, port)})
	p.Notify(3, ballot(1))
	c := acceptRaw(t, l)
	m, err := readInitial(newVoteReader(c))
	if err != nil || m.sid != 9 || len(m.addrs) != 1 || m.addrs[0] != p.self.Addrs[0].Election() {
		t.Errorf("%+v, %v", m, err)
	}
}
