package proto

import (
	"bytes"
	"encoding/binary"
	"math"
	"reflect"
	"testing"

	"quokka/internal/jute"
)

var notifications = []Notification{
	{},
	{State: Looking, Leader: 3, Zxid: MakeZxid(4, 7), ElectionEpoch: 1, PeerEpoch: 4, Config: "server.1=a:1:2:participant\nversion=0"},
	{State: Observing, Leader: math.MinInt64, Zxid: math.MinInt64, ElectionEpoch: math.MaxInt64, PeerEpoch: math.MinInt64},
	{State: Leading, Leader: 1, Zxid: -1, ElectionEpoch: -1, PeerEpoch: -1, Config: "\x00\xff"},
}

func TestNotificationRoundTrip(t *testing.T) {
	for _, want := range notifications {
		want.Version = NotificationVersion
		b := AppendNotification([]byte("before"), &want)[len("before"):]
		got, err := DecodeNotification(b)
		if err != nil || got != want {
			t.Errorf("got %+v (%v), want %+v", got, err, want)
		}
	}
}

// The bytes are laid out as FastLeaderElection.buildMsg does.
func TestNotificationBytes(t *testing.T) {
	n := Notification{State: Following, Leader: 3, Zxid: MakeZxid(4, 7), ElectionEpoch: 9, PeerEpoch: 5, Config: "version=0"}
	want := unhex(t, "00000001 0000000000000003 0000000400000007 0000000000000009 0000000000000005 00000002 00000009 76657273696f6e3d30")
	if got := AppendNotification(nil, &n); !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

// Every release since 3.0 sends a different length.
func TestNotificationsOfOldReleases(t *testing.T) {
	full := AppendNotification(nil, &Notification{State: Leading, Leader: 3, Zxid: MakeZxid(4, 7), ElectionEpoch: 9, PeerEpoch: 6, Config: "c"})
	versioned := func(v int32, rest ...byte) []byte {
		return append(binary.BigEndian.AppendUint32(bytes.Clone(full[:36]), uint32(v)), rest...)
	}
	base := Notification{State: Leading, Leader: 3, Zxid: MakeZxid(4, 7), ElectionEpoch: 9, PeerEpoch: 6}
	for _, c := range []struct {
		name string
		b    []byte
		want Notification
	}{
		{"28 bytes: the epoch is that of the zxid", full[:28], Notification{base.State, 3, base.Zxid, 9, 4, 0, ""}},
		{"40 bytes: no version", versioned(1), base},
		{"version 1 with something behind", versioned(1, 0, 0, 0, 0), Notification{base.State, 3, base.Zxid, 9, 6, 1, ""}},
		{"a negative version", versioned(-1, 1, 2, 3, 4), Notification{base.State, 3, base.Zxid, 9, 6, -1, ""}},
		{"version 2", full, Notification{base.State, 3, base.Zxid, 9, 6, 2, "c"}},
		{"a later version with more behind", versioned(3, 0, 0, 0, 1, 'c', 9, 9), Notification{base.State, 3, base.Zxid, 9, 6, 3, "c"}},
	} {
		if got, err := DecodeNotification(c.b); err != nil || got != c.want {
			t.Errorf("%s: got %+v (%v), want %+v", c.name, got, err, c.want)
		}
	}
}

// ZOOKEEPER-3769: these must be told from others, and break nothing.
func TestMalformedNotifications(t *testing.T) {
	full := AppendNotification(nil, &Notification{Config: "version=0"})
	bad := [][]byte{full[:43], full[:len(full)-1]}
	for n := range 40 {
		if n != 28 {
			bad = append(bad, full[:n])
		}
	}
	for _, size := range []int32{-1, math.MinInt32, math.MaxInt32, 10} {
		b := bytes.Clone(full)
		binary.BigEndian.PutUint32(b[40:], uint32(size))
		bad = append(bad, b)
	}
	for _, b := range bad {
		if n, err := DecodeNotification(b); err == nil {
			t.Errorf("%d bytes %x: no error, but %+v", len(b), b, n)
		}
	}
}

func FuzzDecodeNotification(f *testing.F) {
	for _, n := range notifications {
		b := AppendNotification(nil, &n)
		f.Add(b)
		f.Add(b[:28])
		f.Add(b[:40])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := DecodeNotification(b)
		if err != nil {
			return
		}
		n.Version = NotificationVersion
		if again, err := DecodeNotification(AppendNotification(nil, &n)); err != nil || again != n {
			t.Errorf("got %+v (%v), want %+v", again, err, n)
		}
	})
}

func TestLearnerInfo(t *testing.T) {
	plain := unhex(t, "0000000000000003 00010000 0000000100000005")
	java := LearnerInfo{Server: 3, Protocol: LearnerProtocol, ConfigVersion: 0x100000005}
	if got := AppendLearnerInfo(nil, java); !bytes.Equal(got, plain) {
		t.Errorf("got %x, want %x", got, plain)
	}
	ours := java
	ours.Quokka = true
	for _, c := range []struct {
		b    []byte
		want LearnerInfo
	}{
		{plain, java},
		{AppendLearnerInfo(nil, ours), ours},
		{append(bytes.Clone(plain), "quokka2\x00"...), java},
		{append(AppendLearnerInfo(nil, ours), 0), java},
		{plain[:8], LearnerInfo{Server: 3}},
		{plain[:12], LearnerInfo{Server: 3, Protocol: LearnerProtocol}},
		{plain[:19], LearnerInfo{Server: 3, Protocol: LearnerProtocol}},
	} {
		if got, err := DecodeLearnerInfo(c.b); err != nil || got != c.want {
			t.Errorf("%x: got %+v (%v), want %+v", c.b, got, err, c.want)
		}
	}
	for n := range 8 {
		if _, err := DecodeLearnerInfo(plain[:n]); err == nil {
			t.Errorf("%d bytes: no error", n)
		}
	}
	if !bytes.HasPrefix(AppendLearnerInfo(nil, ours), plain) {
		t.Error("the mark does not stand behind what Java reads")
	}
}

func FuzzDecodeLearnerInfo(f *testing.F) {
	for _, quokka := range []bool{false, true} {
		b := AppendLearnerInfo(nil, LearnerInfo{Server: 3, Protocol: LearnerProtocol, ConfigVersion: 7, Quokka: quokka})
		f.Add(b)
		f.Add(b[:12])
		f.Add(b[:8])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := DecodeLearnerInfo(b)
		if (err != nil) != (len(b) < 8) {
			t.Fatalf("%d bytes: %v", len(b), err)
		}
		if err != nil {
			return
		}
		if again, err := DecodeLearnerInfo(AppendLearnerInfo(nil, i)); err != nil || again != i {
			t.Errorf("got %+v (%v), want %+v", again, err, i)
		}
	})
}

func TestForwardedRequestRoundTrip(t *testing.T) {
	for _, want := range []ForwardedRequest{
		{Session: 0x0100000f63690000, Cxid: 3, Op: OpCreate, Body: []byte("body")},
		{Session: -1, Cxid: math.MinInt32, Op: -11, Body: []byte{}},
	} {
		b := AppendForwardedRequest(nil, &want)
		got, err := DecodeForwardedRequest(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v (%v), want %+v", got, err, want)
		}
		for n := range 16 {
			if _, err := DecodeForwardedRequest(b[:n]); err == nil {
				t.Errorf("%d bytes: no error", n)
			}
		}
	}
}

func FuzzDecodeForwardedRequest(f *testing.F) {
	f.Add(AppendForwardedRequest(nil, &ForwardedRequest{Session: 1, Cxid: 2, Op: OpDelete, Body: []byte("x")}))
	f.Add(make([]byte, 15))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeForwardedRequest(b)
		if (err != nil) != (len(b) < 16) {
			t.Fatalf("%d bytes: %v", len(b), err)
		}
		if err == nil && !bytes.Equal(AppendForwardedRequest(nil, &r), b) {
			t.Errorf("%x becomes %+v", b, r)
		}
	})
}

func TestSessionTouches(t *testing.T) {
	want := []SessionTouch{{Session: 1 << 60, TimeoutMS: 4000}, {Session: -2, TimeoutMS: -1}}
	var b []byte
	for _, s := range want {
		b = AppendSessionTouch(b, s)
	}
	for rest := range 12 {
		if got := DecodeSessionTouches(append(bytes.Clone(b), make([]byte, rest)...)); !reflect.DeepEqual(got, want) {
			t.Errorf("with %d bytes behind: got %+v, want %+v", rest, got, want)
		}
	}
	if got := DecodeSessionTouches(nil); len(got) != 0 {
		t.Errorf("nothing: got %+v", got)
	}
}

func FuzzDecodeSessionTouches(f *testing.F) {
	f.Add(AppendSessionTouch(AppendSessionTouch(nil, SessionTouch{1, 2}), SessionTouch{3, 4}))
	f.Add(make([]byte, 11))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		for _, s := range DecodeSessionTouches(b) {
			again = AppendSessionTouch(again, s)
		}
		if !bytes.Equal(again, b[:len(b)/12*12]) {
			t.Errorf("%x becomes %x", b, again)
		}
	})
}

func TestRevalidated(t *testing.T) {
	for _, valid := range []bool{false, true} {
		b := AppendRevalidated(nil, 7, valid)
		if id, got, err := DecodeRevalidated(b); id != 7 || got != valid || err != nil {
			t.Errorf("got %v %v (%v), want 0x7 %v", id, got, err, valid)
		}
		for n := range 9 {
			if _, _, err := DecodeRevalidated(b[:n]); err == nil {
				t.Errorf("%d bytes: no error", n)
			}
		}
	}
}

func FuzzDecodeRevalidated(f *testing.F) {
	f.Add(AppendRevalidated(nil, 7, true))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		id, valid, err := DecodeRevalidated(b)
		if (err != nil) != (len(b) < 9) {
			t.Fatalf("%d bytes: %v", len(b), err)
		}
		if err != nil {
			return
		}
		if id2, valid2, err := DecodeRevalidated(AppendRevalidated(nil, id, valid)); id2 != id || valid2 != valid || err != nil {
			t.Errorf("got %v %v (%v), want %v %v", id2, valid2, err, id, valid)
		}
	})
}

// A null buffer and a null vector have the length -1; an empty vector is not
// null.
func TestQuorumPacketBytes(t *testing.T) {
	for _, c := range []struct {
		p    QuorumPacket
		want string
	}{
		{QuorumPacket{Type: PacketPing, Zxid: MakeZxid(1, 2)}, "00000005 0000000100000002 ffffffff ffffffff"},
		{QuorumPacket{Type: PacketUpToDate, Zxid: -1, Data: []byte{}, Auth: []ID{}}, "0000000c ffffffffffffffff 00000000 00000000"},
		{
			QuorumPacket{Type: PacketRequest, Data: []byte{7}, Auth: []ID{{"ip", "a"}, {"x", ""}}},
			"00000001 0000000000000000 00000001 07 00000002 00000002 6970 00000001 61 00000001 78 00000000",
		},
	} {
		got := AppendQuorumPacket(nil, &c.p)
		if want := unhex(t, c.want); !bytes.Equal(got, want) {
			t.Errorf("%v:\ngot  %x\nwant %x", c.p.Type, got, want)
		}
		d := jute.NewDecoder(got)
		d.Int()
		d.Long()
		d.Buffer()
		for range max(d.VectorLen(8), 0) {
			_, _ = d.String(), d.String()
		}
		if d.Err() != nil || d.Len() != 0 {
			t.Errorf("%v: %v, %d bytes are left", c.p.Type, d.Err(), d.Len())
		}
	}
}

func TestQuorumNames(t *testing.T) {
	for p := PacketRequest; p <= PacketInformAndActivate; p++ {
		if packetNames[p] == "" {
			t.Errorf("packet %d has no name", int32(p))
		}
	}
	for want, s := range map[string]interface{ String() string }{
		"COMMITANDACTIVATE": PacketCommitAndActivate, "packet 77": PacketType(77),
		"LOOKING": Looking, "FOLLOWING": Following, "LEADING": Leading, "OBSERVING": Observing, "state -1": PeerState(-1),
	} {
		if s.String() != want {
			t.Errorf("got %s, want %s", s, want)
		}
	}
}
